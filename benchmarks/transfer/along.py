"""Measures features while they train: what they know of the augmentations, epoch by epoch."""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as pl

from augself_loss.recording.kornia import KorniaRecorder
from transfer.data.sets import Setting
from transfer.evaluation.evaluate import evaluate
from transfer.evaluation.features import Inputs
from transfer.evaluation.settings import EvaluationSettings
from transfer.runs import Run

MEASURED = ("readability", "in_domain")
"""Sections of the metrics that are cheap enough to be measured on the way."""


class Along(pl.Callback):
    """Keeps in the metrics' section ``along``: epoch → what :data:`MEASURED` says after it.

    A copy of the backbone is measured, and no random number is drawn: the training goes on as if
    nothing had happened.

    Args:
        run: whose metrics they join.
        setting: the pictures.
        recorder: makes the views whose parameters are read; no method trains on its draws.
        settings: how to measure, and after which epochs (``along``).
        inputs: how pictures are handed to the network.
    """

    def __init__(
        self,
        run: Run,
        setting: Setting,
        recorder: KorniaRecorder,
        *,
        settings: EvaluationSettings,
        inputs: Inputs,
    ) -> None:
        self.run, self.setting, self.recorder = run, setting, recorder
        self.settings, self.inputs = settings, inputs

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure where the settings say so; after the last epoch everything is, elsewhere."""
        epoch = trainer.current_epoch + 1
        if epoch not in self.settings.along or epoch == trainer.max_epochs:
            return
        if trainer.is_global_zero:
            method: Any = pl_module
            found = evaluate(
                copy.deepcopy(method.backbone),
                self.setting,
                self.recorder,
                settings=self.settings,
                inputs=self.inputs,
                only=MEASURED,
            )
            metrics = self.run.metrics
            along = {**metrics.get("along", {}), str(epoch): found}
            self.run.save({**metrics, "along": along})
