"""Tests trained runs on another setting's tasks, without training them again.

    python -m transfer.retest --path ~/offline --runs runs      # runs/offline → runs/offline-2

`offline-2` pretrains on the pictures of `offline` and has larger test sets. The numbers of the two
are kept in folders of their own, so that no interval is ever taken over both.
"""

from __future__ import annotations

import argparse
import functools
import shutil
from pathlib import Path

from transfer.config import Config
from transfer.data import settings
from transfer.data.offline_tasks import SETTINGS
from transfer.errors import TransferError
from transfer.evaluation.settings import EvaluationSettings
from transfer.one import finish
from transfer.runs import Run, read

OF_TASKS = ("linear", "few_shot", "localization", "retrieval")
"""Sections of the metrics that are measured anew; the others are of the pretraining's pictures."""


class RetestError(TransferError, ValueError):
    """Runs that cannot be tested on these tasks."""


def prepare(root: Path, source: str, target: str) -> list[Run]:
    """Make a run of the target setting of every trained run of the source setting.

    Args:
        root: folder of all runs.
        source: setting that the runs were trained in.
        target: setting to test on; both pretrain on the same pictures.

    Returns:
        Runs with the trained backbone, its versions, and all metrics but those of tasks; what a
        run of the target has already stays.

    Raises:
        RetestError: settings that pretrain on different pictures, or no trained run.
        RunError: the target has a run of that name and other settings.
    """
    if source == target or not {source, target} <= set(SETTINGS):
        raise RetestError(
            f"retest expected two of {', '.join(SETTINGS)}, found {source} and {target}. They "
            "pretrain on the same pictures; runs of others must be trained anew."
        )
    trained = sorted(path.parent for path in (root / source).glob("*/backbone.pt"))
    if not trained:
        raise RetestError(
            f"retest expected trained runs in {root / source}, found no backbone.pt. Give their "
            "folder (--runs)."
        )
    return [_prepared(root, folder, target) for folder in trained]


def _prepared(root: Path, folder: Path, target: str) -> Run:
    run = Run(root, Config.from_dict({**read(folder / "config.json"), "data": target}))
    known = {k: v for k, v in read(folder / "metrics.json").items() if k not in OF_TASKS}
    run.save({**known, **run.metrics})
    for name in ("versions.json", "backbone.pt"):
        if (folder / name).exists() and not (run.folder / name).exists():
            shutil.copyfile(folder / name, run.folder / name)
    return run


def main() -> None:
    """Read the command line and test what is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--path", type=Path, required=True, help="folder of the pictures")
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of all runs")
    parser.add_argument("--trained-on", default="offline", metavar="DATA", help="their setting")
    parser.add_argument("--data", default="offline-2", help="the setting whose tasks are asked")
    parser.add_argument("--quiet", action="store_true", help="no progress bars")
    args = parser.parse_args()
    try:
        load = functools.cache(functools.partial(settings.load, args.data, args.path))
        for run in prepare(args.runs, args.trained_on, args.data):
            its = functools.partial(load, run.config.picture, run.config.view)
            finish(run, its, EvaluationSettings.small(), quiet=args.quiet)
    except TransferError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
