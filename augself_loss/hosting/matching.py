"""Says which rows of some batches are a view's images, by what they show, over processes too.

Hosts shuffle, concatenate, interleave, cast and copy views on their way to a network. An image is
known again by its bits: neither by its place in a batch nor by the tensor that holds it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from augself_loss.hosting.processes import process_count

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes per value → the integers that show its bits."""

CASTS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda images: images,
    lambda images: images.half(),
    lambda images: images.bfloat16(),
)
"""What a host may have done to a view before it brought it to the dtype of the call."""

ALL_CASTS = tuple(range(len(CASTS)))

CHUNK = 2**24
"""Values whose marks are computed at a time, each in 64 bits."""

ROUNDING = 1e-3
"""Share of the variance that a cast may take from images that are otherwise mapped linearly."""


@dataclass
class Images:
    """Images that a module was given, and their marks, worked out once.

    Args:
        images: ``(N, …)``.
    """

    images: Tensor

    @functools.cached_property
    def marks(self) -> Tensor:
        """Every image's mark, see :func:`marks`."""
        return marks(self.images)


class Matcher:
    """Finds a view's rows among the rows of calls, and remembers how it found them.

    The first search for rows of these forms reads the device, to see which cast fits and whether
    all rows are there. Later ones queue their check on an accelerator and read nothing.

    In several processes, every one of them has to search at the same time. Without gradients one
    may be here alone, to evaluate: it reads the device, and asks the others only for images that
    it was not given itself.
    """

    def __init__(self) -> None:
        self._casts: dict[Hashable, tuple[int, ...]] = {}
        self._facts: dict[Hashable, bool] = {}

    def find(self, view: Tensor, calls: Sequence[tuple[Tensor, Images]]) -> Tensor | None:
        """Pick the rows that belong to a view's images.

        Args:
            view: ``(B, …)``.
            calls: features ``(N, …)`` and the images ``(N, …)`` that they were made of, one pair a
                call; the images have the view's form.

        Returns:
            Features ``(B, …)``, or ``None`` where an image of the view is missing.
        """
        if _may_be_alone():
            for cast in CASTS:
                there, features = _search(cast(view), calls)
                if bool(there.any(dim=1).all()):
                    return _picked(there, features)
        kept = [(tuple(x.images.shape), x.images.dtype, f.requires_grad) for f, x in calls]
        form = (tuple(view.shape), view.dtype, *kept)
        seen_before = form in self._casts and is_queued(view)
        for number in self._casts[form] if seen_before else ALL_CASTS:
            there, features = _search(CASTS[number](view), calls, together=True)
            found = _everywhere(there.any(dim=1).all())
            if _holds(found, checked_before=seen_before):
                self._casts[form] = (number,)
                return _picked(there, features)
        self._casts[form] = ()
        return None

    def is_only(self, views: Sequence[Tensor], number: int, images: Tensor) -> bool:
        """Whether images are one view, scaled or normalized in its order, and no other view.

        Args:
            views: ``(B, …)`` each.
            number: which of them is asked for.
            images: ``(B, …)`` as a call was given them.
        """
        form = (number, tuple(images.shape), images.dtype, views[number].dtype)

        def fact() -> Tensor:
            alike = [v for v in views if len(v) == len(images) and v.numel() == images.numel()]
            mapped = torch.stack([mapped_in_order(view, images) for view in alike])
            this = mapped_in_order(views[number], images)
            return this & (mapped.sum() == 1) & (images.amax() != images.amin())

        return len(images) == len(views[number]) and self._agreed(form, fact, images)

    def keeps_order(self, name: str, near: Tensor, far: Tensor) -> bool:
        """Whether the rows of ``near`` are those of ``far``, in their order, as far as one can see.

        Args:
            name: of the tap, for what is remembered.
            near: images ``(N, …)`` as a module was given them.
            far: images ``(N, …)`` of which a module around it made them.
        """
        if near is far:
            return True
        form = (name, tuple(near.shape), near.dtype, tuple(far.shape), far.dtype)
        same_form = len(near) == len(far) and near.numel() == far.numel()
        return same_form and self._agreed(form, lambda: mapped_in_order(far, near), near)

    def _agreed(self, form: Hashable, fact: Callable[[], Tensor], images: Tensor) -> bool:
        """Look at a fact in all processes: what follows may be a search that all take part in."""
        if _may_be_alone():
            return bool(fact())
        known = self._facts.get(form)
        if known is False and is_queued(images):
            return False
        self._facts[form] = _holds(_everywhere(fact()), checked_before=bool(known))
        return self._facts[form]


