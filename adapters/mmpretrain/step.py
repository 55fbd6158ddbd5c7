"""What an algorithm's ``loss`` does for AugSelf: batch in, term out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from augself_loss.adapters.mmpretrain.data import KEY
from augself_loss.errors import RecordError
from augself_loss.hosting.pairing import Views, paired
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.loss import AugSelfLoss, Output
from augself_loss.parameters import Layout, Record
from augself_loss.recording.multiview import split_views

LOG = "augself/"
"""In front of every logged name."""


@dataclass
class Step:
    """How an algorithm's batches are read.

    Args:
        taps: where features are taken.
        layout: the records' layout.
        views: which views are paired.
        mark: of the layout in which the pipeline shall have made the records; ``None`` where the
            data preprocessor makes them.
        optimizer_checked: whether the heads were seen in the optimizer.
    """

    taps: FeatureTaps
    layout: Layout
    views: Views
    mark: int | None
    optimizer_checked: bool = False

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def separate(self, inputs: Any, samples: Any) -> tuple[list[Tensor], list[Record]]:
        """Find the views and their records in a batch.

        Args:
            inputs: what the data preprocessor returned.
            samples: the batch's ``DataSample`` objects.

        Returns:
            N views ``(B, C, H, W)`` and one record per view.

        Raises:
            RecordError: no list of views, or no records, or those of another pipeline.
        """
        if not isinstance(inputs, (list, tuple)):
            raise RecordError(
                f"AugSelf expected a list of views, found {type(inputs).__name__}. Put "
                "RecordedMultiView into the pipeline of the data set."
            )
        if self.mark is None:
            return split_views(inputs, self.layout)
        packed = self._packed(samples, self.mark).to(inputs[0].device, non_blocking=True)
        return split_views([*inputs, packed], self.layout)

    @contextmanager
    def watch(self, algorithm: nn.Module, views: Sequence[Tensor]) -> Iterator[None]:
        """Take features of these views in this block."""
        try:
            with self.taps.watch(algorithm, views):
                yield
        finally:
            self.taps.forget()

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def term(
        self, augself: AugSelfLoss, views: Sequence[Tensor], records: Sequence[Record]
    ) -> dict[str, Tensor]:
        """Compute the term from the features taken so far.

        Returns:
            ``augself/total``, to be added to the loss, and ``augself/<type>``, to be logged.
        """
        wanted = paired(self.views, views)
        features = self.taps.features(wanted)
        self.taps.stop()
        out: Output = augself(features, [records[i] for i in wanted])
        terms = {f"{LOG}{name}": term.detach() for name, term in out.terms.items()}
        return {f"{LOG}total": out.total, **terms}

    def _packed(self, samples: Any, mark: int) -> Tensor:
        """Stack the samples' records, ``(B, N, P)`` int32."""
        listed = list(samples or ())
        if not listed or any(KEY not in sample for sample in listed):
            found = sorted(listed[0].all_keys()) if listed else "no data samples"
            raise RecordError(
                f"AugSelf expected the records '{KEY}' in every data sample, found {found}. Put "
                "RecordedMultiView in MultiView's place and have it packed: dict(type="
                f"'PackInputs', algorithm_keys=('{KEY}',))."
            )
        rows = np.stack([np.asarray(sample.get(KEY)) for sample in listed])
        if (rows[..., -1] != mark).any():
            raise RecordError(
                "AugSelf expected the records of augself.pipeline, found those of another one, of "
                "other types or ranges. Give the data set and augself=dict(pipeline=…) the same "
                "pipeline; a file that replaces the one it inherits has to replace both."
            )
        return torch.from_numpy(rows)


def last_map(output: Any) -> Any:
    """Take the last of a backbone's maps: MMPretrain's return one per stage that was asked for."""
    return output[-1] if isinstance(output, (tuple, list)) and output else output
