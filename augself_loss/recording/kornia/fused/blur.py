"""Gaussian blur of the rows that it was drawn for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from kornia.constants import BorderType
from kornia.filters import get_gaussian_kernel1d
from torch import Tensor
from torch.nn import functional
from typing_extensions import override

from augself_loss.recording.kornia.fused.compiled import any_number, compiled
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Prepared
from augself_loss.recording.kornia.fused.products import by_matrix, in_full
from augself_loss.recording.kornia.fused.row_wise import RowWise, Work, put

NOTHING = 1e-10
"""Weights below are taken for 0."""


class Blur(RowWise):
    """``RandomGaussianBlur``, separable, with its border reflected."""

    by_where = False

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It reflects, and is separable; what Kornia refuses is left to Kornia."""
        kernel = _kernel_size(module)
        if module.flags["border_type"] != BorderType.REFLECT:
            return "only border 'reflect' is fused"
        if not module.flags["separable"] or any(side % 2 == 0 for side in kernel):
            return "only separable kernels are fused"
        if any(side // 2 >= pixels for side, pixels in zip(kernel, images.shape[-2:], strict=True)):
            return "images smaller than the kernel are not fused"
        return None

    @override
    def columns(self, drawn: Drawn) -> dict[str, Tensor]:
        """List the weights of both kernels."""
        sigma = drawn.params["sigma"][:, None]
        kernels = [get_gaussian_kernel1d(side, sigma) for side in _kernel_size(drawn.module)]
        # A CPU is slow at products with numbers next to zero, which the tails are full of.
        kernels = [torch.where(kernel < NOTHING, 0.0, kernel) for kernel in kernels]
        return dict(zip("yx", kernels, strict=True))

    @override
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Add shifted copies of padded images."""
        return _added

    @override
    def by_graph(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Pad first: a graph that pads reads pixel by pixel."""
        rows, columns = prepared.rows, prepared.columns
        given = images if rows is None else images.index_select(0, rows)
        y, x = (columns[axis].shape[1] // 2 for axis in "yx")
        padded = functional.pad(given, (x, x, y, y), mode="reflect")
        any_number([padded, *columns.values()])
        return put(images, compiled(_added)(padded, columns), prepared)

    @override
    def in_place(
        self, images: Tensor, columns: Mapping[str, Tensor], known: tuple[Any, ...]
    ) -> Tensor:
        """Convolve, or multiply by the convolution's matrix."""
        if images.device.type == "cpu" and by_matrix(images.shape[-2:]):
            height, width = images.shape[-2:]
            y, x = _matrix(columns["y"], height), _matrix(columns["x"], width)
            flat = images.reshape(len(images), -1, width)
            wide = torch.bmm(flat, x.transpose(1, 2)).view(images.shape)
            return torch.matmul(y[:, None], wide)
        return _convolved(images, columns)


def _kernel_size(module: Any) -> tuple[int, int]:
    size = module.flags["kernel_size"]
    return (size, size) if isinstance(size, int) else (size[0], size[1])


def _padded(images: Tensor, radius: int, dim: int) -> Tensor:
    sides = (radius, radius, 0, 0) if dim == 3 else (0, 0, radius, radius)
    return functional.pad(images, sides, mode="reflect")


def _added(images: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    for axis, dim in (("x", 3), ("y", 2)):
        images = _shifted(images, columns[axis], dim)
    return images


def _shifted(images: Tensor, kernel: Tensor, dim: int) -> Tensor:
    """Convolve padded images along one axis; kernels ``(n, k)`` are symmetric."""
    radius = kernel.shape[1] // 2
    length = images.shape[dim] - 2 * radius
    weights = kernel[:, radius:, None, None, None]
    total = images.narrow(dim, radius, length) * weights[:, 0]
    for step in range(1, radius + 1):
        before, after = (images.narrow(dim, radius + s, length) for s in (-step, step))
        total = total + (before + after) * weights[:, step]
    return total


def _convolved(images: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    count, channels, height, width = images.shape
    planes = images.reshape(1, count * channels, height, width)
    with in_full():
        for axis, dim in (("x", 3), ("y", 2)):
            kernel = columns[axis][:, None, None].expand(-1, channels, -1, -1).flatten(0, 1)
            weight = kernel.unsqueeze(5 - dim)
            padded = _padded(planes, kernel.shape[-1] // 2, dim)
            planes = functional.conv2d(padded, weight, groups=count * channels)
    return planes.view(images.shape)


def _matrix(kernel: Tensor, length: int) -> Tensor:
    """Write the convolution along an axis as matrices ``(n, length, length)``."""
    count, side = kernel.shape
    place = torch.arange(length)[:, None] + torch.arange(side)[None] - side // 2
    place = place.abs()
    place = torch.where(place >= length, 2 * (length - 1) - place, place)
    matrix = torch.zeros(count, length, length)
    weights = kernel[:, None].expand(-1, length, -1).contiguous()
    return matrix.scatter_add_(2, place[None].expand(count, -1, -1), weights)
