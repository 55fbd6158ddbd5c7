"""See what AugSelf does, on real images, in a few minutes on a laptop's processor.

Trains a small ResNet twice with the same seed, data order, augmentations and budget: with a plain
self-supervised loss, and with the AugSelf term added. Then reads from the frozen features where a
view lay, how its colours were shifted and whether it was flipped, and tests them on labelled tasks.

    python examples/quickstart.py                                    # the pack in this repository
    python examples/quickstart.py --data cifar10 --path ~/data       # or stl10, or imagefolder
"""

from __future__ import annotations

import argparse
import os
import queue
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import numpy as np
import torch
import torch.multiprocessing
from _shared import figure, images, options
from _shared.bootstrap import Uncertainty, uncertainty
from _shared.models import SimCLR, SimSiam, SmallResNet
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor, nn

from augself_loss import AugSelfLoss, plots
from augself_loss.diagnostics import ALPHAS, Readout, read_parameters
from augself_loss.recording.kornia import KorniaRecorder

SIZE, VIEW = 40, 32  # sides in pixels: of the pictures, and of the views that the network sees
SHOWN = [55, 21, 113, 89]
"""Which held-out pictures the figure shows; in the pack: a raccoon, a train, a bear, rocks."""
Report: TypeAlias = Callable[[str, float, float], None]
"""Called after every step with the run's name, the part that is done, and the loss."""
TYPES = {"crop": 10.0, "color": 2.0, "flip": 1.0}
"""λ per type. In 200 epochs the paper uses 1; the crop's term is small and slow to fall, and this
run is a few minutes short."""


class Score(NamedTuple):
    """Accuracy on a labelled task, with its 95 % interval over the choice of test pictures."""

    chance: float
    value: float
    interval: Uncertainty


@dataclass
class Run:
    """One training run and what its features know."""

    name: str
    backbone: nn.Module
    augself: AugSelfLoss | None
    base: float = float("nan")
    terms: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    read: dict[str, Readout] = field(default_factory=dict)
    tasks: dict[str, Score] = field(default_factory=dict)


