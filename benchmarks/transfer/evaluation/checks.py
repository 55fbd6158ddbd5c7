"""What is refused before a network is run."""

from __future__ import annotations

import torch

from augself_loss.diagnostics.equivariance import FEWEST
from transfer.data.sets import Fold, Setting, Task
from transfer.evaluation.features import count
from transfer.evaluation.few_shot import possible_shots
from transfer.evaluation.localization import check_boxes
from transfer.evaluation.settings import EvaluationSettings


def check_setting(setting: Setting, settings: EvaluationSettings) -> None:
    """Refuse a setting with a task that cannot be evaluated.

    Raises:
        ValueError: names the task, what it holds and what to do.
    """
    for task in (setting.held_out, *setting.tasks.values()):
        try:
            _check_task(task)
            if task.few_shot:
                possible_shots(task.labels, settings)
            if task.boxes is not None:
                check_boxes(task.boxes)
        except ValueError as error:
            raise ValueError(f"Task '{task.name}' of '{setting.name}': {error}") from error
    fitted = sum(map(len, setting.held_out.folds[0][:2]))
    if fitted < FEWEST:
        raise ValueError(
            f"Task '{setting.held_out.name}' of '{setting.name}': expected at least {FEWEST} "
            f"pictures in train and val to read parameters from, found {fitted}."
        )


def _check_task(task: Task) -> None:
    rows, left_over = divmod(count(task.pictures), task.views)
    if left_over:
        raise ValueError(f"expected {task.views} pictures a row, found {left_over} left over.")
    if task.labels.shape != (rows,) or task.labels.dtype != torch.int64:
        raise ValueError(
            f"expected int64 labels ({rows},), one per picture, found {task.labels.dtype} "
            f"{tuple(task.labels.shape)}."
        )
    if task.boxes is not None and len(task.boxes) != rows:
        raise ValueError(f"expected {rows} boxes, one per picture, found {len(task.boxes)}.")
    if task.groups is not None and len(task.groups) != rows:
        raise ValueError(f"expected {rows} groups, one per picture, found {len(task.groups)}.")
    if not task.folds:
        raise ValueError("expected at least one fold, found none.")
    for number, fold in enumerate(task.folds):
        _check_fold(task, fold, number)


def _check_fold(task: Task, fold: Fold, number: int) -> None:
    used = torch.cat(list(fold))
    empty = [name for name, part in zip(fold._fields, fold, strict=True) if len(part) == 0]
    if empty:
        raise ValueError(f"fold {number} has no rows in {', '.join(empty)}.")
    if used.min() < 0 or used.max() >= len(task.labels):
        raise ValueError(
            f"fold {number} expected rows 0 to {len(task.labels) - 1}, found {int(used.min())} to "
            f"{int(used.max())}."
        )
    if len(torch.unique(used)) < len(used):
        raise ValueError(f"fold {number} has a row in two parts: what is tested would be known.")
    if len(torch.unique(task.labels[fold.train])) < 2:
        raise ValueError(f"fold {number} has a single class in train: nothing to tell apart.")
