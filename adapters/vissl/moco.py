"""VISSL's MoCo: its model sees the query alone, its hook runs the momentum encoder on the key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor


def key_features(host: Any) -> Mapping[str, Any]:
    """Let VISSL's MoCo hook hand the key view's features to the model's tap, after the query's."""

    def on_forward(self: Any, task: Any) -> None:
        self.order = None
        host.on_forward(self, task)
        tap = task.loss.moco_encoder.augself_tap
        (features,), tap.kept = tap.kept, []
        if self.order is not None:  # VISSL shuffled the keys over all processes
            features = self._batch_unshuffle_ddp(features, self.order)
        task.base_model.augself_tap.kept.append(features)

    def _batch_shuffle_ddp(self: Any, x: Tensor, task: Any) -> tuple[Tensor, Tensor]:
        shuffled, self.order = host._batch_shuffle_ddp(self, x, task)
        return shuffled, self.order

    return {"on_forward": on_forward, "_batch_shuffle_ddp": _batch_shuffle_ddp}
