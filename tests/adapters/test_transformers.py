"""A Trainer with the term: what is refused by name, its scale, its log, and evaluation."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")
pytest.importorskip("accelerate")

from pytorch_pipelines import worker
from torch import Tensor, nn
from torch.utils.data import default_collate
from torchvision.transforms import v2
from transformers import Trainer, TrainingArguments, set_seed
from transformers.trainer_utils import EvalLoopOutput
from transformers_host import QUIET, prepared
from transformers_models import FEATURES, SimSiam

from augself_loss import AugSelfLoss, EncoderError, LossError, RecordError
from augself_loss.adapters.transformers import add_augself
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = pytest.mark.host

RECORDER = MultiViewRecorder(TorchvisionRecorder(worker()))
WIDER = MultiViewRecorder(
    TorchvisionRecorder(v2.Compose([v2.RandomResizedCrop(16), v2.ColorJitter(0.9)]))
)


def loss(**options: Any) -> AugSelfLoss:
    given = {"hidden_dim": 16, "pool": "cls", "encoders": RECORDER.encoders, **options}
    return AugSelfLoss(FEATURES, **given)


def bare(folder: Path, model: nn.Module | None = None, **options: Any) -> Trainer:
    arguments = TrainingArguments(str(folder), **QUIET)
    return Trainer(model or SimSiam(), arguments, **options)


def add(trainer: Any, augself: Any = None, recorder: Any = RECORDER, **options: Any) -> Any:
    augself = loss() if augself is None else augself
    return add_augself(trainer, augself, recorder, **{"taps": SimSiam.taps, **options})


def train(folder: Path, **options: Any) -> Any:
    """Train with the term for an epoch."""
    set_seed(0)
    trainer, recorder = prepared(folder, save_strategy="no", **options)
    add(trainer, recorder=recorder)
    trainer.train()
    return trainer


def test_adding_it_draws_no_random_number(tmp_path: Path) -> None:
    trainer, augself, before = bare(tmp_path), loss(), torch.get_rng_state()
    add(trainer, augself)
    assert torch.equal(before, torch.get_rng_state())


def on_devices(folder: Path, count: int) -> Trainer:
    trainer = bare(folder)
    trainer.args._n_gpu = count
    return trainer


REFUSED: dict[str, tuple[Callable[[Path], Any], type[Exception], str]] = {
    "no trainer": (lambda _: add(SimSiam()), LossError, "transformers.Trainer, found SimSiam"),
    "no loss": (lambda p: add(bare(p), nn.MSELoss()), LossError, "AugSelfLoss, found MSELoss"),
    "no recorder": (
        lambda p: add(bare(p), recorder=RECORDER.recorders[0]), LossError,
        r"MultiViewRecorder\(recorder\)",
    ),
    "twice": (lambda p: add(add(bare(p))), LossError, "Trainer without a term, found one"),
    "twice on one model": (
        lambda p: add(bare(p, add(bare(p)).model)), LossError, r"del model\.augself",
    ),
    "no width": (
        lambda p: add(bare(p), AugSelfLoss(encoders=RECORDER.encoders)), LossError,
        r"The Trainer expected heads that have a shape .*AugSelfLoss\(512",
    ),
    "unknown tap": (lambda p: add(bare(p), taps="encoder"), LossError, "found 'encoder'"),
    "several devices": (lambda p: add(on_devices(p, 2)), LossError, "found 2: .*torchrun"),
    "models made anew": (
        lambda p: add(Trainer(args=TrainingArguments(str(p), **QUIET), model_init=SimSiam)),
        LossError, "found model_init.*Pass model=",
    ),
    "narrow ranges": (
        lambda p: add(bare(p), recorder=WIDER), EncoderError, "recorder.encoders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_training(case: str, tmp_path: Path) -> None:
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        attempt(tmp_path)


def test_a_second_trainer_may_train_the_model(tmp_path: Path) -> None:
    first = train(tmp_path)
    kept = first.model.augself
    del first.model.augself
    second, recorder = prepared(tmp_path, model=lambda: first.model, save_strategy="no")
    add(second, kept, recorder)
    before = [p.clone() for p in kept.parameters()]
    second.train()
    assert not any(map(torch.equal, before, kept.parameters()))
    rows = [row for row in second.state.log_history if "loss" in row]
    assert all(row["loss"] == pytest.approx(row["augself/base"] + row["augself/total"])
               for row in rows)  # fmt: skip


@pytest.mark.parametrize("name", ["deepspeed", "fsdp"])
def test_a_sharded_model_is_refused(name: str, tmp_path: Path) -> None:
    trainer = bare(tmp_path)
    setattr(trainer, f"is_{name}_enabled", True)
    with pytest.raises(LossError, match=f"whole in every process, found {name}"):
        add(trainer)


def test_a_batch_without_records_is_refused(tmp_path: Path) -> None:
    trainer, recorder = prepared(tmp_path, plain=True)
    add(trainer, recorder=recorder)
    with pytest.raises(RecordError, match="Wrap the data set's transform"):
        trainer.train()


def test_a_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    trainer, recorder = prepared(tmp_path)
    add(trainer, recorder=recorder, images="views")
    with pytest.raises(RecordError, match=r"at 'views' of the batch, found \['pixel_values'\]"):
        trainer.train()


def test_the_log_has_means_of_the_term_and_of_the_own_loss(tmp_path: Path) -> None:
    trainer = train(tmp_path, logging_steps=2)
    rows = [row for row in trainer.state.log_history if "loss" in row]
    assert len(rows) == 2
    for row, losses in zip(rows, (trainer.losses[:2], trainer.losses[2:]), strict=True):
        assert row["augself/base"] == pytest.approx(sum(losses) / 2)
        assert row["augself/total"] == pytest.approx(row["augself/crop"] + row["augself/color"])
        assert row["loss"] == pytest.approx(row["augself/base"] + row["augself/total"])
    silent, recorder = prepared(tmp_path, save_strategy="no")
    add(silent, recorder=recorder, log=None).train()
    assert not any("augself" in key for row in silent.state.log_history for key in row)


def test_what_one_run_did_not_log_is_not_in_the_next_ones_log(tmp_path: Path) -> None:
    trainer = train(tmp_path, logging_steps=3)
    assert len(trainer.losses) == 4, "one of them after the last row"
    trainer.losses.clear()
    trainer.train()
    (row,) = [row for row in trainer.state.log_history if "loss" in row]
    assert row["augself/base"] == pytest.approx(sum(trainer.losses[:3]) / 3)


def test_an_optimizer_of_the_users_own_gets_the_heads(tmp_path: Path) -> None:
    trainer = train(tmp_path, optimizer=lambda m: torch.optim.SGD(m.parameters(), lr=0.01))
    heads = {id(p) for p in trainer.model.augself.parameters()}
    held = {id(p) for group in trainer.optimizer.param_groups for p in group["params"]}
    assert heads <= held
    assert all(p.grad is None or p.grad.isfinite().all() for p in trainer.model.parameters())


class Scaled(SimSiam):
    """Takes ``num_items_in_batch``, as models of Transformers do, and divides by it itself."""

    def forward(self, pixel_values: list[Tensor], **kwargs: Any) -> dict[str, Tensor]:
        mean = super().forward(pixel_values)["loss"]
        items = kwargs.get("num_items_in_batch")
        return {"loss": mean if items is None else mean * len(pixel_values[0]) / items}


@pytest.mark.parametrize("kind", [SimSiam, Scaled])
def test_the_term_is_a_mean_over_accumulated_batches(kind: Any, tmp_path: Path) -> None:
    """Whoever divides the own loss by their number: the Trainer, or a model that was told of it."""
    options = {"max_steps": 1, "gradient_accumulation_steps": 2, "save_strategy": "no"}
    trainer, recorder = prepared(tmp_path, model=kind, **options)
    if kind is Scaled:
        trainer.train_dataset = Labelled(trainer.train_dataset)
    add(trainer, recorder=recorder).train()
    (row,) = [row for row in trainer.state.log_history if "loss" in row]
    assert len(trainer.losses) == 2
    base = sum(trainer.losses) if kind is Scaled else sum(trainer.losses) / 2
    assert row["loss"] == pytest.approx(base + row["augself/total"], rel=1e-5)


class Labelled(torch.utils.data.Dataset[Any]):
    """Rows with a label each, which the Trainer counts."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> Any:
        return {**self.rows[index], "labels": torch.tensor(index % 3)}


