"""Trains one run's backbone with Lightning, or goes on where an interrupted run stopped."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities.exceptions import SIGTERMException
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightning import KeepGradientShare, add_augself, add_objective
from transfer import methods
from transfer.checkpoints import Checkpoints
from transfer.config import Config
from transfer.data.resident import Resident
from transfer.data.sets import Setting
from transfer.deadline import NEVER, Deadline, TimeUpError
from transfer.methods.base import Method
from transfer.objectives import objective
from transfer.runs import Run

READS = {"crop": ("early", "late")}
"""At two depths: what a type reads besides the last stage's features, which all read."""
POOLS: dict[str, Any] = {"early": 2, "late": "mean"}
"""How the maps of either become vectors: the third stage's keep 2 × 2 places."""
MEASURED_EVERY = 20
"""Steps between two measurements of gradients, where λ follow them."""
SAVED_EVERY = 20.0
"""Least seconds between two checkpoints of a network on a GPU."""


def build(config: Config, classes: int) -> Method:
    """Build the method, and add the terms that the run has beside its loss.

    The method's weights are drawn first, so all arms of a seed begin from the same ones.
    """
    pl.seed_everything(config.seed, workers=True, verbose=False)
    return assembled(config, classes)


def assembled(config: Config, classes: int) -> Method:
    """Build the method with its terms, its weights drawn from the random state as it is."""
    method = methods.build(config, classes)
    recorder = method.views.recorder
    if config.types:
        read, taps = _read(config, method)
        augself = AugSelfLoss(
            weights=config.types, hidden_dim=config.head_dim, encoders=recorder.encoders, **read
        )
        add_augself(method, augself, recorder, taps=taps)
    elif config.objective:
        term = objective(config, method.backbone.feature_dim, recorder)
        third = None if term is None or term.third_view is None else 2
        add_objective(method, term, recorder, taps=list(method.taps), third=third)
    return method


def _read(config: Config, method: Method) -> tuple[dict[str, Any], Any]:
    """Say what the term reads, as options of the loss, and where that is tapped."""
    net = method.backbone
    if config.tap == "depths":
        dims = {"early": net.layer3_dim, "late": net.feature_dim}
        reads = {name: READS[name] for name in config.types if name in READS}
        taps = {depth: [f"{name}.{depth}" for name in method.taps] for depth in dims}
        return {"feature_dim": dims, "pool": POOLS, "depths": reads}, taps
    if config.tap == "layer3":
        return {"feature_dim": net.layer3_dim}, [f"{name}.layer3" for name in method.taps]
    return {"feature_dim": net.feature_dim}, list(method.taps)


