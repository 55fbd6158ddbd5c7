"""CASSLE in Lightning: every projector, the momentum encoder's too, gets its own view's record."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conditioned_modules import METHODS
from lightning.pytorch.callbacks import Callback
from lightning_modules import batches, device, worker
from pictures import loader, seed, trainer
from torch import Tensor

from augself_loss import LossError, RecordError
from augself_loss.adapters.lightning import add_objective
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder


class Records(Callback):  # type: ignore[misc]
    """Keeps every step's records."""

    def __init__(self) -> None:
        self.steps: list[Any] = []

    def on_train_batch_start(self, trainer: Any, module: Any, *_: Any) -> None:  # noqa: ARG002
        step = module.augself_step
        taken = step.take

        def take(views: Any) -> Any:
            alone = taken(views)
            self.steps.append(list(step.records))
            return alone

        step.take = take

    def on_train_batch_end(self, trainer: Any, module: Any, *_: Any) -> None:  # noqa: ARG002
        del module.augself_step.take


def rows(record: Any) -> Tensor:
    return torch.cat(list(record.values()), dim=1)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("on_device", [True, False], ids=["device", "workers"])
def test_every_projector_sees_its_views_record(name: str, on_device: bool) -> None:
    seed(0)
    recorder = MultiViewRecorder(
        KorniaRecorder(device()) if on_device else TorchvisionRecorder(worker())
    )
    module = METHODS[name](recorder.encoders)
    add_objective(module, None, recorder, taps=module.taps, on_device=on_device)
    kept = Records()
    trainer(kept, max_epochs=1).fit(module, batches() if on_device else loader(recorder))
    assert not hasattr(module, "objective")
    online = module.projection_head.condition.seen
    per_step = 1 if "MoCo" in name else 2
    assert len(online) == per_step * len(kept.steps) > 2
    for number, records in enumerate(kept.steps):
        wanted = [rows(record) for record in records]
        first = 1 if name == "ShuffledMoCo" else 0
        seen = [rows(record) for record in online[per_step * number :][:per_step]]
        assert all(map(torch.equal, seen, wanted[first : first + per_step]))
    if name == "ShuffledMoCo":
        slow = module.projection_head_momentum.condition.seen
        for key, records in zip(slow, kept.steps, strict=True):
            wanted, found = rows(records[0]), rows(key)
            assert sorted(found.tolist()) == sorted(wanted.tolist())
            assert not torch.equal(found, wanted), "it saw them in the order of its own rows"
    elif hasattr(module, "projection_head_momentum"):
        slow = module.projection_head_momentum.condition.seen
        of_step = len(slow) // len(kept.steps)
        for number, records in enumerate(kept.steps):
            seen = [rows(record) for record in slow[of_step * number :][:of_step]]
            assert all(map(torch.equal, seen, [rows(r) for r in records[-of_step:]]))


def test_what_cannot_be_conditioned_is_refused() -> None:
    recorder = MultiViewRecorder(KorniaRecorder(device()))
    plain: Any = METHODS["SimSiam"].__bases__[0]()
    with pytest.raises(LossError, match="without an objective expected a ConditionedProjector"):
        add_objective(plain, None, recorder, taps="backbone")
    module = METHODS["SimSiam"](recorder.encoders)
    with pytest.raises(RecordError, match="no training step tracks the views here"):
        module.eval()(torch.rand(2, 3, 32, 32))