def _may_be_alone() -> bool:
    """Whether this process may be the only one that searches: the first often evaluates alone."""
    return process_count() > 1 and not torch.is_grad_enabled()


def _picked(there: Tensor, features: Tensor) -> Tensor:
    return features.index_select(0, there.int().argmax(dim=1))


def _search(
    view: Tensor, calls: Sequence[tuple[Tensor, Images]], *, together: bool = False
) -> tuple[Tensor, Tensor]:
    """Compare a view's images with those of all calls, ``(B, N)``; return all features ``(N, …)``.

    Features without a gradient may be of another process's batch: together, they are gathered.
    """
    trained = any(rows.requires_grad for rows, _ in calls)
    shared = together and process_count() > 1 and not trained
    wanted = {dtype: marks(view.to(dtype)) for dtype in {x.images.dtype for _, x in calls}}
    found = [_gathered(x.marks) if shared else x.marks for _, x in calls]
    there = [wanted[x.images.dtype][:, None] == m for (_, x), m in zip(calls, found, strict=True)]
    rows = [_gathered(rows) if shared else rows for rows, _ in calls]
    return torch.cat(there, dim=1), torch.cat(rows)


def marks(images: Tensor) -> Tensor:
    """Mark every image by its bits, ``(N,)`` int64: equal images have equal marks.

    Sums of integers are exact in every order, so a mark does not depend on the batch around it,
    nor on the memory format, nor on how an image is folded.

    Args:
        images: ``(N, …)``, of any dtype.
    """
    rows = max(1, CHUNK * len(images) // max(1, images.numel()))
    return torch.cat([_marked(part.flatten(1)) for part in torch.split(images.detach(), rows)])


def _marked(pixels: Tensor) -> Tensor:
    if pixels.is_floating_point():
        pixels = pixels + 0.0  # −0 equals 0
    elif pixels.dtype == torch.bool:
        pixels = pixels.byte()
    pixels = pixels.contiguous()
    bits = pixels.view(BITS[pixels.element_size()]).long()
    # Round numbers end in zeros, which would take most of a factor with them.
    bits = bits ^ (bits >> 16)
    return (bits * _factors(bits.shape[1], bits.device)).sum(dim=1)  # int64 wraps around


@functools.lru_cache(maxsize=16)  # images of many sizes would fill the device
def _factors(count: int, device: torch.device) -> Tensor:
    """Draw odd factors, the same ones in every process."""
    generator = torch.Generator("cpu").manual_seed(0)
    drawn = torch.randint(-(2**62), 2**62, (count,), generator=generator, device="cpu")
    return drawn.to(device) | 1


@torch.no_grad()
def mapped_in_order(before: Tensor, after: Tensor) -> Tensor:
    """Whether a rising line per channel maps images to others, row by row: scaled, normalized.

    Rows in another order do not lie on such a line, unless they are alike.

    Args:
        before: images ``(N, C, …)``.
        after: as many images of the same size, perhaps flat.

    Returns:
        A truth value, a tensor without axes.
    """
    x, y = (i.float().reshape(before.shape).transpose(0, 1).flatten(1) for i in (before, after))
    x, y = x - x.mean(dim=1, keepdim=True), y - y.mean(dim=1, keepdim=True)
    slope = (x * y).sum(dim=1) / (x * x).sum(dim=1).clamp_min(torch.finfo(x.dtype).tiny)
    lost = (y - slope[:, None] * x).square().sum(dim=1)
    whole, constant = y.square().sum(dim=1), (x == 0).all(dim=1)
    return ((lost <= ROUNDING * whole) & ((slope > 0) | constant)).all()


def is_queued(tensor: Tensor) -> bool:
    """Whether reading a value waits for the device."""
    return tensor.device.type != "cpu"


def _holds(fact: Tensor, *, checked_before: bool) -> bool:
    """Read a truth value; on an accelerator only the first time, later it is queued to fail."""
    if not (checked_before and is_queued(fact)):
        return bool(fact)
    torch._assert_async(fact, "AugSelf's taps expected the batch's views, found other images.")
    return True


def _everywhere(found: Tensor) -> Tensor:
    """Whether something holds in every process: one that goes on alone waits for the others."""
    if process_count() == 1:
        return found
    agreed = found.int()
    dist.all_reduce(agreed, op=dist.ReduceOp.MIN)
    return agreed.bool()


def _gathered(tensor: Tensor) -> Tensor:
    parts = [torch.empty_like(tensor) for _ in range(process_count())]
    dist.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)
