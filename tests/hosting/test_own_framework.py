"""The page "your own framework": its adapter trains a tiny framework's task, in 60 lines."""

from __future__ import annotations

import pickle
import re
from pathlib import Path
from typing import Any

import pytest
import tiny_adapter
import tiny_trainer
import torch
from kornia.augmentation import ColorJitter, RandomHorizontalFlip
from torch import nn

from augself_loss import AugSelfLoss, LossError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

PAGE = Path(__file__).parents[2] / "docs" / "own_framework.md"
RECORDER = MultiViewRecorder(
    KorniaRecorder(nn.Sequential(RandomHorizontalFlip(), ColorJitter(0.4, 0.4, 0.4, 0.1)))
)


def batches() -> list[dict[str, Any]]:
    torch.manual_seed(1)
    return [{"views": RECORDER(torch.rand(8, 3, 8, 8)), "label": 0} for _ in range(3)]


def task(weight: float) -> Any:
    torch.manual_seed(0)
    augself = AugSelfLoss(16, {"flip": weight, "color": weight}, encoders=RECORDER.encoders)
    return tiny_adapter.add_augself(tiny_trainer.SimSiam(), augself, RECORDER, taps="backbone")


def plain() -> list[float]:
    bare = [{**batch, "views": batch["views"][:-1]} for batch in batches()]
    torch.manual_seed(0)
    return tiny_trainer.fit(tiny_trainer.SimSiam(), bare)


def test_the_page_shows_what_is_run_here() -> None:
    (shown,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    source = Path(str(tiny_adapter.__file__)).read_text(encoding="utf-8")
    assert shown == source
    assert len(source.splitlines()) <= 60


def test_the_term_is_added_and_its_heads_learn() -> None:
    trained = task(1.0)
    before = {name: p.clone() for name, p in trained.augself.named_parameters()}
    losses = tiny_trainer.fit(trained, batches())
    for loss, logged in zip(losses, trained.logged, strict=True):
        assert loss == pytest.approx(logged["base"] + logged["total"])
        assert logged["total"] == pytest.approx(logged["flip"] + logged["color"])
    assert all(not torch.equal(p, before[n]) for n, p in trained.augself.named_parameters())


def test_without_weights_it_is_the_plain_run() -> None:
    assert tiny_trainer.fit(task(0.0), batches()) == plain()


def test_evaluation_and_pickles_work() -> None:
    twin = pickle.loads(pickle.dumps(task(1.0)))
    assert twin.eval().compute_loss(batches()[0]).requires_grad
    assert not twin.logged
    assert tiny_trainer.fit(twin.train(), batches()) == tiny_trainer.fit(task(1.0), batches())


def test_no_task_is_refused() -> None:
    with pytest.raises(LossError, match="expected a Task, found Linear"):
        tiny_adapter.add_augself(
            nn.Linear(1, 1),  # type: ignore[arg-type]
            AugSelfLoss(8, {"flip": 1.0}),
            RECORDER,
            taps="",
        )
