"""VISSL's MoCo: its model sees the query alone, its hook runs the momentum encoder on the key."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from vissl.hooks import MoCoHook


class AugSelfMoCoHook(MoCoHook):  # type: ignore[misc]
    """VISSL's MoCo hook, which also keeps the momentum encoder's features of the key view.

    Attributes:
        features: those of the last step, ``(B, …)``, in the order of the batch.
    """

    features: Tensor

    @classmethod
    def of(cls, hook: MoCoHook) -> AugSelfMoCoHook:
        """Build the hook that stands in for VISSL's own."""
        return cls(hook.momentum, hook.shuffle_batch)

    def on_forward(self, task: Any) -> None:
        """Run the momentum encoder as VISSL does."""
        self.loss, self.shuffled = task.loss, False
        super().on_forward(task)
        if not self.shuffled:
            self.features = self._taken()

    def _batch_unshuffle_ddp(self, x: Tensor, idx_unshuffle: Tensor) -> Tensor:
        """Bring the features back to their own process too: VISSL shuffles the keys over all."""
        self.shuffled = True
        self.features = super()._batch_unshuffle_ddp(self._taken(), idx_unshuffle)
        unshuffled: Tensor = super()._batch_unshuffle_ddp(x, idx_unshuffle)
        return unshuffled

    def _taken(self) -> Tensor:
        tap = self.loss.moco_encoder.augself_tap
        features: Tensor
        (features,), tap.kept = tap.kept, []
        return features
