"""Checkpoints at the ends of epochs: as often as they are worth, and when time is nearly up."""

from __future__ import annotations

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from transfer.deadline import NEVER, Deadline
from transfer.runs import Run

MARGIN = 1.5
"""An epoch may take so many times as long as the longest so far."""

WRITING = 3.0
"""Seconds to write the last checkpoint and to end."""


class Checkpoints(ModelCheckpoint):
    """Keeps the last checkpoint of a run, and ends its training in time.

    Args:
        run: whose checkpoint it is.
        every: least seconds between two checkpoints. A network of a hundred megabytes whose epoch
            takes a second would else spend its time on writing.
        deadline: training stops, with a checkpoint, at the end of the last epoch that it leaves
            time for.

    Attributes:
        stopped: whether time was up before the last epoch.
    """

    def __init__(self, run: Run, *, every: float = 0.0, deadline: Deadline = NEVER) -> None:
        super().__init__(run.folder, filename="last", save_top_k=1, enable_version_counter=False)
        self.every, self.deadline = every, deadline
        self.stopped = False
        self._saved = self._began = time.monotonic()
        self._longest = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin an epoch."""
        self._began = time.monotonic()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is time to, and stop if another epoch would come too late."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._began)
        done = trainer.current_epoch + 1 >= (trainer.max_epochs or 0)
        self.stopped = not done and self._is_late(trainer)
        if self.stopped or now - self._saved >= self.every:
            super().on_train_epoch_end(trainer, pl_module)
            self._saved = time.monotonic()
        trainer.should_stop = trainer.should_stop or self.stopped

    def _is_late(self, trainer: pl.Trainer) -> bool:
        """Whether any process finds that another epoch would come too late."""
        late = self.deadline.left < MARGIN * self._longest + WRITING
        together: Any = trainer.strategy
        return bool(together.reduce_boolean_decision(late, all=False))
