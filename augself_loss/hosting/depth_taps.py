"""Takes features of several depths at once: a :class:`FeatureTaps` for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, TypeAlias

from torch import Tensor, nn

from augself_loss.errors import LossError
from augself_loss.hosting.tap_calls import Call, Seen
from augself_loss.hosting.tap_outputs import only_tensor
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.views import Features

Names: TypeAlias = str | Sequence[str]
"""A submodule, or several: a view's features are those of the first one that saw it."""
Taps: TypeAlias = Names | Mapping[str, Names]
"""Where features are taken; of a loss of several depths, name of the depth → where."""


class DepthTaps:
    """Reads what submodules of several depths return for the views of a step.

    Args:
        root: the host's module.
        taps: name of the depth → dotted name of a submodule, or several.
        in_order: see :class:`~augself_loss.taps.FeatureTaps`.
        read: see there.

    Raises:
        LossError: see there.
    """

    def __init__(
        self,
        root: nn.Module,
        taps: Mapping[str, Names],
        *,
        in_order: bool = False,
        read: Callable[[Any], Any] = only_tensor,
    ) -> None:
        self._of = {
            depth: FeatureTaps(root, names, in_order=in_order, read=read)
            for depth, names in taps.items()
        }
        self.names = tuple(name for one in self._of.values() for name in one.names)

    @contextmanager
    def watch(self, root: nn.Module, views: Sequence[Tensor]) -> Iterator[None]:
        """Take features in this block, see :meth:`FeatureTaps.watch`."""
        with ExitStack() as stack:
            for taps in self._of.values():
                stack.enter_context(taps.watch(root, views))
            yield

    def stop(self) -> None:
        """Take no more features in this block."""
        for taps in self._of.values():
            taps.stop()

    def forget(self) -> None:
        """Let go of the step's views and features."""
        for taps in self._of.values():
            taps.forget()

    @property
    def called(self) -> bool:
        """Whether some tapped submodule ran in this block."""
        return any(taps.called for taps in self._of.values())

    def known_calls(self) -> list[tuple[Call, Seen]]:
        """List the calls of this block whose images are known, at all depths."""
        return [pair for taps in self._of.values() for pair in taps.known_calls()]

    def features(self, wanted: Sequence[int]) -> list[Features]:
        """Return some views' features, a dict of all depths per view.

        Raises:
            FeatureError: see :meth:`FeatureTaps.features`.
        """
        found = {depth: taps.features(wanted) for depth, taps in self._of.items()}
        return [{depth: views[i] for depth, views in found.items()} for i in range(len(wanted))]


def tapped(
    root: nn.Module,
    objective: nn.Module | None,
    taps: Taps,
    *,
    in_order: bool = False,
    read: Callable[[Any], Any] = only_tensor,
) -> FeatureTaps | DepthTaps:
    """Tap a host's module where a loss's features are from.

    Args:
        root: the host's module.
        objective: the loss.
        taps: names of submodules; by depth where the loss has several.
        in_order: see :class:`~augself_loss.taps.FeatureTaps`.
        read: see there.

    Raises:
        LossError: other depths than the loss's, or see there.
    """
    read_by = getattr(objective, "depths", None)
    depths = list(read_by.dims) if read_by is not None and read_by.named else []
    by_name = isinstance(taps, Mapping)
    if sorted(taps if by_name else []) != sorted(depths):
        found = f"a dict with {list(taps)}" if by_name else repr(taps)
        if not depths:
            raise LossError(
                f"taps expected the name of one or several submodules, found {found}. For several "
                "depths build the loss with feature_dim={'layer3': …, …}, with the same names."
            )
        raise LossError(
            f"taps expected a dict from depth to submodule with {depths}, as in feature_dim, "
            f"found {found}. Pass e.g. taps={{'{depths[0]}': 'backbone.{depths[0]}', …}}."
        )
    if isinstance(taps, Mapping):
        return DepthTaps(root, taps, in_order=in_order, read=read)
    return FeatureTaps(root, taps, in_order=in_order, read=read)


def renamed(taps: Taps, name: Callable[[str], str]) -> Taps:
    """Name the same submodules otherwise, as seen from another root."""
    if isinstance(taps, Mapping):
        return {depth: _renamed(names, name) for depth, names in taps.items()}
    return _renamed(taps, name)


def listed(taps: Taps) -> list[str]:
    """List the names of all submodules, of all depths."""
    of_depths = list(taps.values()) if isinstance(taps, Mapping) else [taps]
    return [n for names in of_depths for n in ([names] if isinstance(names, str) else list(names))]


def _renamed(names: Names, name: Callable[[str], str]) -> Names:
    return name(names) if isinstance(names, str) else [name(each) for each in names]
