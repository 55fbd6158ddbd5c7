"""The heads φ_a: one small MLP per augmentation type."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.errors import LossError
from augself_loss.first_layer import FirstLayer
from augself_loss.grouped import alike, grouped

RELEASED_NAMES = {"rot": "rotation", "sol": "solarize"}
"""Names of the released code's heads that differ from ours."""


def mlp(feature_dim: int, hidden_dim: int, width: int) -> nn.Sequential:
    """Build φ_a: Linear-BN-ReLU-Linear-BN-ReLU-Linear on two concatenated feature vectors.

    Args:
        feature_dim: width D of one view's features.
        hidden_dim: width of both hidden layers.
        width: number of outputs.

    Returns:
        Module ``(B, 2D) → (B, width)``; its state dict has the released code's keys.

    Reference:
        Lee et al., NeurIPS 2021, section 3.3.
    """
    return nn.Sequential(
        nn.Linear(2 * feature_dim, hidden_dim, bias=False),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, hidden_dim, bias=False),
        nn.BatchNorm1d(hidden_dim),
        nn.ReLU(inplace=True),
        nn.Linear(hidden_dim, width),
    )


def launches_cost(features: Tensor) -> bool:
    """Whether grouped heads are faster: not on a CPU, where each head alone fits its cache."""
    return features.device.type != "cpu"


def check_gathered(heads: Sequence[nn.Sequential], features: Tensor) -> None:
    """Refuse heads that FSDP2 holds in shards (DTensors) and has not gathered for this call."""
    sharded = [h for h in heads if hasattr(h[0].weight, "device_mesh")]
    if sharded and not hasattr(features, "device_mesh"):
        raise LossError(
            "Expected AugSelf's heads whole, found FSDP's shards, which it gathers when the module "
            "that fully_shard was given is called. Give it all heads at once, "
            "fully_shard(augself.heads), not one by one; or, of a sharded loss, call "
            "register_fsdp_forward_method(augself, 'predict')."
        )


class Heads(nn.ModuleDict):
    """The heads of several types, by name.

    Making them leaves the host's random state as it was, so that adding AugSelf changes neither
    the initialization nor the data order of the run it is added to.

    Args:
        feature_dim: width D of one view's features.
        widths: type name → number of outputs.
        hidden_dim: width of the hidden layers.

    Raises:
        LossError: a type's name cannot name a module.
    """

    def __init__(self, feature_dim: int, widths: Mapping[str, int], hidden_dim: int) -> None:
        taken = [n for n in widths if not n or "." in n or hasattr(nn.ModuleDict(), n)]
        if taken:
            raise LossError(
                f"A type's name also names its head: expected one without dots that "
                f"torch.nn.ModuleDict does not use itself, found '{taken[0]}'. Rename the encoder."
            )
        with torch.random.fork_rng(devices=[]):
            super().__init__(
                {name: mlp(feature_dim, hidden_dim, width) for name, width in widths.items()}
            )

    def forward(
        self,
        features: Sequence[Tensor],
        pairs: Sequence[tuple[int, int]],
        types: Sequence[str] | None = None,
    ) -> dict[str, Tensor]:
        """Predict every type's difference i→j, for all ordered pairs of views at once.

        Args:
            features: per view, ``(B, D)``.
            pairs: ordered pairs (i, j) of views, stacked along the batch.
            types: the types to predict; default all.

        Returns:
            Type name → raw output ``(pairs · B, width)``.

        Raises:
            LossError: FSDP holds the heads in shards, and does not gather them for this call.
        """
        names = tuple(self if types is None else types)
        heads: list[Any] = [self[name] for name in names]
        check_gathered(heads, features[0])
        first = FirstLayer(features, pairs)
        if launches_cost(features[0]) and alike(heads):
            outputs = grouped(heads, first)
        else:
            outputs = [head[1:](first(head[0].weight)) for head in heads]
        return dict(zip(names, outputs, strict=True))

    def load_released(self, state_dicts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load heads that the released AugSelf code saved.

        Args:
            state_dicts: the released code's type name or ours → state dict of that MLP.

        Raises:
            LossError: a type that has no head here, or weights of other shapes.
        """
        if not isinstance(state_dicts, Mapping):
            raise LossError(
                "load_released_heads expected a dict, type name → state dict, found "
                f"{type(state_dicts).__name__}."
            )
        for released, state in state_dicts.items():
            name = RELEASED_NAMES.get(released, released)
            if name not in self:
                raise LossError(
                    f"Found a released head '{released}', expected types out of {tuple(self)}. "
                    f"Build the loss with weights for '{name}'."
                )
            try:
                self[name].load_state_dict(dict(state))
            except (RuntimeError, TypeError, ValueError) as error:
                raise LossError(
                    f"The released head '{released}' does not fit this loss; expected the state "
                    "dict of one MLP, keys 0.weight … 6.bias, of this loss's feature_dim and "
                    f"hidden_dim, found: {error}"
                ) from error
