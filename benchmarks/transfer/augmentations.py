"""The pipelines that the comparison trains with, for whole batches on the device."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from torch import Tensor

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.partners import Partners

OWN = ("flip", "blur")
"""What STL's partners do not share, as its paper has it."""


@dataclass(frozen=True)
class Augmentation:
    """What happens to a picture, in this order; the defaults are the paper's, without its blur.

    Args:
        scale: smallest and largest part of the area that a crop keeps.
        flip: probability of a horizontal flip.
        jitter: strengths of brightness, contrast, saturation, hue.
        jitter_p: probability of the colour jitter.
        grayscale: probability of turning grey.
        blur: probability of a Gaussian blur.
        blur_sigma: its σ in pixels, smallest and largest.
        blur_kernel: side of its kernel in pixels.
        solarize: probability of solarizing.
        rotation: turn every view by 0 to 3 quarters.

    Reference:
        Lee et al., NeurIPS 2021, section 4 and supplement A.
    """

    scale: tuple[float, float] = (0.2, 1.0)
    flip: float = 0.5
    jitter: tuple[float, float, float, float] = (0.4, 0.4, 0.4, 0.1)
    jitter_p: float = 0.8
    grayscale: float = 0.2
    blur: float = 0.0
    blur_sigma: tuple[float, float] = (0.1, 2.0)
    blur_kernel: int = 9
    solarize: float = 0.0
    rotation: bool = False


def pipeline(augmentation: Augmentation, view: int) -> K.AugmentationSequential:
    """Build the Kornia pipeline that makes views of ``view`` pixels a side."""
    a = augmentation
    steps: list[Any] = [
        K.RandomResizedCrop((view, view), scale=a.scale),
        K.RandomHorizontalFlip(p=a.flip),
        K.ColorJitter(*a.jitter, p=a.jitter_p),
        K.RandomGrayscale(p=a.grayscale),
    ]
    if a.blur:
        kernel = (a.blur_kernel, a.blur_kernel)
        steps.append(K.RandomGaussianBlur(kernel, a.blur_sigma, p=a.blur))
    if a.solarize:
        steps.append(K.RandomSolarize(p=a.solarize))
    if a.rotation:
        steps.append(K.RandomRotation90(times=(0, 3), p=1.0))
    return K.AugmentationSequential(*steps)


def third_view(objective: str, augmentation: Augmentation, view: int) -> K.ImageSequential | None:
    """Build the pipeline of the third view that an objective wants; ``None`` if it wants none.

    EquiMod's is the picture without augmentation, as large as the views; E-SSL's is augmented like
    them, and half as large.
    """
    if objective == "equimod":
        return K.AugmentationSequential(K.Resize((view, view), antialias=True))
    return pipeline(augmentation, view // 2) if objective == "essl" else None


class SeededViews:
    """Makes two views of a batch from a seed: the same for every run that is compared.

    Args:
        augmentation: the pipeline of both views.
        view: their side in pixels.
        seed: of the run; a step and a process draw by it and their own numbers.
        apply: who applies what was drawn, as ``KorniaRecorder`` has it.
        objective: whose further needs are met. A third view is drawn after the two; for STL the
            pictures are partners, of which the second gets the first's draws.

    Attributes:
        recorder: the library's recorder that makes the views.
    """

    def __init__(
        self,
        augmentation: Augmentation,
        view: int,
        seed: int,
        apply: Literal["kornia", "fused"] = "kornia",
        objective: str = "",
    ) -> None:
        recorder: Any = KorniaRecorder(pipeline(augmentation, view), apply=apply)
        if objective == "stl":
            names = [encoder.name for encoder in recorder.encoders]
            recorder = Partners(recorder, own=[name for name in OWN if name in names])
        third = third_view(objective, augmentation, view)
        beside = [] if third is None else [KorniaRecorder(third, apply=apply)]
        self.recorder = MultiViewRecorder([recorder, recorder, *beside])
        self.seed = seed

    @torch.no_grad()
    def __call__(self, pictures: Tensor, step: int, process: int = 0) -> list[Tensor]:
        """Make the views and, last, their packed records.

        Args:
            pictures: uint8 ``(B, 3, S, S)``.
            step: number of the training step.
            process: number of the process, under DDP.
        """
        devices = [pictures.device] if pictures.is_cuda else []
        with torch.random.fork_rng(devices):
            torch.manual_seed((self.seed * 1_000_003 + step) * 1_009 + process)
            views: list[Tensor] = self.recorder(pictures.float() / 255)
        return views
