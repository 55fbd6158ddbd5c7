"""Numbers that the methods' released code computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from augself_loss import Record

GOLDEN = Path(__file__).parents[1] / "golden" / "objectives"
ENTRIES = ("crop", "flip", "color", "color_order", "grayscale", "blur", "solarize")


class Case:
    """One file, all in float64."""

    def __init__(self, name: str) -> None:
        with np.load(GOLDEN / f"{name}.npz") as arrays:
            self.arrays: dict[str, Any] = dict(arrays)

    def __getitem__(self, key: str) -> Tensor:
        found = torch.from_numpy(np.asarray(self.arrays[key]))
        return found.double() if found.is_floating_point() else found

    def features(self, name: str) -> Tensor:
        return self[name].clone().requires_grad_()

    def record(self, view: int) -> Record:
        known = {name: f"view{view}.{name}" for name in ENTRIES}
        return {name: self[key] for name, key in known.items() if key in self.arrays}

    def load(self, role: str, network: nn.Module) -> None:
        """Give a network a role's weights, layer by layer of either kind."""
        layers = {
            "linear": [m for m in network.modules() if isinstance(m, nn.Linear)],
            "norm": [m for m in network.modules() if hasattr(m, "weight") and
                     not isinstance(m, nn.Linear) and m.weight is not None],
        }  # fmt: skip
        network.double()
        with torch.no_grad():
            for kind, found in layers.items():
                for number, layer in enumerate(found):
                    for part, parameter in layer.named_parameters():
                        parameter.copy_(self[f"{role}.{kind}{number}.{part}"])
        stored = [k for k in self.arrays if k.startswith(f"{role}.")]
        assert len(stored) == len(list(network.parameters())), "every stored weight has its place"

    def check_gradients(self, roles: Mapping[str, nn.Module]) -> None:
        """Compare every weight's gradient."""
        for role, network in roles.items():
            for kind, layers in (("linear", nn.Linear), ("norm", (nn.BatchNorm1d, nn.LayerNorm))):
                found = [m for m in network.modules() if isinstance(m, layers)]
                found = [m for m in found if m.weight is not None]
                for number, layer in enumerate(found):
                    for part, parameter in layer.named_parameters():
                        key = f"f64.grad.{role}.{kind}{number}.{part}"
                        if key in self.arrays:
                            torch.testing.assert_close(parameter.grad, self[key], atol=1e-9, rtol=0)


@pytest.fixture
def case() -> Callable[[str], Case]:
    return Case


def close(found: Tensor, expected: Tensor, atol: float = 1e-9) -> None:
    torch.testing.assert_close(found.detach(), expected, atol=atol, rtol=0)
