"""Takes features from named submodules while a host's training step runs, view by view."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from augself_loss.errors import FeatureError, LossError
from augself_loss.hosting.frozen import check_frozen
from augself_loss.hosting.tap_advice import MANY, counts, unproven
from augself_loss.hosting.tap_calls import Call, Seen, Watch
from augself_loss.hosting.tap_hooks import Enter, Leave
from augself_loss.hosting.tap_outputs import only_tensor
from augself_loss.hosting.tap_roles import roles
from augself_loss.hosting.tap_search import Search


class FeatureTaps:
    """Captures what named submodules return during a step, and for which view they return it.

    A view is recognised by its tensor, else image by image by its bits: so a host may concatenate,
    interleave, shuffle (across processes too), copy or cast views. A view that was normalized or
    scaled is recognised as a whole, if no other view looks like it. What counts is the input of the
    submodule; for one deep inside a network, the input of the network, or of its first layers.
    Features that cannot be proven to be a view's are refused: a mere order of calls proves nothing.

    The hooks stay in place, since ``torch.compile`` only sees those that were there at its first
    call; outside :meth:`watch` they are silent. Copies of a tapped module (momentum encoders,
    averaged weights) carry silent copies of them. A submodule that was replaced (compiled,
    converted to synchronized batch norm) is tapped anew.

    Tap a compiled submodule as a whole: a tap inside it breaks its graph, and cannot be there if it
    was compiled with ``fullgraph=True``.

    Args:
        root: the host's module.
        names: dotted names of the submodules. With several, a view's features are those of the
            first one that saw it: ``("backbone", "backbone_momentum")``.
        in_order: your word that all rows that the taps return are those of the views, in the
            views' order. It counts where nothing is proven (views that were normalized on the way),
            and is checked against every view that is.
        read: finds the features in what a submodule returns, e.g. the last of several maps;
            default: the one tensor in it.

    Raises:
        LossError: no name, or a name that is no submodule.

    Example:
        >>> import torch
        >>> model = nn.ModuleDict({"backbone": nn.Linear(4, 2)})
        >>> taps = FeatureTaps(model, "backbone")
        >>> view1, view2 = torch.rand(3, 4), torch.rand(3, 4)
        >>> with taps.watch(model, [view1, view2]):
        ...     loss = model["backbone"](torch.cat([view2, view1])).square().mean()
        >>> feature1, feature2 = taps.features([0, 1])
        >>> torch.equal(feature1, model["backbone"](torch.cat([view2, view1]))[3:])
        True
    """

    def __init__(
        self,
        root: nn.Module,
        names: str | Sequence[str],
        *,
        in_order: bool = False,
        read: Callable[[Any], Any] = only_tensor,
    ) -> None:
        self.names = (names,) if isinstance(names, str) else tuple(names)
        if not self.names:
            raise LossError("taps expected the name of at least one submodule, found none.")
        known = dict(root.named_modules(remove_duplicate=False))
        for name in self.names:
            if not isinstance(name, str) or name not in known or not name:
                children = [child for child, _ in root.named_children()]
                raise LossError(
                    f"taps expected names of submodules of {type(root).__name__}, found {name!r}. "
                    f"Its children are {children}; write nested ones with dots, e.g. "
                    "'backbone.layer4'. augself_loss.taps.find_taps(model, images) lists those "
                    "that return features."
                )
        self.in_order, self.read = in_order, read
        self._watch = Watch()
        self._search = Search(self.names, self._watch)
        self._order_checked = self._frozen_told = False
        self._tapped: dict[str, tuple[nn.Module, list[RemovableHandle]]] = {}
        self._tap(root)

    @contextmanager
    def watch(self, root: nn.Module, views: Sequence[Tensor]) -> Iterator[None]:
        """Take features in this block. They can be asked for until the next one begins.

        Args:
            root: the host's module.
            views: the batch's views, ``(B, …)`` each. A list may grow while the block runs.
        """
        self._tap(root)
        self._watch.start(root, views)
        try:
            yield
        finally:
            self._watch.active = self._watch.open = False

    def stop(self) -> None:
        """Take no more features in this block, e.g. while a backward pass recomputes some."""
        self._watch.active = False

    def forget(self) -> None:
        """Let go of the step's views and features, which take memory until the next step."""
        self._watch.clear()

    @property
    def called(self) -> bool:
        """Whether some tapped submodule ran in this block."""
        return self._watch.open and bool(self._watch.calls)

    def known_calls(self) -> list[tuple[Call, Seen]]:
        """List the calls of this block whose images are known, with these."""
        return [pair for calls in self._search.sources() for pair in calls]

    def entrance(self) -> str | None:
        """Name what the last :meth:`watch` saw called with images to get features.

        Returns:
            A tap, or the innermost module around it that was given images, if possible of features
            that learn; ``None`` if no tap was called.

        Raises:
            FeatureError: no tap that was called, nor anything around one, was given images.
        """
        calls = self._watch.calls
        known = [call for call in calls if call.entrance is not None]
        if calls and not known:
            raise FeatureError(
                f"The third view expected a submodule that is called with images, found that "
                f"'{calls[0].tap}' and what is around it are called with something else. Name the "
                "one that takes images: through='backbone'."
            )
        learning = [call for call in known if call.output.requires_grad]
        return next((call.entrance for call in [*learning, *known]), None)

    def features(self, wanted: Sequence[int]) -> list[Tensor]:
        """Return the features of some views, taken in the last :meth:`watch`, in it or after it.

        They are what the submodule returned, also where the next layer writes into it.

        Args:
            wanted: indices of views.

        Returns:
            One tensor ``(B, …)`` per wanted view.

        Raises:
            FeatureError: the features of a wanted view are not there, or not proven to be its own;
                ``in_order`` contradicts what is proven; or none has a gradient, though the
                submodules have parameters to train, or are copies of some that train.
        """
        found: dict[int, Tensor | None] = {}
        if not wanted:
            return []
        if self._watch.overrun:
            count = len(self._watch.views)
            raise FeatureError(MANY.format(views=count, rows=self._watch.rows))
        if not self._order_checked:
            sources = self._search.sources()
            found = {number: self._search.find(number, sources) for number in wanted}
        if self.in_order and (not found or None in found.values()):
            found = self._ordered()
        missing = [number for number in wanted if found.get(number) is None]
        if missing:
            self._check_gradients([call.feature for call in self._watch.calls])
            raise FeatureError(self._unproven(wanted, missing))
        features = [feature for number in wanted if (feature := found[number]) is not None]
        self._check_gradients(features)
        return features

    def _tap(self, root: nn.Module) -> None:
        """Hook the named submodules and those that see their images, if they are not yet."""
        for name, role in roles(root, self.names).items():
            module = root.get_submodule(name)
            tapped, handles = self._tapped.get(name, (None, []))
            if module is tapped:
                continue
            for handle in handles:
                handle.remove()
            enter = Enter(self._watch, name, role)
            handles = [module.register_forward_pre_hook(enter, with_kwargs=True)]
            leave = Leave(self._watch, name, role, self.read)
            handles.append(module.register_forward_hook(leave))
            self._tapped[name] = module, handles

    def _ordered(self) -> dict[int, Tensor | None]:
        """Give all rows to the views in their order, and hold that against what is proven."""
        views, calls = self._watch.views, self._watch.calls
        size = len(views[0]) if views else 0
        parts = {name: _parts([c for c in calls if c.tap == name], size) for name in self.names}
        first = parts[self.names[0]]
        # All views may pass twice, once without gradients (targets): the others count.
        online = [part for part in first if part[1].requires_grad]
        for candidate in (first, [part for name in self.names for part in parts[name]], online):
            fits = size > 0 and all(len(rows) == size for _, rows in candidate)
            if len(candidate) == len(views) and fits:
                self._check_order(candidate)
                return {number: rows for number, (_, rows) in enumerate(candidate)}
        raise FeatureError(
            f"in_order expected features of {len(views)} views with {size} samples, in their "
            f"order, found {counts(self.names, calls)}. Tap a submodule that is called once per "
            "view, or once with all views concatenated."
        )

    def _check_order(self, parts: Sequence[tuple[Call, Tensor]]) -> None:
        sources = self._search.sources()
        seen_by = {id(call): seen for calls in sources for call, seen in calls}
        for number, (call, rows) in enumerate(parts):
            seen = seen_by.get(id(call))
            wrong = seen is not None and bool(seen.views) and number not in seen.views
            if not wrong and not self._order_checked:
                proven = self._search.find(number, sources)
                wrong = proven is not None and not torch.equal(proven, rows)
            if wrong:
                raise FeatureError(
                    f"in_order expected the rows of '{call.tap}' in the order of the views, found "
                    f"other images in the rows of view {number}: your training code reorders "
                    "them. Leave in_order out, or pass the features yourself: augself(features, "
                    "records)."
                )
        self._order_checked = True  # later steps trust it for all that is not known by its tensor

    def _check_gradients(self, features: Sequence[Tensor]) -> None:
        """Refuse to train heads alone where the user meant to train the backbone."""
        watch = self._watch
        if not (watch.training and torch.is_grad_enabled()) or not features:
            return
        if any(feature.requires_grad for feature in features):
            return  # MoCo's second view has none
        for call in watch.calls:
            if any(parameter.requires_grad for parameter in call.module.parameters()):
                raise FeatureError(
                    f"The taps expected features with a gradient, found none, though '{call.tap}' "
                    "has trainable parameters. It ran under torch.no_grad(), was detached, or is "
                    "in a reentrant checkpoint: use checkpoint(..., use_reentrant=False), or tap "
                    "a module around it. If the backbone is frozen on purpose, call "
                    "requires_grad_(False) on it."
                )
        if not self._frozen_told and not torch.compiler.is_compiling():
            self._frozen_told = True
            check_frozen(watch.root, watch.calls)

    def _unproven(self, wanted: Sequence[int], missing: Sequence[int]) -> str:
        watch, root = self._watch, self._watch.root
        now = {} if root is None else dict(root.named_modules(remove_duplicate=False))
        moved = [name for name in self.names if now and now.get(name) is not self._tapped[name][0]]
        return unproven(self.names, watch.calls, watch.views, wanted, missing, moved)


def _parts(calls: Sequence[Call], size: int) -> list[tuple[Call, Tensor]]:
    """Cut what calls returned into parts of a view's size; what cannot be cut stays whole."""
    parts: list[tuple[Call, Tensor]] = []
    for call in calls:
        rows = call.feature
        whole = size > 0 and len(rows) > 0 and len(rows) % size == 0
        parts += [(call, part) for part in (rows.chunk(len(rows) // size) if whole else [rows])]
    return parts