def test_evaluation_sees_no_records_and_has_no_term(tmp_path: Path) -> None:
    trainer = train(tmp_path)
    trainer.can_return_loss = True  # so that its loss is computed without labels
    found = trainer.evaluate(trainer.train_dataset)
    assert -1 <= found["eval_loss"] <= 1
    trainer.can_return_loss = False  # the model is called then, and nothing else
    assert "eval_loss" not in trainer.evaluate(trainer.train_dataset)


class Still(SimSiam):
    """Stays in eval mode, so that norms and dropout are as they were."""

    def train(self, mode: bool = True) -> Still:  # noqa: ARG002
        return super().train(False)


def test_a_model_that_stays_in_eval_mode_has_the_term(tmp_path: Path) -> None:
    set_seed(0)
    trainer, recorder = prepared(tmp_path, model=Still, save_strategy="no")
    add(trainer, recorder=recorder)
    before = [p.clone() for p in trainer.model.augself.parameters()]
    trainer.train()
    assert not any(map(torch.equal, before, trainer.model.augself.parameters()))
    assert "augself/total" in trainer.state.log_history[0]


class OwnLoop(Trainer):  # type: ignore[misc]
    """Evaluates by a loop of its own, with gradients."""

    def evaluation_loop(self, dataloader: Any, *_: Any, **__: Any) -> Any:
        losses = [self.compute_loss(self.model, inputs).item() for inputs in dataloader]
        return EvalLoopOutput(None, None, {"eval_loss": sum(losses) / len(losses)}, len(losses))


def test_an_evaluation_loop_of_the_users_own_has_no_term(tmp_path: Path) -> None:
    rows = prepared(tmp_path)[0].train_dataset
    arguments = TrainingArguments(str(tmp_path), **QUIET)
    trainer = add(OwnLoop(SimSiam(), arguments, data_collator=default_collate))
    assert -1 <= trainer.evaluate(rows)["eval_loss"] <= 1
    with torch.no_grad():
        inputs = default_collate([rows[0], rows[1]])
        assert -1 <= float(trainer.compute_loss(trainer.model, inputs)) <= 1


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")
def test_half_precision_and_a_compiled_model(tmp_path: Path) -> None:
    bf16 = train(tmp_path, bf16=True)
    compiled = train(tmp_path, torch_compile=True, torch_compile_backend="eager")
    for trainer in (bf16, compiled):
        rows = [row for row in trainer.state.log_history if "augself/total" in row]
        assert len(rows) == 4
        assert all(0 < row["augself/total"] < 20 for row in rows)


def test_the_trainer_keeps_its_name_and_the_heads_pickle(tmp_path: Path) -> None:
    trainer = add(bare(tmp_path))
    assert type(trainer).__name__ == "Trainer"
    assert pickle.loads(pickle.dumps(trainer.model.augself)).types == ("crop", "color")
