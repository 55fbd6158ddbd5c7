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
from augself_loss.encoders.regression import telling
from augself_loss.errors import PipelineError
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


def _read_linear(step: Step) -> Mapping[str, Columns]:
    """Read α · x + β: contrast first, then what is added, as a fraction of white."""
    added = step.params["beta"] / step.white
    return {
        "color_jiggle": (1 + added, step.params["alpha"], None, None),
        "color_jiggle_order": (1.0, 0.0, -1.0, -1.0),
    }


def _write_linear(entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
    brightness, contrast, *_ = entries["color_jiggle"]
    return {"alpha": contrast, "beta": (brightness - 1) * step.white}


class ColorJiggleEncoder(ColorEncoder):
    """Kornia's ColorJiggle, RandomBrightness, …; albumentations' RandomBrightnessContrast.

    Brightness is *added* (factor − 1) and contrast multiplies without the image's mean, unlike in
    ColorJitter, so the factors are recorded under a name of their own. Kornia clips to [0, 1] after
    each of the two, albumentations once after both. Arguments and target are those of
    :class:`~augself_loss.encoders.color.ColorEncoder`.
    """

    name = "color_jiggle"
    extras = {"color_jiggle_order": Field(("first", "second", "third", "fourth"), NO_ORDER)}

    @classmethod
    def from_kornia(cls, step: Step) -> Self:
        """Build the encoder from Kornia's ranges; RandomBrightness etc. name theirs otherwise."""
        named = {n: step.config[f"{n}_factor"] for n in FACTORS if f"{n}_factor" in step.config}
        return super().from_kornia(Step(step.name, {}, {**step.config, **named}, step.size))

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:
        """Build the encoder from albumentations' limits, which count from the identity."""
        limits = (step.config["brightness_limit"], step.config["contrast_limit"])
        ranges = [(1 + low, 1 + high) for low, high in limits]
        return cls(*telling([*ranges, None, None], cls.identity))

    @classmethod
    def check_step(cls, step: Step) -> None:
        """Refuse albumentations' ``ensure_safe_range``, which leaves the limits.

        Raises:
            PipelineError: it is set.
        """
        if step.config.get("ensure_safe_range"):
            raise PipelineError(
                f"'{step.name}' expected ensure_safe_range=False, found True: it moves the "
                "factors out of their limits. Pass ensure_safe_range=False, or leave it out of "
                f"the record with ignore=[{step.name}]."
            )

    kornia = {
        "ColorJiggle": _read,
        **{f"Random{name.capitalize()}": _single(name) for name in FACTORS},
    }
    torchvision = {}
    albumentations = {"RandomBrightnessContrast": _read_linear}
    albumentations_writers = {"RandomBrightnessContrast": _write_linear}
    kornia_writers = {
        "ColorJiggle": _write,
        **{f"Random{name.capitalize()}": _write for name in FACTORS},
    }
