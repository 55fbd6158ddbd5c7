"""Convex polygons, a batch at once: what is left of a view within the limits of others."""

from __future__ import annotations

import torch
from torch import Tensor


def square(lines: Tensor) -> Tensor:
    """Make the square from −1 to 1, to be cut by lines ``(B, L, 3)``: ``(B, 4, 2)`` corners."""
    low, high = lines.new_full((2,), -1.0), lines.new_ones(2)
    right = torch.stack([high[0], low[1]])
    return torch.stack([low, right, high, -right]).expand(len(lines), 4, 2)


def limits(matrix: Tensor) -> Tensor:
    """List the lines beyond which a map leaves the square from −1 to 1.

    Args:
        matrix: ``(B, 3, 3)`` on points (x, y, 1). Where its third coordinate is not above 0 a
            point is seen nowhere, and lies beyond a line too.

    Returns:
        ``(B, 4, 3)``: a point lies within where its product with each of four lines is ≥ 0.
    """
    x, y, scale = matrix.unbind(-2)
    return torch.stack([scale + x, scale - x, scale + y, scale - y], dim=-2)


def clip(polygons: Tensor, lines: Tensor) -> Tensor:
    """Cut convex polygons by lines; corners repeat where fewer are left.

    Args:
        polygons: ``(B, K, 2)`` corners (x, y), in order.
        lines: ``(B, L, 3)``; what is ≥ 0 stays.

    Returns:
        ``(B, K', 2)``. All corners are one point where nothing is left.
    """
    # Each line adds a corner at most; where float32 takes two edges for one, a few more.
    most = polygons.shape[1] + lines.shape[1] + 4
    for line in lines.unbind(-2):
        polygons = _cut(polygons, line, most)
    return polygons


def area(polygons: Tensor) -> Tensor:
    """Measure convex polygons ``(B, K, 2)``, ``(B,)``."""
    x, y = (polygons - polygons[:, :1]).unbind(-1)
    return 0.5 * (x * y.roll(-1, -1) - x.roll(-1, -1) * y).sum(-1).abs()


def _cut(polygons: Tensor, line: Tensor, most: int) -> Tensor:
    """Keep the corners on one side of a line, and where an edge crosses it (Sutherland-Hodgman)."""
    a, b, c = line[:, None].unbind(-1)
    height = a * polygons[..., 0] + b * polygons[..., 1] + c
    following, rest = polygons.roll(-1, 1), height.roll(-1, 1)
    within = height >= 0
    crossing = within != (rest >= 0)
    part = height / torch.where(crossing, height - rest, torch.ones_like(rest))
    crossed = torch.lerp(polygons, following, part.unsqueeze(-1))
    points = torch.stack([polygons, crossed], dim=2).flatten(1, 2)
    kept = torch.stack([within, crossing], dim=2).flatten(1)
    # What stays moves to the front, in order; the first of it fills the rest.
    places = kept.byte().sort(dim=1, descending=True, stable=True).indices[:, :most, None]
    points = points.gather(1, places.expand(-1, -1, 2))
    return torch.where(kept.gather(1, places[..., 0]).unsqueeze(-1), points, points[:, :1])
