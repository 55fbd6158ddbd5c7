"""Takes features from named submodules while a host's training step runs, view by view."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from augself_loss.errors import FeatureError, LossError


class FeatureTaps:
    """Reads what named submodules return during a step, and for which view they return it.

    The hooks stay in place, since ``torch.compile`` only sees those that were there at its first
    call, and are silent outside of :meth:`watch`. Copies of a tapped module (momentum encoders,
    averaged weights) carry silent copies of them. A submodule that was replaced (compiled,
    converted to synchronized batch norm) is tapped anew.

    Tap a compiled submodule as a whole: a tap inside of it breaks its graph, and cannot be where
    it was compiled with ``fullgraph=True``.

    A view is known by its tensor, when it enters the submodule or a module around it. Where none
    does (several views concatenated, or changed on the way), the order of the calls counts.

    Args:
        root: the host's module.
        names: dotted names of the submodules. With several, a view's features are those of the
            first one that saw it: ``("backbone", "backbone_momentum")``.

    Raises:
        LossError: no name, or a name that is no submodule.
    """

    def __init__(self, root: nn.Module, names: str | Sequence[str]) -> None:
        self.names = (names,) if isinstance(names, str) else tuple(names)
        if not self.names:
            raise LossError("taps expected at least one submodule's name, found none.")
        self._watch = _Watch()
        self._tapped: dict[str, tuple[nn.Module, list[RemovableHandle]]] = {}
        known = dict(root.named_modules(remove_duplicate=False))
        for name in self.names:
            if not isinstance(name, str) or name not in known or not name:
                children = [child for child, _ in root.named_children()]
                raise LossError(
                    f"taps expected names of submodules of {type(root).__name__}, found {name!r}. "
                    f"Its children are {children}; use dots for theirs, 'backbone.layer4'."
                )
        self._hooked = tuple(dict.fromkeys(a for tap in self.names for a in _with_ancestors(tap)))
        self._tap(root)

    @contextmanager
    def watch(self, root: nn.Module, views: Sequence[Tensor]) -> Iterator[None]:
        """Take features in this block.

        Args:
            root: the host's module.
            views: the batch's views, ``(B, …)`` each.
        """
        self._tap(root)
        self._watch.start(views)
        try:
            yield
        finally:
            self._watch.stop()

    def stop(self) -> None:
        """Take no more features in this block, e.g. while a backward pass recomputes some."""
        self._watch.active = False

    @property
    def called(self) -> bool:
        """Whether some tapped submodule ran in this block."""
        return bool(self._watch.calls)

    def features(self, wanted: Sequence[int]) -> list[Tensor]:
        """Return the features of some views, taken in the last :meth:`watch`.

        Args:
            wanted: indices of views.

        Returns:
            One tensor ``(B, …)`` per wanted view.

        Raises:
            FeatureError: a wanted view went through no tap, or it cannot be told which one did.
        """
        views = self._watch.views
        calls = self._watch.calls
        known = bool(calls) and all(view is not None for _, view, _ in calls)
        found = self._by_identity() if known else self._by_order()
        missing = [i for i in wanted if i not in found]
        if missing:
            raise FeatureError(
                f"The taps expected features of the views {list(wanted)} of {len(views)}, found "
                f"{self._counts()}: none for {missing}. Name the submodules that see them "
                "(taps=['backbone', 'backbone_momentum']), or choose the views (views=[0, 1]). A "
                "module compiled and called before it was tapped is never seen: tap it first."
            )
        return [found[i] for i in wanted]

    def _tap(self, root: nn.Module) -> None:
        """Hook the named submodules and those around them, where they are not hooked yet."""
        for name in self._hooked:
            module = root.get_submodule(name)
            tapped, handles = self._tapped.get(name, (None, []))
            if module is tapped:
                continue
            for handle in handles:
                handle.remove()
            enter = _Enter(self._watch)
            handles = [module.register_forward_pre_hook(enter, with_kwargs=True)]
            if name in self.names:
                handles.append(module.register_forward_hook(_Leave(self._watch, name)))
            self._tapped[name] = module, handles

    def _by_identity(self) -> dict[int, Tensor]:
        found: dict[int, Tensor] = {}
        for name in self.names:
            seen: dict[int, Tensor] = {}
            for tap, view, out in self._watch.calls:
                if tap != name or view is None:
                    continue
                # A view may pass twice, once without gradients (a target): the other counts.
                if view not in seen or (out.requires_grad and not seen[view].requires_grad):
                    seen[view] = out
            found = {**seen, **found}
        return found

    def _by_order(self) -> dict[int, Tensor]:
        views = self._watch.views
        size = len(views[0]) if views else 0
        parts: dict[str, list[Tensor]] = {name: [] for name in self.names}
        for name, _, out in self._watch.calls:
            whole = size > 0 and len(out) % size == 0 and len(out) > 0
            parts[name] += out.chunk(len(out) // size) if whole else [out]
        first = parts[self.names[0]]
        # All views may pass twice, once without gradients (targets): the others count.
        online = [part for part in first if part.requires_grad]
        in_order = [part for name in self.names for part in parts[name]]
        for candidate in (first, in_order, online):
            fits = all(len(part) == size for part in candidate)
            if len(candidate) == len(views) and fits:
                return dict(enumerate(candidate))
        raise FeatureError(
            f"The taps expected features of {len(views)} views of {size} samples, in their order, "
            f"found {self._counts()}. Tap the submodule that is called once per view, or with all "
            "views concatenated."
        )

    def _counts(self) -> str:
        shapes = {
            name: [tuple(out.shape) for tap, _, out in self._watch.calls if tap == name]
            for name in self.names
        }
        return ", ".join(f"{name}: {s if s else 'no call'}" for name, s in shapes.items())


def _with_ancestors(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[: i + 1]) for i in range(len(parts))]


class _Watch:
    """What the hooks share: the views of the step that runs, and what was returned for them."""

    def __init__(self) -> None:
        self.active = False
        self.views: list[Tensor] = []
        self.entered: int | None = None
        self.calls: list[tuple[str, int | None, Tensor]] = []

    def start(self, views: Sequence[Tensor]) -> None:
        self.views, self.calls, self.entered, self.active = list(views), [], None, True

    def stop(self) -> None:
        self.views, self.calls, self.entered, self.active = [], [], None, False

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle as silent: a copied module is not the one that is watched."""
        return {"active": False, "views": [], "entered": None, "calls": []}


class _Enter:
    """Forward pre-hook: notes which view enters."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, _module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        if not self.watch.active:
            return
        for given in (*args, *kwargs.values()):
            for number, view in enumerate(self.watch.views):
                if _same(given, view):
                    self.watch.entered = number
                    return


class _Leave:
    """Forward hook: keeps what the tapped submodule returns."""

    def __init__(self, watch: _Watch, name: str) -> None:
        self.watch, self.name = watch, name

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def __call__(self, _module: nn.Module, _args: Any, output: Any) -> None:
        if not self.watch.active:
            return
        if not isinstance(output, Tensor) or output.ndim == 0:
            raise FeatureError(
                f"The tap '{self.name}' expected a tensor (B, …), found {type(output).__name__}. "
                "Tap a submodule that returns the features alone."
            )
        self.watch.calls.append((self.name, self.watch.entered, output))
        self.watch.entered = None


def _same(given: Any, view: Tensor) -> bool:
    """Whether this is the view's own tensor, or one over the same memory."""
    if given is view:
        return True
    if not isinstance(given, Tensor) or given.shape != view.shape or given.dtype != view.dtype:
        return False
    return bool(given.data_ptr() == view.data_ptr() and given.data_ptr() != 0)
