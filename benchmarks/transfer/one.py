"""One run from beginning to end: pretraining, then every test of its frozen features."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection

import torch
from rich.progress import Progress

from augself_loss.recording.kornia import KorniaRecorder
from transfer.along import Along
from transfer.augmentations import pipeline
from transfer.data.sets import Setting
from transfer.deadline import NEVER, Deadline
from transfer.evaluation.checks import check_setting
from transfer.evaluation.evaluate import evaluate
from transfer.evaluation.features import Inputs
from transfer.evaluation.settings import EvaluationSettings
from transfer.gradients import GradientRatios
from transfer.networks import backbone
from transfer.pretraining import pretrain
from transfer.runs import Run


def finish(
    run: Run,
    load: Callable[[], Setting],
    evaluation: EvaluationSettings,
    *,
    workers: int = 0,
    quiet: bool = False,
    deadline: Deadline = NEVER,
) -> None:
    """Do what a run still lacks; a finished one takes no time.

    Args:
        run: the run.
        load: loads the pictures.
        evaluation: how its features are tested.
        workers: of the DataLoader, for pictures that lie on a disk.
        quiet: no progress bars.
        deadline: when to have stopped, with what is finished kept.

    Raises:
        TimeUpError: time is up.
    """
    if run.finished:
        return
    setting = load()
    check_setting(setting, evaluation)  # before any training time is spent
    along = Along(run, setting, _recorder(run), settings=evaluation, inputs=_inputs(run, workers))
    watching = [along, GradientRatios(run, evaluation.weighed)]
    pretrain(run, setting, workers=workers, quiet=quiet, callbacks=watching, deadline=deadline)
    if int(os.environ.get("RANK", "0")) > 0:
        return  # one process is enough for what follows
    measure(run, setting, evaluation, workers=workers, quiet=quiet, deadline=deadline)


def measure(
    run: Run,
    setting: Setting,
    evaluation: EvaluationSettings,
    *,
    workers: int = 0,
    quiet: bool = False,
    only: Collection[str] | None = None,
    deadline: Deadline = NEVER,
) -> None:
    """Test the features of a run's trained backbone; what its metrics hold is left as it is.

    Args:
        run: the run.
        setting: the pictures.
        evaluation: how its features are tested.
        workers: of the DataLoader, for pictures that lie on a disk.
        quiet: no progress bars.
        only: sections to measure; all by default.
        deadline: when to stop.
    """
    config, inputs = run.config, _inputs(run, workers)
    net = backbone(config.network, config.width, config.feature_dim)
    net.load_state_dict(torch.load(run.backbone, weights_only=True))
    with Progress(disable=quiet) as progress:
        bar = progress.add_task(config.name, total=1.0)

        def report(job: str, part: float) -> None:
            progress.update(bar, completed=part, description=job)
            if part < 1:
                deadline.check()

        evaluate(
            net.to(inputs.device),
            setting,
            _recorder(run),
            settings=evaluation,
            inputs=inputs,
            replays=KorniaRecorder(pipeline(config.augmentation, config.view), apply="fused"),
            only=only,
            done=run.metrics,
            save=run.save,
            report=report,
        )


def _recorder(run: Run) -> KorniaRecorder:
    return KorniaRecorder(pipeline(run.config.augmentation, run.config.view))


def _inputs(run: Run, workers: int) -> Inputs:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Inputs(run.config.view, device=device, workers=workers)
