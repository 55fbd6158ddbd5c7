"""Says which rows of some batches are a view's images, by what they show, over processes too.

Hosts shuffle, concatenate, interleave, cast and copy views on their way to a network.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence

import torch
import torch.distributed as dist
from torch import Tensor

from augself_loss.hosting.marks import Images, marks
from augself_loss.hosting.processes import process_count

CASTS: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda images: images,
    lambda images: images.half(),
    lambda images: images.bfloat16(),
)
"""What a host may have done to a view before it brought it to the dtype of the call."""

ALL_CASTS = tuple(range(len(CASTS)))

ROUNDING = 1e-3
"""Share of the variance that a cast may take from images that are otherwise mapped linearly."""


class Matcher:
    """Finds a view's rows among the rows of calls, and remembers how it found them.

    The first search for rows of these forms reads the device, to see which cast fits and whether
    all rows are there. Later ones queue their check on an accelerator and read nothing.

    In several processes, every one of them has to search at the same time, and remembers the same:
    a smaller last batch is of the form of the others. Without gradients one process may be here
    alone, to evaluate, see :func:`searches`.
    """

    def __init__(self) -> None:
        self._ways: dict[Hashable, tuple[tuple[bool, int], ...]] = {}
        self._facts: dict[Hashable, bool] = {}

    def find(
        self,
        view: Tensor,
        calls: Sequence[tuple[Tensor, Images]],
        which: Hashable = None,
        *,
        alone: bool = False,
    ) -> Tensor | None:
        """Pick the rows that belong to a view's images.

        Args:
            view: ``(B, …)``.
            calls: features ``(N, …)`` and the images ``(N, …)`` that they were made of, one pair a
                call; the images have the view's form.
            which: of a step's searches this is: what one finds says nothing of another.
            alone: ask no other process; it reads the device.

        Returns:
            Features ``(B, …)``, or ``None`` where an image of the view is missing.
        """
        if alone:
            return _own(view, calls)
        kept = [(*_form(x.images, view), f.requires_grad) for f, x in calls]
        form = (which, *_form(view, view), *kept)
        seen_before = form in self._ways and is_queued(view)
        ways: Iterable[tuple[bool, int]] = self._ways[form] if seen_before else _all_ways(calls)
        for shared, number in ways:
            there, features = _search(CASTS[number](view), calls, shared=shared)
            found = _everywhere(there.any(dim=1).all())
            if _holds(found, checked_before=seen_before):
                self._ways[form] = ((shared, number),)
                return _picked(there, features)
        self._ways[form] = ()
        return None

    def is_only(
        self, views: Sequence[Tensor], number: int, images: Tensor, which: Hashable = None
    ) -> bool:
        """Whether images are one view, scaled or normalized in its order, and no other view.

        Args:
            views: ``(B, …)`` each.
            number: which of them is asked for.
            images: ``(B, …)`` as a call was given them.
            which: of the images that a step's calls were given.
        """
        form = (which, number, *_form(images, views[number]), views[number].dtype)

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
        form = (name, *_form(near, far), *_form(far, far))
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


def searches() -> tuple[bool, ...]:
    """Say how often to search for rows, and whether each time without the other processes.

    A process that may be alone asks the others only for what it was given nowhere itself.
    """
    return (True, False) if _may_be_alone() else (False,)


def _form(images: Tensor, beside: Tensor) -> tuple[Hashable, ...]:
    """Describe images as all processes would: one may have a smaller last batch."""
    return len(images) / max(1, len(beside)), tuple(images.shape[1:]), images.dtype


def _all_ways(calls: Sequence[tuple[Tensor, Images]]) -> Iterator[tuple[bool, int]]:
    """List how rows may be found: among a process's own, else among those of all; by each cast.

    Features without a gradient may be of another process's batch.
    """
    yield from ((False, number) for number in ALL_CASTS)
    if process_count() > 1 and not any(rows.requires_grad for rows, _ in calls) and _even(calls):
        yield from ((True, number) for number in ALL_CASTS)


def _even(calls: Sequence[tuple[Tensor, Images]]) -> bool:
    """Whether all processes have as many rows; else they cannot be gathered."""
    counts = torch.tensor([len(rows) for rows, _ in calls], device=calls[0][0].device)
    both = torch.stack([counts, -counts])
    dist.all_reduce(both, op=dist.ReduceOp.MIN)
    return torch.equal(both[0], -both[1])


def _own(view: Tensor, calls: Sequence[tuple[Tensor, Images]]) -> Tensor | None:
    """Pick a view's rows among this process's own."""
    for cast in CASTS:
        there, features = _search(cast(view), calls)
        if bool(there.any(dim=1).all()):
            return _picked(there, features)
    return None


def _picked(there: Tensor, features: Tensor) -> Tensor:
    return features.index_select(0, there.int().argmax(dim=1))


def _search(
    view: Tensor, calls: Sequence[tuple[Tensor, Images]], *, shared: bool = False
) -> tuple[Tensor, Tensor]:
    """Compare a view's images with those of all calls, ``(B, N)``; return all features ``(N, …)``.

    Args:
        view: ``(B, …)``.
        calls: features and images.
        shared: compare with the images of all processes' calls.
    """
    wanted = {dtype: marks(view.to(dtype)) for dtype in {x.images.dtype for _, x in calls}}
    found = [_gathered(x.marks) if shared else x.marks for _, x in calls]
    there = [wanted[x.images.dtype][:, None] == m for (_, x), m in zip(calls, found, strict=True)]
    rows = [_gathered(rows) if shared else rows for rows, _ in calls]
    return torch.cat(there, dim=1), torch.cat(rows)


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