def augmentation(view: int = VIEW) -> K.AugmentationSequential:
    """The paper's pipeline for small pictures: crop, flip, colour jitter, grey."""
    return K.AugmentationSequential(
        K.RandomResizedCrop((view, view), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )


def train(name: str, pictures: Tensor, args: argparse.Namespace, report: Report) -> Run:
    """Train a backbone; with AugSelf the lines marked ADDED are all there is to it."""
    torch.manual_seed(args.seed)
    backbone = SmallResNet(args.width)
    base_loss = {"simsiam": SimSiam, "simclr": SimCLR}[args.method](backbone.feature_dim)
    recorder = KorniaRecorder(augmentation(), apply=args.apply)
    modules: list[nn.Module] = [backbone, base_loss]
    augself = None
    if name != args.method:
        augself = AugSelfLoss(
            backbone.feature_dim, TYPES, hidden_dim=256, encoders=recorder.encoders
        )  # ADDED
        modules.append(augself)  # ADDED: its heads learn too
    parameters = [p for module in modules for p in module.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=args.lr)
    steps = args.epochs * (len(pictures) // args.batch)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, args.lr, steps, pct_start=0.1, cycle_momentum=False
    )
    run = Run(name, backbone, augself)
    start = time.perf_counter()
    for step in range(steps):
        batch = pictures[_rows(step, len(pictures), args)].float() / 255
        views1, record1 = recorder(batch)
        views2, record2 = recorder(batch)
        features1, features2 = backbone(views1), backbone(views2)
        loss = base = base_loss(features1, features2)
        if augself is not None:
            out = augself(features1, features2, record1, record2)  # ADDED
            loss = base + out.total  # ADDED
            run.terms = {term: value.item() for term, value in out.terms.items()}
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        run.base = base.item()
        report(name, (step + 1) / steps, loss.item())
    run.seconds = time.perf_counter() - start
    return run


def _rows(step: int, count: int, args: argparse.Namespace) -> Tensor:
    """Rows of a step's batch: every epoch its own order, the same in both runs."""
    epoch, place = divmod(step, count // args.batch)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(args.seed + epoch))
    return order[place * args.batch : (place + 1) * args.batch]


@torch.no_grad()
def extract(backbone: nn.Module, pictures: Tensor) -> Tensor:
    """Features of float pictures (N, 3, S, S), frozen."""
    backbone.eval()
    return torch.cat([backbone(part) for part in torch.split(pictures, 512)])


def evaluate(
    run: Run,
    pictures: Tensor,
    held_out: Tensor,
    tasks: list[images.Labelled],
    args: argparse.Namespace,
) -> None:
    """Read parameters from pairs of views (scored on held-out pictures), and labels of tasks."""
    torch.manual_seed(args.seed + 1)
    recorder = KorniaRecorder(augmentation(), apply=args.apply)
    floats = torch.cat([pictures, held_out]).float() / 255
    (views1, record1), (views2, record2) = recorder(floats), recorder(floats)
    features1, features2 = extract(run.backbone, views1), extract(run.backbone, views2)
    encoders = [encoder for encoder in recorder.encoders if encoder.name in TYPES]
    run.read = read_parameters(
        features1,
        features2,
        record1,
        record2,
        encoders,
        test_fraction=len(held_out) / len(floats),
    )
    for task in tasks:
        run.tasks[task.name] = score(run.backbone, task)


def score(backbone: nn.Module, task: images.Labelled) -> Score:
    """Fit a linear classifier on frozen features, and test it."""
    seen = images.resized(task.images.reshape(-1, *task.images.shape[-3:]), VIEW)
    known = extract(backbone, seen.float() / 255).view(len(task.labels), -1).numpy()
    labels, fitted = task.labels.numpy(), (task.split == 0).numpy()
    probe = make_pipeline(StandardScaler(), RidgeClassifierCV(alphas=ALPHAS))
    probe.fit(known[fitted], labels[fitted])
    right = probe.predict(known[~fitted]) == labels[~fitted]
    groups = None if task.groups is None else task.groups.numpy()[~fitted]
    frequent = np.bincount(labels[fitted]).argmax()
    chance = float((labels[~fitted] == frequent).mean())
    return Score(chance, float(right.mean()), uncertainty(right.astype(float), groups))


def split(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Hold out every fifth picture: (held out, to train on)."""
    fifth = torch.arange(len(pictures)) % 5 == 0
    return pictures[fifth], pictures[~fifth]


def train_and_evaluate(name: str, args: argparse.Namespace, reports: Any) -> Run:
    """Do one of the two runs, in a process of its own."""
    torch.set_num_threads(args.threads)
    pictures, tasks = images.load(args.data, args.path, SIZE)
    if args.smoke:
        pictures, tasks = pictures[:160], [task.first(200) for task in tasks]
    held_out, pictures = split(pictures)
    tasks += images.placed(pictures, held_out)
    run = train(name, pictures, args, lambda *report: reports.put(report))
    evaluate(run, pictures, held_out, tasks, args)
    return run


def side_by_side(names: Sequence[str], args: argparse.Namespace, console: Console) -> list[Run]:
    """Run both trainings at once, each on half of the cores, with a progress bar each."""
    context = torch.multiprocessing.get_context("spawn")
    with (
        context.Manager() as manager,
        ProcessPoolExecutor(len(names), context) as pool,
        Progress(console=console) as progress,
    ):
        reports = manager.Queue()
        bars = {name: progress.add_task(name, total=1.0) for name in names}
        runs = [pool.submit(train_and_evaluate, name, args, reports) for name in names]
        while not (all(run.done() for run in runs) and reports.empty()):
            try:
                name, part, loss = reports.get(timeout=0.2)
            except queue.Empty:
                continue
            text = f"{name}  loss {loss:.3f}" if part < 1 else f"{name}  evaluating"
            progress.update(bars[name], completed=part, description=text)
        return [run.result() for run in runs]


def main() -> None:
    """Run both trainings, print the table, draw the picture."""
    args = arguments()
    console = Console()
    if args.smoke:
        args.epochs, args.width, args.batch = 1, 8, 32
    console.print(
        f"{args.data}, {args.epochs} epochs, seed {args.seed}, torch {torch.__version__}, "
        f"two runs side by side on {args.threads} threads each"
    )
    plain, augself = side_by_side((args.method, f"{args.method} + AugSelf"), args, console)
    console.print(table(plain, augself))
    draw(plain, augself, args)
    console.print(f"Picture: {args.out}")


def table(plain: Run, augself: Run) -> Table:
    """Everything that was measured, one row each."""
    rows = Table("measured", "by chance", plain.name, augself.name)
    rows.add_row("base loss, last step", "", f"{plain.base:.3f}", f"{augself.base:.3f}")
    for name, value in augself.terms.items():
        rows.add_row(f"AugSelf term: {name}", "", "-", f"{value:.3f}")
    rows.add_row("training time", "", f"{plain.seconds:.0f} s", f"{augself.seconds:.0f} s")
    rows.add_section()
    for name, read in augself.read.items():
        metric = {"R2": "R²", "accuracy": "accuracy"}[read.metric]
        values = (read.baseline, plain.read[name].value, read.value)
        rows.add_row(f"{name} read from two views: {metric}", *(f"{v:.3f}" for v in values))
    rows.add_section()
    for name, ours in augself.tasks.items():
        cells = (
            f"{s.value:.1%} ({s.interval.low:.0%}–{s.interval.high:.0%})"
            for s in (plain.tasks[name], ours)
        )
        rows.add_row(f"{name}: linear accuracy", f"{ours.chance:.1%}", *cells)
    rows.caption = "in brackets: 95 % bootstrap intervals over the test pictures"
    return rows


def _intervals(run: Run) -> dict[str, tuple[float, float]]:
    return {name: (s.interval.low, s.interval.high) for name, s in run.tasks.items()}


def draw(plain: Run, augself: Run, args: argparse.Namespace) -> None:
    """Draw views, boxes and scores, on pictures that were held out of the training."""
    if augself.augself is None:
        raise ValueError("The second run has no heads to draw predictions of.")
    chances = {name: r.baseline for name, r in augself.read.items() if r.metric == "accuracy"}
    scores = {
        "augmentation parameters, read from pairs of views": figure.Panel(
            plots.scores(plain.read),
            plots.scores(augself.read),
            {f"{name} (accuracy)": chance for name, chance in chances.items()},
        ),
        "labelled tasks, linear accuracy": figure.Panel(
            {name: found.value for name, found in plain.tasks.items()},
            {name: found.value for name, found in augself.tasks.items()},
            {name: found.chance for name, found in augself.tasks.items()},
            (_intervals(plain), _intervals(augself)),
        ),
    }
    held_out, _ = split(images.load(args.data, args.path, figure.PICTURE, limit=600)[0])
    shown = held_out[[i % len(held_out) for i in SHOWN]]
    figure.draw(shown, augself.backbone, augself.augself, scores, args.out, seed=args.seed)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options.parser(__doc__, epochs=25)
    parser.add_argument("--method", choices=("simsiam", "simclr"), default="simsiam")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--width", type=int, default=16, help="channels of the first layer")
    parser.add_argument("--lr", type=float, default=0.002)
    threads = max(1, (os.cpu_count() or 2) // 2)
    parser.add_argument("--threads", type=int, default=threads, help="of each of the two runs")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("quickstart.png"))
    applied = "who applies what Kornia drew: the library, several times faster, or Kornia"
    parser.add_argument("--apply", choices=("fused", "kornia"), default="fused", help=applied)
    return parser.parse_args()


if __name__ == "__main__":
    main()
