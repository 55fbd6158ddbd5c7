"""Finds the features of a view among the calls of taps: by its tensor, or else by its images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import torch
from torch import Tensor

from augself_loss.hosting.matching import Matcher, searches
from augself_loss.hosting.tap_calls import Call, Seen, Watch, is_alike

Sources: TypeAlias = Sequence[Sequence[tuple[Call, Seen]]]
"""Per tap, its calls whose images are known, with these."""


class Search:
    """Looks through what a watch saw, and remembers how it found views.

    Args:
        names: of the taps; a view's features are those of the first one that saw it.
        watch: what is looked through.
    """

    def __init__(self, names: Sequence[str], watch: Watch) -> None:
        self.names = names
        self._watch = watch
        self._matcher = Matcher()

    def sources(self) -> Sources:
        """List every tap's calls whose images are known."""
        found = [(call, call.source(self._matcher.keeps_order)) for call in self._watch.calls]
        known = [(call, seen) for call, seen in found if seen is not None]
        return [[pair for pair in known if pair[0].tap == name] for name in self.names]

    def find(self, number: int, by_tap: Sources) -> Tensor | None:
        """Find the features of a view by its tensor, or else by its images.

        Args:
            number: of the view.
            by_tap: what :meth:`sources` listed.

        Returns:
            ``(B, …)``, or ``None`` where nothing proves whose features these are.
        """
        view = self._watch.views[number] if number < len(self._watch.views) else None
        for calls in by_tap:
            known = [call.feature for call, seen in calls if number in seen.views]
            if known:  # a view may pass twice, once without a gradient (a target)
                return max(known, key=lambda feature: feature.requires_grad)
        if view is None or self._watch.is_changed(number):
            return None
        for alone in searches():
            for name, calls in zip(self.names, by_tap, strict=True):
                rows = self._matched(number, name, calls, alone=alone)
                if rows is not None:
                    return rows
        return None

    def _matched(
        self, number: int, tap: str, calls: Sequence[tuple[Call, Seen]], *, alone: bool
    ) -> Tensor | None:
        """Find a view by its images among a tap's calls, first among those that learn."""
        view = self._watch.views[number]
        unknown = [(call.feature, seen) for call, seen in calls if not seen.views]
        alike = [pair for pair in unknown if is_alike(pair[1].images, view)]
        for trained in (True, False):
            some = [pair for pair in alike if pair[0].requires_grad == trained]
            rows = self._rows(number, tap, some, alone=alone) if some else None
            if rows is not None:
                return rows
        return None

    def _rows(
        self, number: int, tap: str, calls: Sequence[tuple[Tensor, Seen]], *, alone: bool
    ) -> Tensor | None:
        """Find a view image by image; else as a whole, where it was normalized on the way."""
        views = self._watch.views
        rows = self._matcher.find(views[number], calls, (tap, number), alone=alone)
        if rows is not None:
            return rows
        size = len(views[number])
        for call, (features, seen) in enumerate(calls):
            parts = zip(torch.split(features, size), torch.split(seen.images, size), strict=True)
            for place, (rows, given) in enumerate(parts):
                which = (tap, rows.requires_grad, call, place)
                if self._matcher.is_only(views, number, given, which):
                    return rows
        return None
