"""Kornia's own colour operations, which are not torchvision's though the keys are the same."""

from __future__ import annotations

from collections.abc import Mapping

from typing_extensions import Self

from augself_loss.encoders.base import Columns, Reader, Step, Value
from augself_loss.encoders.color import (
    FACTORS,
    NO_ORDER,
    ColorEncoder,
    kornia_factors,
    kornia_order,
    write_factors,
)
from augself_loss.parameters import Field


def _single(name: str) -> Reader:
    """Make the reader of RandomBrightness, RandomContrast, …: one factor, the others untouched."""

    def read(step: Step) -> Mapping[str, Columns]:
        factor = step.params[f"{name}_factor"]
        return {"color_jiggle": tuple(factor if name == other else None for other in FACTORS)}

    return read


def _read(step: Step) -> Mapping[str, Columns]:
    return {"color_jiggle": kornia_factors(step), "color_jiggle_order": kornia_order(step)}


def _write(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
    if step.name == "ColorJiggle":
        return write_factors(entries, "color_jiggle", step)
    name = step.name.removeprefix("Random").lower()
    return {f"{name}_factor": entries["color_jiggle"][FACTORS.index(name)]}


class ColorJiggleEncoder(ColorEncoder):
    """Kornia's ColorJiggle and RandomBrightness, -Contrast, -Saturation, -Hue.

    Brightness is *added* (factor − 1) and contrast multiplies without the image's mean, unlike in
    ColorJitter, so the factors are recorded under a name of their own. Arguments and target are
    those of :class:`~augself_loss.encoders.color.ColorEncoder`.
    """

    name = "color_jiggle"
    extras = {"color_jiggle_order": Field(("first", "second", "third", "fourth"), NO_ORDER)}

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's ranges; RandomBrightness etc. name theirs otherwise."""
        named = {n: step.config[f"{n}_factor"] for n in FACTORS if f"{n}_factor" in step.config}
        return super().from_kornia(Step(step.name, {}, {**step.config, **named}, step.size))

    kornia = {
        "ColorJiggle": _read,
        **{f"Random{name.capitalize()}": _single(name) for name in FACTORS},
    }
    torchvision = {}
    kornia_writers = {
        "ColorJiggle": _write,
        **{f"Random{name.capitalize()}": _write for name in FACTORS},
    }
