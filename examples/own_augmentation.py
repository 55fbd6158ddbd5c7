"""An augmentation of your own: one encoder says all about it, and is passed in as an object.

Here a vignette darkens the corners by a random strength. It is written once as a Kornia
augmentation and once as a torchvision transform; one encoder reads both.

    python examples/own_augmentation.py
"""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812
import torch
from _shared import pack
from kornia.augmentation import random_generator
from torch import Tensor, nn
from torchvision.transforms import v2

from augself_loss import AugSelfLoss, RegressionEncoder
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

STRENGTH = (0.2, 0.8)


def vignette(image: Tensor, strength: Tensor) -> Tensor:
    """Darken the corners of (..., H, W) by a strength of shape (..., 1, 1, 1)."""
    height, width = image.shape[-2:]
    y = torch.linspace(-1, 1, height, device=image.device)[:, None]
    x = torch.linspace(-1, 1, width, device=image.device)
    return image * (1 - strength * (x**2 + y**2) / 2)


class RandomVignette(K.IntensityAugmentationBase2D):
    """The Kornia augmentation: strengths are drawn per sample."""

    def __init__(self, strength: tuple[float, float], p: float = 0.5) -> None:
        super().__init__(p=p)
        self._param_generator = random_generator.PlainUniformGenerator(
            (torch.tensor(strength), "strength", None, None)
        )

    def apply_transform(
        self,
        input: Tensor,  # noqa: A002 - Kornia's name
        params: dict[str, Tensor],
        flags: dict[str, Any],  # noqa: ARG002
        transform: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        """Apply the drawn strengths."""
        return vignette(input, params["strength"].to(input)[:, None, None, None])


class Vignette(v2.Transform):
    """The torchvision transform: v2 draws in make_params, and the recorder listens there."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002
        """Draw a strength."""
        return {"strength": float(torch.empty(1).uniform_(*STRENGTH))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        """Apply it."""
        return vignette(inpt, torch.tensor(params["strength"]))


class VignetteEncoder(RegressionEncoder):
    """Strength of the vignette, 0 where not applied; target: the difference over its span."""

    name, columns, identity = "vignette", ("strength",), (0.0,)
    kornia = {"RandomVignette": lambda step: {"vignette": (step.params["strength"],)}}
    torchvision = {"Vignette": lambda step: {"vignette": (step.params["strength"],)}}


def main() -> None:
    """Record both kinds, and compute the term."""
    encoder = VignetteEncoder(STRENGTH)
    pictures = pack.load("gallery").images[:8].float() / 255

    crop = K.RandomResizedCrop((64, 64))
    recorder = KorniaRecorder(nn.Sequential(crop, RandomVignette(STRENGTH)), encoders=[encoder])
    (views1, record1), (views2, record2) = recorder(pictures), recorder(pictures)
    print("Kornia:     ", record1["vignette"].flatten())

    in_worker = TorchvisionRecorder(Vignette(), encoders=[encoder])
    print("torchvision:", in_worker(pictures[0])[1]["vignette"])

    backbone = nn.Sequential(nn.AvgPool2d(8), nn.Flatten(), nn.Linear(3 * 8 * 8, 32))
    augself = AugSelfLoss(32, {"crop": 1.0, "vignette": 1.0}, encoders=[encoder], hidden_dim=64)
    out = augself(backbone(views1), backbone(views2), record1, record2)
    print("terms:      ", {name: f"{term.item():.3f}" for name, term in out.terms.items()})


if __name__ == "__main__":
    main()
