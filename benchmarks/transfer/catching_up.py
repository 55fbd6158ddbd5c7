"""Measures of finished runs what came later than they did, from the weights that they kept."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from transfer.config import Config
from transfer.data.sets import Setting
from transfer.evaluation.settings import EvaluationSettings
from transfer.one import measure
from transfer.runs import Run, lacking, read


def catch_up(
    root: Path,
    data: str,
    load: Callable[[int, int], Setting],
    evaluation: EvaluationSettings,
    *,
    sections: Collection[str],
    workers: int = 0,
    quiet: bool = False,
) -> dict[str, str]:
    """Measure the sections that runs lack; nothing is trained, and nothing measured is changed.

    Args:
        root: folder of all runs.
        data: the data setting: runs lie in ``root/<data>``.
        load: loads the pictures of a size, for views of a size.
        evaluation: how features are tested.
        sections: of the metrics.
        workers: of the DataLoader, for pictures that lie on a disk.
        quiet: no progress bars.

    Returns:
        Name of a run → what was done.

    Raises:
        RunError, SettingsError: a run that cannot be read.
    """
    done = {}
    for file in sorted((root / data).glob("*/config.json")):
        run = Run(root, Config.from_dict(read(file)))
        lacks = [name for name in lacking(run.metrics) if name in sections]
        if not lacks:
            done[run.config.name] = "complete"
        elif not run.backbone.exists():
            done[run.config.name] = f"no {run.backbone.name}, so no {', '.join(lacks)}"
        else:
            setting = load(run.config.picture, run.config.view)
            measure(run, setting, evaluation, workers=workers, quiet=quiet, only=lacks)
            done[run.config.name] = f"measured {', '.join(lacks)}"
    return done
