"""What the scripts for Lightning and Lightly share: options, pictures, Trainer, and a report."""

from __future__ import annotations

import argparse
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from _shared import images, options
from _shared.means import Means

SIZE, VIEW = 40, 32
"""Sides in pixels: of the pictures, and of the views that the network sees."""
SMOKE = 64
"""How many pictures a smoke test reads."""


def start(
    doc: str | None, *, epochs: int, batch: int = 64, workers: int = 1, **choices: Sequence[str]
) -> argparse.Namespace:
    """Read the command line, seed, and share the cores with the DataLoader's workers.

    Args:
        doc: the script's docstring; its first line is printed by ``--help``.
        epochs: the script's default, under two minutes on two cores.
        batch: the script's default.
        workers: the script's default; 0 where the data set has nothing to do.
        **choices: options of the script's own, and what they may be; the first is the default.
    """
    parser = options.parser(doc, epochs=epochs)
    parser.add_argument("--batch", type=int, default=batch)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--logger", choices=("csv", "tensorboard"), default="csv")
    parser.add_argument("--workers", type=int, default=workers, help="of the DataLoader")
    for name, known in choices.items():
        parser.add_argument(f"--{name}", choices=known, default=known[0])
    args = parser.parse_args()
    args.name = Path(parser.prog).stem
    if args.smoke:
        args.epochs, args.batch, args.workers = 1, SMOKE // 4, 0
    torch.set_num_threads(max(1, (os.cpu_count() or 1) - args.workers))
    pl.seed_everything(args.seed, workers=True, verbose=False)
    return args


def pictures(args: argparse.Namespace) -> Tensor:
    """Pictures to train on, uint8 (N, 3, SIZE, SIZE)."""
    limit = SMOKE if args.smoke else None
    return images.load(args.data, args.path, SIZE, limit)[0][:limit]


def labelled(args: argparse.Namespace, size: int = SIZE) -> images.Labelled:
    """Pictures with labels; of the pack the categories."""
    task = images.load(args.data, args.path, size)[1][-1]
    return task.first(SMOKE) if args.smoke else task


def loader(args: argparse.Namespace, dataset: Dataset[Any]) -> DataLoader[Any]:
    """Shuffled batches to train on."""
    return DataLoader(
        dataset,
        batch_size=args.batch,
        shuffle=True,
        drop_last=True,
        num_workers=args.workers,
        persistent_workers=args.workers > 0,
    )


class Report(pl.Callback):
    """Keeps all that was logged, to print its means over the first epoch and over the last."""

    def __init__(self) -> None:
        self.means = Means()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        """Begin an epoch."""
        self.means.begin_epoch()

    def on_train_batch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        """Keep what the step logged."""
        self.means.add(trainer.callback_metrics)


def train(
    args: argparse.Namespace,
    model: pl.LightningModule,
    batches: Any,
    validation: DataLoader[Any] | None = None,
) -> pl.Trainer:
    """Train with Lightning's progress bar and logger, and print what became of the losses."""
    loggers = {"csv": CSVLogger, "tensorboard": TensorBoardLogger}
    logger: Logger = loggers[args.logger]("runs", name=args.name)
    # Both are Lightning's own: a deprecation in its use of PyTorch, and advice to use every core.
    warnings.filterwarnings("ignore", r".*(isinstance\(treespec|does not have many workers)")
    report = Report()
    trainer = pl.Trainer(
        max_epochs=args.epochs,
        accelerator="auto",
        logger=logger,
        callbacks=[report],
        log_every_n_steps=1 if args.smoke else 5,
        enable_model_summary=False,
    )
    trainer.fit(model, batches, validation)
    report.means.show()
    print(f"Everything is in {logger.log_dir}")
    return trainer
