"""Crops that are resized, with flips that follow them: a place and a weight per row and column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from kornia.constants import Resample
from torch import Tensor
from typing_extensions import override

from augself_loss.recording.kornia.fused.compiled import compiled
from augself_loss.recording.kornia.fused.operation import (
    Drawn,
    Form,
    Prepared,
    ToSize,
    gate_of,
    size_of,
)
from augself_loss.recording.kornia.fused.products import by_matrix

FLIPS = {"RandomVerticalFlip": 0, "RandomHorizontalFlip": 1}
"""Flips by class name → whether they turn rows or columns around."""


class Crop(ToSize):
    """``RandomResizedCrop`` by slices, and the flips after it.

    Weights are those of ``F.interpolate``: a place is counted from the crop's own corner, where
    ``grid_sample`` would count it from the image's middle and lose digits.
    """

    makes_new = True

    @override
    def refuses(self, module: Any, images: Form) -> str | None:
        """It interpolates bilinearly in slices of every image."""
        flags = module.flags
        if flags["cropping_mode"] != "slice":
            return "cropping_mode='resample' is not fused"
        if flags["resample"] != Resample.BILINEAR:
            return "only bilinear interpolation is fused"
        return None if module.p_batch == 1 else "a probability below 1 is not fused"

    @override
    def joins(self, group: Sequence[Drawn]) -> bool:
        """Flips cost nothing here, each once, where all was drawn on one device."""
        names = [type(module).__name__ for module, _ in group[1:]]
        devices = {params["batch_prob"].device for _, params in group[1:]}
        devices.add(group[0].params["src"].device)
        return len(set(names)) == len(names) and {*names} <= {*FLIPS} and len(devices) == 1

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Say where the crops lie, and which are flipped."""
        size = size_of(group)
        aligned = bool(group[0].module.flags["align_corners"])
        start, length = _spans(group[0].params["src"], images.shape[-2:])
        turned: list[Tensor | None] = [None, None]
        for flip in group[1:]:
            turned[FLIPS[type(flip.module).__name__]] = _everywhere(flip)
        on_host = start.device.type == images.device.type == "cpu"
        if on_host and not (images.by_graph or by_matrix(size)):
            spans = torch.cat((start, length)).T.tolist()
            flips = [(n, t) for n, t in zip("yx", turned, strict=True) if t is not None]
            rows = {name: turn.nonzero()[:, 0] for name, turn in flips}
            return Prepared(rows, known=(_one_by_one, size, aligned, spans))
        places = _places(start, length, turned, size, aligned)
        if on_host and by_matrix(size):
            matrices = _matrices(places, size, aligned, images.shape[-2:])
            return Prepared(matrices, known=(_by_matrix,))
        return Prepared(places, known=(_by_index, size, aligned), by_graph=images.by_graph)

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Resize all crops."""
        way, *known = prepared.known
        run = compiled(way) if prepared.by_graph else way
        views: Tensor = run(images, prepared.columns, *known)
        return views


def _spans(corners: Tensor, size: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Read boxes ``(B, 4, 2)`` as Kornia slices them.

    Returns:
        First pixel and number of pixels, ``(2, B)`` int64 each: of rows, and of columns.
    """
    corners = corners.long()
    start = corners[:, 0].T.flip(0)
    ends = (corners[:, 3, 1] + 1).clamp(max=size[0]), (corners[:, 1, 0] + 1).clamp(max=size[1])
    return start, torch.stack(ends) - start


def _everywhere(flip: Drawn) -> Tensor:
    """Say which rows a flip was applied to ``(B,)`` bool."""
    gate = gate_of(flip)
    return torch.ones_like(flip.params["batch_prob"], dtype=torch.bool) if gate is None else gate


