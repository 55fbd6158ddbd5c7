"""How much the AugSelf term weighs beside a method's own loss: their gradients at the features.

A λ says little by itself, since the losses of methods differ by orders of magnitude in what they do
to the features. Both are compared in steps of the training itself, which goes on as if they were
not.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import lightning.pytorch as pl
from torch import Tensor

from augself_loss.adapters.lightning.share import as_computed
from augself_loss.share import RatioMeter
from transfer.config import Config
from transfer.data.sets import Setting
from transfer.pretraining import pretrain
from transfer.runs import Run

EVERY = 4
"""Steps between two measurements."""


class GradientRatios(pl.Callback):
    """Keeps ‖∂(λ_a L_a)/∂f‖ / ‖∂L_base/∂f‖ per type, of some epochs, in the run's metrics.

    The section ``gradients``: epoch → type name → median over the epoch's measured steps; ``total``
    is that of the whole term. A plain run has none.

    Args:
        run: whose metrics they join.
        parts: of the training, 0 to 1: 0 is the first epoch after the warm-up, 1 the last.
    """

    def __init__(self, run: Run, parts: Sequence[float] = (1.0,)) -> None:
        config = run.config
        first, last = min(config.warmup, config.epochs - 1), config.epochs - 1
        self.run = run
        self.epochs = {max(first, round(part * last)) for part in parts if config.types}
        self.ratios: dict[str, list[float]] = {}
        self._meter: RatioMeter | None = None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Watch the term in an epoch that is asked for."""
        if trainer.current_epoch in self.epochs:
            method: Any = pl_module
            self.ratios, self._meter = {}, RatioMeter(method.augself, EVERY)

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: Tensor
    ) -> None:
        """Measure, if this step's turn has come."""
        if self._meter is None:
            return
        method: Any = pl_module
        weights = method.augself.weights
        for name, ratio in (self._meter.measure_within(as_computed(trainer, loss)) or {}).items():
            self.ratios.setdefault(name, []).append(weights.get(name, 1.0) * ratio)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Keep the medians."""
        if self._meter is None:
            return
        self._meter.close()
        self._meter = None
        if trainer.is_global_zero:
            metrics = self.run.metrics
            found = {name: median(each) for name, each in self.ratios.items()}
            known = {**metrics.get("gradients", {}), str(trainer.current_epoch + 1): found}
            self.run.save({**metrics, "gradients": known})


def trained_ratios(config: Config, setting: Setting, *, quiet: bool = False) -> dict[str, float]:
    """Train for the config's epochs, and compare gradients in the last one.

    Args:
        config: a run with the term; two epochs tell enough.
        setting: the pictures.
        quiet: no progress bar.

    Returns:
        Type name → median ratio, and that of the whole term as ``total``.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), config)
        pretrain(run, setting, quiet=quiet, callbacks=[GradientRatios(run)])
        found: dict[str, float] = run.metrics["gradients"][str(config.epochs)]
    return found
