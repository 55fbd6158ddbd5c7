"""Watches a step: takes its features, and says whose records they have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from augself_loss.hosting.conditioned import telling
from augself_loss.hosting.depth_taps import DepthTaps
from augself_loss.hosting.finding import moved
from augself_loss.hosting.pairing import Views, paired
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.whose import Whose
from augself_loss.parameters import Record
from augself_loss.views import Features


class Watching:
    """Takes features where a host's module is tapped, step by step.

    Args:
        taps: where features are taken.
        conditions: whether some projectors of the module ask for records.
    """

    def __init__(self, taps: FeatureTaps | DepthTaps, *, conditions: bool) -> None:
        self._taps, self._conditions, self._whose = taps, conditions, Whose()

    @contextmanager
    def step(
        self, root: nn.Module, views: Sequence[Tensor], records: Callable[[], Sequence[Record]]
    ) -> Iterator[None]:
        """Take features in this block, and answer the projectors that ask for their records.

        Args:
            root: the host's module.
            views: the step's views, ``(B, …)`` each.
            records: returns theirs, also those that come while the block runs.
        """

        def record_of(features: Tensor) -> Record:
            there = [moved(record, features.device) for record in records()]
            return self._whose(features, self._taps.known_calls(), views, there)

        with (
            self._taps.watch(root, views),
            telling(root, record_of, there=self._conditions),
        ):
            yield

    def compared(
        self, objective: Any, which: Views, views: Sequence[Tensor], records: Sequence[Record]
    ) -> tuple[list[Features], list[Record]]:
        """Return the features that an objective compares, and their records.

        Args:
            objective: the loss.
            which: which views are paired.
            views: the step's.
            records: theirs.

        Raises:
            FeatureError: see :meth:`FeatureTaps.features`.
        """
        wanted = paired(which, views) if getattr(objective, "reads_views", True) else []
        return list(self._taps.features(wanted)), [records[i] for i in wanted]
