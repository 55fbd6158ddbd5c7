"""How much of a score is the batch norms': the same weights, with statistics of plain pictures.

    python -m transfer.norms --path ~/offline --runs runs simclr-s0 simclr-equimod-s0

A network trained on augmented views keeps their statistics, and is tested on plain pictures. One
that also saw plain pictures while it trained has seen the test's kind. So a run is tested twice: as
it is, and with the statistics of plain pretraining pictures, which teach its weights nothing.
"""

from __future__ import annotations

import argparse
import copy
import statistics
from collections.abc import Iterable, Mapping
from pathlib import Path

from _shared import images
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import DataLoader

from transfer.data import settings as data
from transfer.data.offline_tasks import SETTINGS
from transfer.errors import TransferError
from transfer.evaluation.features import Inputs, as_floats, frozen
from transfer.evaluation.settings import EvaluationSettings
from transfer.noise import UNTRAINED, Scores, measure, networks
from transfer.reporting.tables import Cell, Table, markdown
from transfer.runs import trained


def with_statistics(net: nn.Module, batches: Iterable[Tensor]) -> nn.Module:
    """Copy a network, with the mean statistics of these batches in its batch norms.

    Args:
        net: stays as it is.
        batches: float pictures ``(B, 3, S, S)``, of the same size each but for the last.

    Returns:
        The copy; all else in it is as it was.
    """
    made = copy.deepcopy(net)
    norms = [module for module in made.modules() if isinstance(module, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    with frozen(made):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the mean over all batches
            norm.train()
        for batch in batches:
            made(batch)
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    return made


def means(scores: Scores) -> dict[str, float]:
    """Average every network's scores over the tasks, without the boxes."""
    tasks = [found for name, found in scores.items() if ":" not in name]
    return {net: statistics.fmean(found[net].mean for found in tasks) for net in tasks[0]}


def table(found: Mapping[str, tuple[float, float]]) -> Table:
    """Make a row of each run: as it is, with the other statistics, and the difference."""
    rows = tuple(
        (
            Cell(name), Cell(f"{100 * own:.1f}"), Cell(f"{100 * other:.1f}"),
            Cell(f"{100 * (other - own):+.1f}".replace("-", "−")),
        )
        for name, (own, other) in found.items()
    )  # fmt: skip
    headers = ("run", "its own\nstatistics", "those of\nplain pictures", "difference")
    return Table("norms", "Linear accuracy, mean over the tasks, %", headers, rows)


def main() -> None:
    """Read the command line and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="+", metavar="RUN", help="trained runs, by their folders")
    parser.add_argument("--path", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    parser.add_argument("--data", choices=SETTINGS, default="offline", help="their setting")
    args = parser.parse_args()
    try:
        runs = trained(args.runs, args.data, args.names)
        config, nets = runs[0].config, networks(runs)
        del nets[UNTRAINED]
        setting = data.load(args.data, args.path, config.picture, config.view)
        plain = [
            as_floats(images.resized(batch, config.view), "cpu")
            for batch, _ in DataLoader(setting.pretrain, batch_size=config.batch)
        ]
        changed = {f"{name}, plain": with_statistics(net, plain) for name, net in nets.items()}
        tested = {**nets, **changed}
        scores = measure(tested, setting, Inputs(config.view), EvaluationSettings.small())
    except TransferError as error:
        raise SystemExit(str(error)) from error
    mean = means(scores)
    print(markdown(table({name: (mean[name], mean[f"{name}, plain"]) for name in nets})))


if __name__ == "__main__":
    main()
