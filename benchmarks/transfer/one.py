"""One run from beginning to end: pretraining, then every test of its frozen features."""

from __future__ import annotations

import os
from collections.abc import Callable

import torch
from rich.progress import Progress

from augself_loss.recording.kornia import KorniaRecorder
from transfer.along import Along
from transfer.augmentations import pipeline
from transfer.data.sets import Setting
from transfer.evaluation.checks import check_setting
from transfer.evaluation.evaluate import evaluate
from transfer.evaluation.features import Inputs
from transfer.evaluation.settings import EvaluationSettings
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
) -> None:
    """Do what a run still lacks; a finished one takes no time.

    Args:
        run: the run.
        load: loads the pictures.
        evaluation: how its features are tested.
        workers: of the DataLoader, for pictures that lie on a disk.
        quiet: no progress bars.
    """
    if run.finished:
        return
    setting = load()
    check_setting(setting, evaluation)  # before any training time is spent
    config = run.config
    device = "cuda" if torch.cuda.is_available() else "cpu"
    recorder = KorniaRecorder(pipeline(config.augmentation, config.view))
    inputs = Inputs(config.view, device=device, workers=workers)
    along = Along(run, setting, recorder, settings=evaluation, inputs=inputs)
    pretrain(run, setting, workers=workers, quiet=quiet, callbacks=[along])
    if int(os.environ.get("RANK", "0")) > 0:
        return  # one process is enough for what follows
    net = backbone(config.network, config.width, config.feature_dim)
    net.load_state_dict(torch.load(run.backbone, weights_only=True))
    with Progress(disable=quiet) as progress:
        bar = progress.add_task(config.name, total=1.0)
        evaluate(
            net.to(device),
            setting,
            recorder,
            settings=evaluation,
            inputs=inputs,
            done=run.metrics,
            save=run.save,
            report=lambda job, part: progress.update(bar, completed=part, description=job),
        )