def _places(
    start: Tensor,
    length: Tensor,
    turned: Sequence[Tensor | None],
    size: tuple[int, int],
    aligned: bool,
) -> dict[str, Tensor]:
    """List what places are computed from, each ``(2, B, 1)``: of rows, and of columns."""
    steps, shifts = [], []
    for pixels, count, turn in zip(length, size, turned, strict=True):
        # One output pixel lies at the crop's first, whatever the step.
        distances = (pixels - 1, max(count - 1, 1)) if aligned else (pixels, count)
        steps.append(distances[0].float() / distances[1])
        shifts.append(torch.zeros_like(steps[-1]) if turn is None else turn * float(count - 1))
    places = {"step": torch.stack(steps), "shift": torch.stack(shifts)}
    places |= {"start": start, "end": start + length - 1}
    return {name: place[..., None] for name, place in places.items()}


def _taps(
    places: Mapping[str, Tensor], size: tuple[int, int], aligned: bool
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Find the two pixels that each output pixel lies between, as ``F.interpolate`` does.

    Yields:
        For rows, then for columns: both pixels ``(B, n)``, and the share of the second.
    """
    step = places["step"]
    numbers = torch.arange(max(size), dtype=torch.float32, device=step.device)
    numbers = (places["shift"] - numbers).abs()
    if aligned:
        place = numbers * step
    else:  # rounded once, as a compiler of PyTorch's own kernels does
        place = torch.addcmul(numbers.new_full((), -0.5), numbers + 0.5, step).clamp_min(0.0)
    first = place.long() + places["start"]
    second = torch.minimum(first + 1, places["end"])
    share = place.frac()
    for axis, count in enumerate(size):
        yield first[axis, :, :count], second[axis, :, :count], share[axis, :, :count]


def _matrices(
    places: Mapping[str, Tensor], size: tuple[int, int], aligned: bool, sides: Sequence[int]
) -> dict[str, Tensor]:
    """Write taps as matrices: ``y`` is ``(B, h, H)``, ``x`` is ``(B, W, w)``."""
    matrices = []
    for (first, second, share), side in zip(_taps(places, size, aligned), sides, strict=True):
        matrix = torch.zeros(*first.shape, side)
        matrix.scatter_(2, first[..., None], (1 - share)[..., None])
        matrices.append(matrix.scatter_add_(2, second[..., None], share[..., None]))
    return {"y": matrices[0], "x": matrices[1].transpose(1, 2).contiguous()}


def _by_matrix(images: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    batch, channels, height, width = images.shape
    wide = torch.bmm(images.reshape(batch, channels * height, width), columns["x"])
    return torch.matmul(columns["y"][:, None], wide.view(batch, channels, height, -1))


def _by_index(
    images: Tensor, columns: Mapping[str, Tensor], size: tuple[int, int], aligned: bool
) -> Tensor:
    rows, across = _taps(columns, size, aligned)
    for dim, taps in ((3, across), (2, rows)):
        first, second, share = (tap[:, None].unsqueeze(5 - dim) for tap in taps)
        form = list(images.shape)
        form[dim] = size[dim - 2]
        before, after = (images.gather(dim, place.expand(form)) for place in (first, second))
        images = torch.lerp(before, after, share)
    return images


def _one_by_one(
    images: Tensor,
    columns: Mapping[str, Tensor],
    size: tuple[int, int],
    aligned: bool,
    spans: Sequence[tuple[int, int, int, int]],
) -> Tensor:
    views = images.new_empty(len(images), images.shape[1], *size)
    resize = torch.ops.aten.upsample_bilinear2d.out
    sources, targets = torch.split(images, 1), torch.split(views, 1)
    for source, target, (top, left, height, width) in zip(sources, targets, spans, strict=True):
        crop = source.narrow(2, top, height).narrow(3, left, width)
        if (height, width) == size:
            target.copy_(crop)
        else:
            resize(crop, size, aligned, out=target)
    for axis, dim in (("y", 2), ("x", 3)):
        rows = columns.get(axis)
        if rows is not None and len(rows):
            views.index_copy_(0, rows, views.index_select(0, rows).flip(dim))
    return views
