"""How much the AugSelf term weighs beside a method's own loss: their gradients at the features.

A λ says little by itself, since the losses of methods differ by orders of magnitude in what they do
to the features. This trains a run with its term as usual and compares, in its last epoch.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor

from augself_loss import gradient_ratios
from augself_loss.recording.multiview import split_views
from transfer.config import Config
from transfer.data.sets import Setting
from transfer.pretraining import pretrain
from transfer.runs import Run

EVERY = 4
"""Steps between two measurements: they cost as much as a step."""


class GradientRatios(pl.Callback):
    """Collects ‖∂(λ_a L_a)/∂f‖ / ‖∂L_base/∂f‖ per type, in the last epoch.

    Attributes:
        ratios: type name → a value per measured step; ``total`` is that of the whole term.
    """

    def __init__(self) -> None:
        self.ratios: dict[str, list[float]] = {}

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Measure on the batch that the step is about to train on."""
        if trainer.current_epoch + 1 < (trainer.max_epochs or 1) or batch_idx % EVERY:
            return
        method: Any = pl_module
        views, records = split_views(batch[0], method.views.recorder.layout)
        seen: list[Tensor] = []
        taps = [getattr(method, name) for name in method.taps]
        hooks = [tap.register_forward_hook(lambda _m, _i, out: seen.append(out)) for tap in taps]
        with trainer.precision_plugin.forward_context():
            base = method.loss(views, batch[1])
        for hook in hooks:
            hook.remove()
        ordered = sorted(seen, key=lambda features: not features.requires_grad)[:2]
        out = method.augself(*ordered, *records)
        weights = method.augself.weights
        parts = {name: weights[name] * term for name, term in out.terms.items()}
        ratios = gradient_ratios(base, {**parts, "total": out.total}, seen)
        for name, ratio in ratios.items():
            self.ratios.setdefault(name, []).append(ratio)


def trained_ratios(config: Config, setting: Setting, *, quiet: bool = False) -> dict[str, float]:
    """Train for the config's epochs, and compare gradients in the last one.

    Args:
        config: a run with the term; two epochs tell enough.
        setting: the pictures.
        quiet: no progress bar.

    Returns:
        Type name → median ratio, and that of the whole term as ``total``.
    """
    measured = GradientRatios()
    with tempfile.TemporaryDirectory() as folder:
        pretrain(Run(Path(folder), config), setting, quiet=quiet, callbacks=[measured])
    return {name: float(torch.tensor(each).median()) for name, each in measured.ratios.items()}
