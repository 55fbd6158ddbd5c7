"""Colour jitter and greyscale, with the arithmetic of Kornia's, pixel by pixel."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor
from typing_extensions import override

from augself_loss.recording.kornia.fused.compiled import bound
from augself_loss.recording.kornia.fused.hue import Planes, turned, turned_planes
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Prepared
from augself_loss.recording.kornia.fused.row_wise import RowWise, Work

FACTORS = ("brightness_factor", "contrast_factor", "saturation_factor", "hue_factor")
NEUTRAL = (1.0, 1.0, 1.0, 0.0)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)
"""Numbers by which Kornia's ``order`` names the steps."""
LUMA = (0.299, 0.587, 0.114)


class Jitter(RowWise):
    """``ColorJitter``: brightness, contrast, saturation and hue in a drawn order.

    Three of the steps blend with something grey: with black, with the mean grey, with the pixel's
    own grey. So one graph runs any order: what to blend with is a number.
    """

    bit_by_bit = True

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It works on three channels."""
        return None if images.shape[1] == 3 else "only images of three channels are fused"

    @override
    def columns(self, drawn: Drawn) -> dict[str, Tensor]:
        """List the factor of every step in the order drawn."""
        return {"factors": torch.stack([_factor(drawn, step) for step in _order(drawn)], 1)}

    @override
    def graph_columns(self, drawn: Drawn) -> dict[str, Tensor]:
        """List factor and kind of every step, and of those before contrast."""
        steps = [_Step.of(drawn, step) for step in _order(drawn)]
        factors = torch.stack([step.factor for step in steps], 1)
        kinds = [step.kind for step in steps]
        place = kinds.index(CONTRAST) if CONTRAST in kinds else len(kinds)
        sooner = torch.arange(len(kinds), device=factors.device) < place
        kind = torch.tensor(kinds, dtype=torch.float32, device=factors.device)
        return {
            "factors": factors,
            "kinds": kind.expand_as(factors),
            "sooner factors": torch.where(sooner, factors, 1.0),
            "sooner kinds": torch.where(sooner, kind, float(BRIGHTNESS)).expand_as(factors),
        }

    @override
    def known(self, drawn: Drawn) -> tuple[Any, ...]:
        """List the steps that change anything, and their columns."""
        return tuple(
            (step, number)
            for number, step in enumerate(_order(drawn))
            if _acts(drawn.params[FACTORS[step]], NEUTRAL[step])
        )

    @override
    def variant(self, drawn: Drawn) -> tuple[Any, ...]:
        """Say which step turns the hue, the dearest of them."""
        return (next((number for step, number in self.known(drawn) if step == HUE), None),)

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Return all steps, the hue turned at one of them."""
        return bound(_in_order, *known)

    @override
    def by_graph(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Select rows channel by channel too, before they are joined."""
        if prepared.gate is not None:
            columns = {**prepared.columns, "gate": prepared.gate}
            prepared = replace(prepared, columns=columns, gate=None)
        return super().by_graph(images, prepared)

    @override
    def in_place(
        self, images: Tensor, columns: Mapping[str, Tensor], known: tuple[Any, ...]
    ) -> Tensor:
        """Run the steps, one after the other."""
        images.clamp_(0.0, 1.0)
        for step, number in known:
            factor = columns["factors"][:, number, None, None, None]
            if step == HUE:
                images = turned(images, factor[:, 0])
                continue
            if step == BRIGHTNESS:
                images.mul_(factor)
            elif step == CONTRAST:
                torch.lerp(_mean_luma(images), images, factor, out=images)
            else:
                torch.lerp(luma(images.unbind(1))[:, None], images, factor, out=images)
            images.clamp_(0.0, 1.0)
        return images


def _order(drawn: Drawn) -> tuple[int, ...]:
    fixed = getattr(drawn.module, "_fixed_order", None)
    return tuple(fixed if fixed is not None else drawn.params["order"].tolist())


class _Step(NamedTuple):
    """One step of a jitter, as its graph reads it.

    Args:
        kind: its number.
        factor: ``(B,)``; of hue in sixths of the circle, in [0, 6).
    """

    kind: int
    factor: Tensor

    @classmethod
    def of(cls, drawn: Drawn, step: int) -> _Step:
        """Read a step; one that changes nothing becomes a brightness of 1."""
        factor: Tensor = drawn.params[FACTORS[step]]
        if not _acts(factor, NEUTRAL[step]):
            return cls(BRIGHTNESS, torch.ones_like(factor))
        return cls(step, _factor(drawn, step))


def _factor(drawn: Drawn, step: int) -> Tensor:
    """Read a step's factor; of hue in sixths of the circle, in [0, 6)."""
    factor: Tensor = drawn.params[FACTORS[step]]
    return (6.0 * factor).remainder(6.0) if step == HUE else factor


def _acts(factor: Tensor, neutral: float) -> bool:
    """Whether a step changes anything, as far as the host knows."""
    return factor.device.type != "cpu" or bool((factor != neutral).any())


def _mean_luma(images: Tensor) -> Tensor:
    """Return the mean luma ``(n, 1, 1, 1)`` of images."""
    return luma(images.mean((2, 3), keepdim=True).unbind(1))[:, None]


def _in_order(images: Tensor, columns: Mapping[str, Tensor], turning: int | None) -> Tensor:
    """Run the steps twice: up to contrast for the mean grey, then all."""
    planes: Planes = images.clamp(0.0, 1.0).unbind(1)
    sooner = _steps(planes, columns["sooner factors"], columns["sooner kinds"], turning)
    mean = luma(sooner).mean((1, 2), keepdim=True)
    planes = _steps(planes, columns["factors"], columns["kinds"], turning, mean)
    if "gate" in columns:
        gate = columns["gate"][:, None, None]
        pairs = zip(planes, images.unbind(1), strict=True)
        planes = [torch.where(gate, new, old) for new, old in pairs]
    return torch.stack(tuple(planes), 1)


def _steps(
    planes: Planes,
    factors: Tensor,
    kinds: Tensor,
    turning: int | None,
    mean: Tensor | None = None,
) -> Planes:
    """Run steps whose kind is a number, so that one graph serves many orders.

    Channels stay apart: a graph that joins them between two steps computes each thrice.
    """
    for number in range(factors.shape[1]):
        factor, kind = (t[:, number, None, None] for t in (factors, kinds))
        if number == turning:
            planes = turned_planes(planes, torch.where(kind == HUE, factor, 0.0))
            continue
        other = torch.where(kind == SATURATION, luma(planes), 0.0)
        if mean is not None:
            other = torch.where(kind == CONTRAST, mean, other)
        other = other * (1 - factor)
        planes = tuple((plane * factor + other).clamp(0.0, 1.0) for plane in planes)
    return planes


def luma(planes: Planes) -> Tensor:
    """Weigh the channels red, green and blue as an eye does."""
    red, green, blue = planes
    total = red * LUMA[0]
    return total.add_(green, alpha=LUMA[1]).add_(blue, alpha=LUMA[2])


class Grey(RowWise):
    """``RandomGrayscale``."""

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It knows the usual weights of three channels."""
        if images.shape[1] != 3:
            return "only images of three channels are fused"
        return None if module.rgb_weights is None else "its own rgb_weights are not fused"

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Repeat the luma."""
        return _greyed


def _greyed(images: Tensor, _: Mapping[str, Tensor]) -> Tensor:
    return luma(images.unbind(1))[:, None].expand(-1, 3, -1, -1)