def loader(
    config: Config, pictures: Dataset[tuple[Tensor, int]], trainer: pl.Trainer, workers: int
) -> DataLoader[Any] | Resident:
    """Batches in an order that depends on the seed and the epoch alone."""
    rank, world = trainer.global_rank, trainer.world_size
    sampler: DistributedSampler[Any] = DistributedSampler(
        pictures, world, rank, shuffle=True, seed=config.seed, drop_last=True
    )
    if config.resident:
        return Resident(pictures, config.batch // world, sampler, trainer.strategy.root_device)
    return DataLoader(
        pictures,
        batch_size=config.batch // world,
        sampler=sampler,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        pin_memory=torch.cuda.is_available(),
    )


class Means(Callback):
    """Means over the last epoch of what was logged, and the seconds spent, over resumed parts."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.sums: dict[str, Tensor] = {}
        self.steps = 0
        self._since = 0.0

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin an epoch."""
        self.sums, self.steps, self._since = {}, 0, time.perf_counter()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Add what the step logged."""
        for name, value in trainer.callback_metrics.items():
            # On the device: to read it would wait for every step.
            self.sums[name] = self.sums.get(name, torch.zeros_like(value)) + value.detach()
        self.steps += 1

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Add the epoch's time."""
        self.seconds += time.perf_counter() - self._since

    def state_dict(self) -> dict[str, Any]:
        """Keep the seconds in checkpoints."""
        return {"seconds": self.seconds}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take them back."""
        self.seconds = state_dict["seconds"]

    def summary(self, steps: int) -> dict[str, Any]:
        """Say what the run came to."""
        means = {name: float(value / max(1, self.steps)) for name, value in self.sums.items()}
        logged = [(*name.partition("/"), mean) for name, mean in means.items()]
        terms = {
            name: mean
            for prefix, _, name, mean in logged
            if prefix in ("augself", "objective") and name not in ("total", "base")
        }
        base = means.get("base", float("nan"))
        return {"seconds": round(self.seconds, 1), "steps": steps, "base": base, "terms": terms}


def _trainer(run: Run, callbacks: Sequence[Callback], *, quiet: bool) -> pl.Trainer:
    config = run.config
    bar = [] if quiet else [RichProgressBar()]
    warnings.filterwarnings("ignore", r".*(isinstance\(treespec|does not have many workers)")
    warnings.filterwarnings("ignore", r".*(Checkpoint directory|number of training batches)")
    return pl.Trainer(
        max_epochs=config.epochs,
        accelerator="auto",
        devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
        precision=config.precision,  # type: ignore[arg-type]
        logger=TensorBoardLogger(run.folder, name="", version=""),
        callbacks=[*callbacks, *bar],
        # What is logged is read, and the host then waits for the device.
        log_every_n_steps=50 if config.resident else 10,
        enable_model_summary=False,
        enable_progress_bar=not quiet,
        use_distributed_sampler=False,
        sync_batchnorm=torch.cuda.is_available(),
        benchmark=config.resident or None,
    )


def pretrain(
    run: Run,
    setting: Setting,
    *,
    workers: int = 0,
    quiet: bool = False,
    callbacks: Sequence[Callback] = (),
    deadline: Deadline = NEVER,
) -> None:
    """Train the run's backbone and keep it, unless it is there already.

    Args:
        run: whose settings count, and where everything is kept.
        setting: the pictures.
        workers: of the DataLoader, for pictures that lie on a disk.
        quiet: no progress bar.
        callbacks: more for Lightning's Trainer.
        deadline: training stops in time for it, to go on from its last epoch later.

    Raises:
        ValueError: fewer pictures than a batch takes.
        TimeUpError: the training stopped before its last epoch, as time was up or the process was
            told to end (SIGTERM).
    """
    if run.backbone.exists():
        return
    config = run.config
    method = build(config, setting.classes)
    run.note_versions()
    means = Means()
    keep = Checkpoints(run, every=SAVED_EVERY if config.resident else 0.0, deadline=deadline)
    shares = [KeepGradientShare(config.share, every=MEASURED_EVERY)] if config.share else []
    trainer = _trainer(run, [means, *callbacks, *shares, keep], quiet=quiet)
    batches = loader(config, setting.pretrain, trainer, workers)
    if len(batches) == 0:
        raise ValueError(
            f"Pretraining expected at least a batch of {config.batch} pictures, found "
            f"{len(setting.pretrain)}. Use fewer (batch=...)."  # type: ignore[arg-type]
        )
    known = str(run.checkpoint) if run.checkpoint.exists() else None
    try:
        trainer.fit(method, batches, ckpt_path=known)
    except SIGTERMException:  # which would end the process as if all were done
        said = f"{config.name} was told to end; it goes on from its last checkpoint."
        raise TimeUpError(said) from None
    if keep.stopped:
        raise TimeUpError(f"{config.name} goes on later from epoch {trainer.current_epoch}.")
    if trainer.is_global_zero:
        metrics = {**run.metrics, "pretraining": means.summary(trainer.global_step)}
        run.save(metrics)
        torch.save(method.backbone.state_dict(), run.backbone)
        run.checkpoint.unlink(missing_ok=True)
