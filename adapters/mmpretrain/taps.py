"""Takes the backbone's features of every view, in whatever order an algorithm sends them through.

MMPretrain's algorithms hand views on in several ways: one by one (SimSiam, BYOL), interleaved
sample by sample (SimCLR), concatenated (SwAV), and shuffled over the batches of all processes (the
keys of MoCo and DenseCL). So what counts is neither the order nor the tensor, but the images.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.adapters.mmpretrain.host import dist
from augself_loss.errors import FeatureError, LossError

BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""Bytes per value → the integers that show its bits."""


class ImageTaps:
    """Reads what named submodules return, and for which images they return it.

    The hooks stay in place and are silent outside of :meth:`start` and :meth:`stop`; copies of a
    tapped module (averaged weights) carry silent copies of them.

    Args:
        root: the algorithm.
        names: dotted names of the submodules that are given images. With several, a view's
            features are those of the first one that saw it: ``("backbone", "encoder_k.module.0")``.

    Raises:
        LossError: no name, or a name that is no submodule.
    """

    def __init__(self, root: nn.Module, names: str | Sequence[str]) -> None:
        self.names = (names,) if isinstance(names, str) else tuple(names)
        known = dict(root.named_modules())
        if not self.names:
            raise LossError("taps expected at least one submodule's name, found none.")
        for name in self.names:
            if not isinstance(name, str) or not name or name not in known:
                children = [child for child, _ in root.named_children()]
                raise LossError(
                    f"taps expected names of submodules of {type(root).__name__}, found {name!r}. "
                    f"Its children are {children}; use dots for theirs, 'encoder_k.module.0'."
                )
        self._seen = {name: _Seen() for name in self.names}
        for name, seen in self._seen.items():
            known[name].register_forward_hook(_Hook(name, seen), with_kwargs=True)

    def start(self) -> None:
        """Begin to take features."""
        for seen in self._seen.values():
            seen.calls, seen.active = [], True

    def stop(self) -> None:
        """Take no more features, and forget those taken."""
        for seen in self._seen.values():
            seen.calls, seen.active = [], False

    def features(self, views: Sequence[Tensor]) -> list[Tensor]:
        """Return the features of some views, taken since :meth:`start`.

        Args:
            views: images ``(B, C, H, W)`` each, as the algorithm was given them.

        Returns:
            One tensor ``(B, …)`` per view.

        Raises:
            FeatureError: no tap was given all images of a view.
        """
        features = []
        for number, view in enumerate(views):
            found = None
            for seen in self._seen.values():
                found = _whole(seen.calls, view) if found is None else found
            for seen in self._seen.values():
                found = _matched(seen.calls, view) if found is None else found
            if found is None:
                raise FeatureError(
                    f"The taps expected the images of the view {number} of {len(views)}, "
                    f"{tuple(view.shape)}, found {self._shapes()}, without them. Name the "
                    "submodules that are given them (taps=['backbone', 'encoder_k.module.0']), "
                    "or choose the views (views=[0, 1])."
                )
            features.append(found)
        return features

    def _shapes(self) -> str:
        shapes = {
            name: [tuple(images.shape) for images, _ in seen.calls]
            for name, seen in self._seen.items()
        }
        return ", ".join(f"{name}: {given or 'no call'}" for name, given in shapes.items())


class _Seen:
    """What one hook writes down: images and features, call by call."""

    def __init__(self) -> None:
        self.active = False
        self.calls: list[tuple[Tensor, Tensor]] = []

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle as silent: a copied module is not the one that is watched."""
        return {"active": False, "calls": []}


class _Hook:
    """Forward hook: keeps what a tapped submodule was given and what it returns."""

    def __init__(self, name: str, seen: _Seen) -> None:
        self.name, self.seen = name, seen

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(
        self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any
    ) -> None:
        if not self.seen.active:
            return
        given = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor)]
        # MMPretrain's backbones return one map per stage that was asked for, the last one last.
        features = output[-1] if isinstance(output, (tuple, list)) and output else output
        if not given or not isinstance(features, Tensor) or features.ndim < 2:
            raise FeatureError(
                f"The tap '{self.name}' expected a submodule that takes images and returns their "
                f"features (B, …), or a tuple of them, found one that returns "
                f"{type(features).__name__}. Tap the backbone."
            )
        self.seen.calls.append((given[0], features))


def _whole(calls: Sequence[tuple[Tensor, Tensor]], view: Tensor) -> Tensor | None:
    """Find a view that went through as it is; with gradients, if it went through twice."""
    found = [features for images, features in calls if _same(images, view)]
    return max(found, key=lambda features: features.requires_grad) if found else None


def _same(images: Tensor, view: Tensor) -> bool:
    """Whether this is the view's own tensor, or one over the same memory."""
    if images is view:
        return True
    alike = images.shape == view.shape and images.stride() == view.stride()
    return alike and images.dtype == view.dtype and images.data_ptr() == view.data_ptr() != 0


def _matched(calls: Sequence[tuple[Tensor, Tensor]], view: Tensor) -> Tensor | None:
    """Find a view's images one by one among all that went through, here or in other processes."""
    alike = [call for call in calls if call[0].shape[1:] == view.shape[1:]]
    if not alike:
        return None
    wanted = _marks(view)
    marks = torch.cat([_marks(images) for images, _ in alike])
    features = torch.cat([features for _, features in alike])
    if len(marks) != len(features):
        return None
    places = _places(wanted, marks)
    if places is None and dist.get_world_size() > 1 and not features.requires_grad:
        marks = torch.cat(dist.all_gather(marks))
        features = torch.cat(dist.all_gather(features))
        places = _places(wanted, marks)
    return None if places is None else features.index_select(0, places)


def _places(wanted: Tensor, marks: Tensor) -> Tensor | None:
    """Say where each wanted image is; ``None`` where one is missing, in any process."""
    there = wanted[:, None] == marks
    found = there.any(dim=1).all().int()
    # Together or not at all: a process that gathers alone waits for ever.
    dist.all_reduce(found, op="min")
    return there.int().argmax(dim=1) if bool(found) else None


def _marks(images: Tensor) -> Tensor:
    """Mark every image by its bits, ``(N,)`` int64: equal images have equal marks.

    Sums of integers are exact in every order, so the mark does not depend on the batch around.
    """
    pixels = images.detach()
    bits = pixels.contiguous().view(BITS[pixels.element_size()])
    lines = [bits.sum(dim=axis, dtype=torch.int64).flatten(1) for axis in (-1, -2)]
    sums = torch.cat(lines, dim=1)
    return (sums * _factors(sums.shape[1], sums.device)).sum(dim=1)  # int64 wraps around


@functools.cache
def _factors(count: int, device: torch.device) -> Tensor:
    """Draw odd factors, the same ones in every process."""
    generator = torch.Generator().manual_seed(0)
    return torch.randint(-(2**62), 2**62, (count,), generator=generator).to(device) | 1
