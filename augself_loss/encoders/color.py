"""Colour jitter: brightness, contrast, saturation, hue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter

import torch
from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.encoders.in_place import Image, InPlace, Params, Row, Starts
from augself_loss.encoders.regression import RegressionEncoder, as_range, telling
from augself_loss.errors import RecordError
from augself_loss.parameters import Field, Range

FACTORS = ("brightness", "contrast", "saturation", "hue")
NO_ORDER = (0.0, 1.0, 2.0, 3.0)
HUE = 3
albumentations_factors = itemgetter(*FACTORS)
torchvision_factors = itemgetter(*(f"{factor}_factor" for factor in FACTORS))
"""What reads the factors that were drawn."""


class ColorEncoder(RegressionEncoder):
    """Colour jitter: factors of brightness, contrast, saturation (identity 1), hue in turns (0).

    Target: ``(ω_a − ω_b) / span`` per factor. Under ``preset="paper"`` the span is the sampling
    range's own width. By default it holds the identity too (a skipped sample of brightness
    (1.2, 1.6) would otherwise give 1.5, out of tanh's reach), hue differences go the short way
    round the circle, and saturation and hue do not count where either view is grey: they cannot
    be seen there.

    Args:
        brightness: half-width around 1, or ``(low, high)``; ``None`` if it is not jittered.
        contrast: likewise.
        saturation: likewise.
        hue: half-width around 0, or ``(low, high)``, in turns; ``None`` if it is not jittered.

    Raises:
        EncoderError: a range of zero width, or none at all.

    Reference:
        Lee et al., NeurIPS 2021, section 3.2 (color); loss MSE(tanh(φ), ω_diff).

    Example:
        >>> encoder = ColorEncoder(brightness=0.4, contrast=0.4, saturation=0.4, hue=(-0.1, 0.1))
        >>> bright = {"color": torch.tensor([[1.4, 1.0, 1.0, 0.0]])}
        >>> plain = {"color": torch.tensor([[1.0, 1.0, 1.0, 0.0]])}
        >>> encoder.difference(bright, plain)
        tensor([[0.5000, 0.0000, 0.0000, 0.0000]])
    """

    name = "color"
    columns = FACTORS
    identity = (1.0, 1.0, 1.0, 0.0)
    optional = ("grayscale",)
    circles = {HUE: 1.0}
    extras = {"color_order": Field(("first", "second", "third", "fourth"), NO_ORDER)}

    def __init__(
        self,
        brightness: float | Range | None = 0.4,
        contrast: float | Range | None = 0.4,
        saturation: float | Range | None = 0.4,
        hue: float | Range | None = 0.1,
    ) -> None:
        super().__init__(
            as_range(brightness, 1.0, "brightness"),
            as_range(contrast, 1.0, "contrast"),
            as_range(saturation, 1.0, "saturation"),
            as_range(hue, 0.0, "hue"),
        )

    def span(self, column: int) -> float:
        """Width by which a factor's difference is divided."""
        limits = self.ranges[column]
        if self.preset == "paper" and limits is not None:
            return limits[1] - limits[0]
        return super().span(column)

    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make ω_diff = (ω_a − ω_b) / span, ``(B, width)``."""
        offsets = (record_a[self.name] - record_b[self.name]).unbind(-1)
        return self.scaled(offsets if self.preset == "paper" else self.shortened(offsets))

    def visible(
        self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]
    ) -> Tensor | None:
        """Mask saturation and hue where either view is grey, ``(B, width)``."""
        grey = [r["grayscale"] for r in (record_a, record_b) if "grayscale" in r]
        if self.preset == "paper" or not grey:
            return None
        colourful = (1 - grey[0]) * (1 - grey[-1])
        always = torch.ones_like(colourful)
        columns = [colourful if i >= 2 else always for i in self.varying]
        return torch.cat(columns, dim=-1)

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from a jitter's ranges."""
        ranges = [
            step.config.get(n) if i in active_factors(step) else None for i, n in enumerate(FACTORS)
        ]
        return cls(*telling(ranges, cls.identity))

    from_torchvision = from_kornia

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' ranges."""
        return cls(*telling([tuple(step.config[name]) for name in FACTORS], cls.identity))

    @staticmethod
    def _read_kornia(step: Step) -> Mapping[str, Columns]:
        return {"color": kornia_factors(step), "color_order": kornia_order(step)}

    @staticmethod
    def _place(row: Row, starts: Starts, params: Params, image: Image) -> None:
        order = params["fn_idx"]
        # A tensor's elements one by one would be tensors too.
        listed = order.tolist() if isinstance(order, Tensor) else order
        put_jitter(row, starts, torchvision_factors(params), listed, image)

    @staticmethod
    def _place_albumentations(row: Row, starts: Starts, params: Params, image: Image) -> None:
        put_jitter(row, starts, albumentations_factors(params), params["order"], image)

    @staticmethod
    def _write_albumentations(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:  # noqa: ARG004
        order = [int(i) for i in entries["color_order"]]
        return {**dict(zip(FACTORS, entries["color"], strict=True)), "order": order}

    @staticmethod
    def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        return write_factors(entries, "color", step)

    kornia = {"ColorJitter": _read_kornia}
    torchvision = {"ColorJitter": InPlace(_place, color=4, color_order=4)}
    albumentations = {"ColorJitter": InPlace(_place_albumentations, color=4, color_order=4)}
    albumentations_writers = {"ColorJitter": _write_albumentations}
    kornia_writers = {"ColorJitter": _write}


def put_jitter(
    row: Row, starts: Starts, factors: Columns, order: Sequence[Value], image: Image
) -> None:
    """Write factors into a row, those that were drawn, and in which order they were applied."""
    at = starts["color"]
    # Of one channel saturation and hue change nothing.
    for factor in factors[:2] if image.channels == 1 else factors:
        if factor is not None:
            row[at] = factor
        at += 1
    at = starts["color_order"]
    for operation in order:
        row[at] = operation
        at += 1


def active_factors(step: Step) -> tuple[int, ...]:
    """List the operations of a Kornia jitter that change something: run, and not by the identity.

    A fixed order may leave some out, and a factor that was not asked for is always the identity.
    """
    fixed: tuple[int, ...] | None = step.config.get("fixed_order")
    run = (0, 1, 2, 3) if fixed is None else fixed
    return tuple(i for i in run if step.config.get(FACTORS[i]) != (ColorEncoder.identity[i],) * 2)


def kornia_factors(step: Step) -> Columns:
    """Read the four factors of a Kornia jitter; one that it never changes is untouched.

    Nor are saturation and hue of an image of one channel, which has none.
    """
    active = [i for i in active_factors(step) if i < 2 or step.channels != 1]
    return tuple(
        step.params[f"{name}_factor"] if i in active else None for i, name in enumerate(FACTORS)
    )


def kornia_order(step: Step) -> Columns:
    """Read in which order a Kornia jitter ran its operations; −1 where it ran fewer than four."""
    fixed: tuple[int, ...] | None = step.config.get("fixed_order")
    if fixed is not None:
        return (*(float(i) for i in fixed), *(-1.0 for _ in range(4 - len(fixed))))
    return tuple(step.params["order"].unbind(0))


def write_factors(entries: Mapping[str, Columns], name: str, step: Step) -> Mapping[str, Value]:
    """Write a jitter's record entries back as Kornia's parameters."""
    written = {f"{n}_factor": value for n, value in zip(FACTORS, entries[name], strict=True)}
    orders = torch.stack(tuple(entries[f"{name}_order"]), dim=-1)
    # Skipped samples hold the identity order, so read that of an applied one.
    row = step.params["applied"].float().argmax()
    if bool(((orders != orders[row]).any(dim=-1) & (step.params["applied"] > 0.5)).any()):
        raise RecordError(
            "replay expected the same order of colour operations for the whole batch, as Kornia "
            f"draws it, found several in '{name}_order'. Replay each recorded batch on its own."
        )
    return {**written, "order": orders[row].long()}
