"""The hue of colours, turned in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor

Planes: TypeAlias = Sequence[Tensor]
"""Three channels, each ``(n, H, W)``."""


class _Wheel(NamedTuple):
    """A colour on the wheel, each ``(n, H, W)``.

    Args:
        hue: in sixths of the circle, in [0, 6); red is 0.
        chroma: greatest channel less the least.
        least: the least channel.
    """

    hue: Tensor
    chroma: Tensor
    least: Tensor


def _wheel(planes: Planes, sixths: Tensor) -> _Wheel:
    """Find colours in [0, 1] on the wheel, and turn it.

    Where two channels are the greatest, either gives the same hue.

    Args:
        planes: red, green, blue, each ``(n, H, W)``.
        sixths: ``(n, 1, 1)``, in sixths of the circle, at least 0.
    """
    red, green, blue = planes
    most = torch.maximum(torch.maximum(red, green), blue)
    least = torch.minimum(torch.minimum(red, green), blue)
    chroma = most - least
    is_red, is_green = red == most, green == most
    rise = torch.where(is_red, green - blue, torch.where(is_green, blue - red, red - green))
    base = torch.full_like(most, 4.0).masked_fill_(is_green, 2.0).masked_fill_(is_red, 6.0)
    hue = torch.addcdiv(base, rise, chroma.clamp_min(1e-30)).add_(sixths)
    return _Wheel(hue.sub_(torch.floor(hue * (1 / 6)), alpha=6.0), chroma, least)


def turned(images: Tensor, sixths: Tensor) -> Tensor:
    """Turn the hue of RGB images ``(n, 3, H, W)`` in [0, 1], as :func:`_wheel` says.

    A channel is the least of the three, plus chroma times how near the hue is to its own colour.
    """
    hue, chroma, least = _wheel(images.unbind(1), sixths)
    own = torch.arange(0.0, 6.0, 2.0, device=images.device)[:, None, None]
    near = hue[:, None].sub(own).abs_().sub_(3.0).abs_().sub_(1.0).clamp_(0.0, 1.0)
    return torch.addcmul(least[:, None], chroma[:, None], near)


def turned_planes(planes: Planes, sixths: Tensor) -> Planes:
    """Do as :func:`turned`, for a graph in which channels stay apart."""
    hue, chroma, least = _wheel(planes, sixths)

    def channel(ramp: Tensor) -> Tensor:
        return ramp.clamp(0.0, 1.0) * chroma + least

    return (
        channel((hue - 3.0).abs() - 1.0),
        channel(2.0 - (hue - 2.0).abs()),
        channel(2.0 - (hue - 4.0).abs()),
    )
