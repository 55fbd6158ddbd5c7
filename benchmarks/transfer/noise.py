"""How far chance moves a score: which pictures happen to be tested, in one run and between two.

    python -m transfer.noise --path ~/offline --runs runs simclr-s0 simclr-augself-s0

prints every task's scores, of an untrained network too, with their standard errors, and of a run
with AugSelf what it gains on the plain one of its name, whose pictures are the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from torch import nn

from transfer.data import settings as data
from transfer.data.offline_tasks import SETTINGS
from transfer.data.sets import Setting, Task
from transfer.errors import TransferError
from transfer.evaluation.features import Inputs, extract
from transfer.evaluation.folds import Array, all_tested, array, standard_error
from transfer.evaluation.linear import fit_folds
from transfer.evaluation.localization import fit_boxes
from transfer.evaluation.settings import EvaluationSettings
from transfer.networks import backbone
from transfer.reporting.tables import Cell, Table, markdown
from transfer.runs import Run, trained

UNTRAINED = "untrained"
"""Name of the network with its first weights."""


class Score(NamedTuple):
    """A score of one network on one task.

    Args:
        values: score of every test row, fold by fold.
        mean: over all of them.
        error: standard error of the mean, of whole groups of pictures.
    """

    values: list[Array]
    mean: float
    error: float


Scores: TypeAlias = dict[str, dict[str, Score]]
"""Task → network → its score."""


def networks(runs: Sequence[Run]) -> dict[str, nn.Module]:
    """The runs' trained networks by name, and one that was not trained."""
    torch.manual_seed(0)
    config = runs[0].config
    found: dict[str, nn.Module] = {
        UNTRAINED: backbone(config.network, config.width, config.feature_dim)
    }
    for run in runs:
        net = backbone(run.config.network, run.config.width, run.config.feature_dim)
        net.load_state_dict(torch.load(run.backbone, weights_only=True, map_location="cpu"))
        found[run.config.name] = net
    return found


def measure(
    nets: Mapping[str, nn.Module], setting: Setting, inputs: Inputs, settings: EvaluationSettings
) -> Scores:
    """Score networks on all tasks, by linear evaluation and, where there are boxes, by those."""
    scores: Scores = {}
    for net_name, net in nets.items():
        features = {id(t.pictures): extract(net, t.pictures, inputs) for t in _distinct(setting)}
        for name, task in setting.tasks.items():
            x = array(features[id(task.pictures)].view(len(task.labels), -1))
            fits = fit_folds(x, array(task.labels), task.folds, task.metric, settings)
            scores.setdefault(name, {})[net_name] = _score([fit.right for fit in fits], task)
            if task.boxes is not None:
                boxed = [fit.ious for fit in fit_boxes(x, array(task.boxes), task.folds)]
                scores.setdefault(f"{name}: boxes", {})[net_name] = _score(boxed, task)
    return scores


def table(setting: Setting, scores: Scores, pairs: Sequence[tuple[str, str]]) -> Table:
    """Make a row of each task: its test set, scores, and gains of the second of two networks.

    Args:
        setting: whose tasks these are.
        scores: of the networks.
        pairs: names of networks that are tested on the same pictures and compared.
    """
    nets = list(next(iter(scores.values())))
    rows = []
    for name, found in scores.items():
        task = setting.tasks[name.split(":")[0]]
        rows.append(
            (
                Cell(name),
                Cell(str(sum(len(fold.test) for fold in task.folds))),
                Cell(str(_groups(task))),
                *(Cell(_percent(found[net].mean, found[net].error)) for net in nets),
                *(Cell(_gain(found[one], found[other], task)) for one, other in pairs),
            )
        )
    headers = ("task", "scored", "groups", *nets, *(f"{other} − {one}" for one, other in pairs))
    note = "± one standard error by the chance of which pictures are tested, whole groups of them."
    return Table(setting.name, f"Tasks of {setting.name}, %", headers, tuple(rows), note, labels=3)


def _distinct(setting: Setting) -> list[Task]:
    return list({id(task.pictures): task for task in setting.tasks.values()}.values())


def _score(values: list[Array], task: Task) -> Score:
    error = standard_error(values, task.folds, groups=task.groups)
    return Score(values, float(np.concatenate(values).mean()), error)


def _gain(one: Score, other: Score, task: Task) -> str:
    found = _score([b - a for a, b in zip(one.values, other.values, strict=True)], task)
    return f"{100 * found.mean:+.1f} ± {100 * found.error:.1f}".replace("-", "−")


def _percent(mean: float, error: float) -> str:
    return f"{100 * mean:.1f} ± {100 * error:.1f}"


def _groups(task: Task) -> int:
    rows = all_tested(task.folds)
    return len(rows if task.groups is None else np.unique(task.groups.numpy()[rows]))


def main() -> None:
    """Read the command line and print a table of each setting."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="+", metavar="RUN", help="trained runs, by their folders")
    parser.add_argument("--path", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    parser.add_argument("--trained-on", default="offline", metavar="DATA", help="their setting")
    parser.add_argument("--data", nargs="+", default=list(SETTINGS), help="whose tasks are asked")
    args = parser.parse_args()
    pairs = [(name.replace("-augself", ""), name) for name in args.names if "-augself" in name]
    try:
        runs = trained(args.runs, args.trained_on, args.names)
        nets, config = networks(runs), runs[0].config
        for name in args.data:
            setting = data.load(name, args.path, config.picture, config.view)
            scores = measure(nets, setting, Inputs(config.view), EvaluationSettings.small())
            print(markdown(table(setting, scores, [p for p in pairs if p[0] in nets])), flush=True)
    except TransferError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
