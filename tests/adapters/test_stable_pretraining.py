"""The term in stable-pretraining's modules: pairing, optimizers, logs, and what is refused."""

from __future__ import annotations

import copy
import csv
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("stable_pretraining")

import stable_pretraining as spt
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger
from stable_pretraining.data import transforms
from stable_pretraining_modules import (
    BATCH,
    FEATURES,
    Backbone,
    batches,
    build,
    crops,
    manage,
    pipeline,
    trainer,
)
from stable_pretraining_term import CONSTANT, RECORDER, SGD, loaded, term, train, with_term
from torch import nn
from torch.utils.data import DataLoader

from augself_loss import AugSelfLoss, LossError, Output
from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder, add_augself

# Some forward functions are called by hand, where nothing is logged.
pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:You are trying to `self.log:UserWarning"),
]


class Spy(AugSelfLoss):
    """Keeps what it was given."""

    def forward(self, features1: Any, features2: Any, *args: Any, **options: Any) -> Output:
        self.given = [f.detach().clone() for f in features1], copy.deepcopy(list(features2))
        return super().forward(features1, features2, *args, **options)


def spied(recorder: StablePretrainingRecorder, module: Any, batch: Any, **options: Any) -> Spy:
    """Run one training forward by hand."""
    spy = Spy(FEATURES, hidden_dim=8, encoders=recorder.encoders)
    add_augself(module, spy, recorder, **options)
    module.train()(batch, stage="fit")
    return spy


def reversed_forward(self: Any, batch: dict[str, Any], stage: str) -> dict[str, Any]:  # noqa: ARG001
    """Look at the second view first."""
    second, first = (self.backbone(view["image"]) for view in reversed(batch["views"]))
    return {"loss": (self.projector(first) - self.projector(second)).square().mean()}


def stacked_forward(self: Any, batch: dict[str, Any], stage: str) -> dict[str, Any]:  # noqa: ARG001
    """Look at both views at once."""
    features = self.backbone(torch.cat([view["image"] for view in batch["views"]]))
    return {"loss": self.projector(features).square().mean()}


@pytest.mark.parametrize("forward", [reversed_forward, stacked_forward])
def test_a_feature_belongs_to_its_view(forward: Any) -> None:
    backbone = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, FEATURES))
    module = spt.Module(forward=forward, backbone=backbone, projector=nn.Linear(FEATURES, 4))
    batch = loaded(RECORDER)
    features, records = spied(RECORDER, module, batch).given
    for view, feature, record in zip(batch["views"], features, records, strict=True):
        assert feature.allclose(backbone(view["image"]), atol=1e-6)
        packed = torch.cat(list(record.values()), dim=1)
        assert packed.equal(view["augself"][:, :-1].view(torch.float32))


def test_global_views_are_paired_whatever_their_place_in_the_dict() -> None:
    named = {"local_1": pipeline(size=12), "global_1": pipeline(), "global_2": pipeline()}
    recorder = StablePretrainingRecorder(transforms.MultiViewTransform(named))
    module, batch = build("DINO"), loaded(recorder)
    student = copy.deepcopy(module.backbone.student).train()
    features, records = spied(recorder, module, batch).given
    globals_ = [batch["global_1"], batch["global_2"]]
    expected = student(torch.cat([view["image"] for view in globals_]))
    assert torch.cat(features).equal(expected), "student's features, of global views"
    for view, record in zip(globals_, records, strict=True):
        assert record["crop"].equal(view["augself"].view(torch.float32)[:, :4])


def test_listed_views_are_paired() -> None:
    recorder = StablePretrainingRecorder(crops())
    spy = spied(recorder, build("DINO"), loaded(recorder), views=[0, 2])
    assert [len(feature) for feature in spy.given[0]] == [BATCH, BATCH]


def test_logged_by_the_host_s_logger_with_a_probe_and_validation(tmp_path: Path) -> None:
    module = with_term()
    probe = spt.callbacks.OnlineProbe(
        module,
        name="probe",
        input="embedding",
        target="label",
        probe=nn.Linear(FEATURES, 3),
        loss=nn.CrossEntropyLoss(),
        metrics={},
    )
    plain = transforms.Compose(transforms.RGB(), transforms.Resize((16, 16)), transforms.ToImage())
    logger = CSVLogger(tmp_path, name="logs")
    host = trainer(probe, logger=logger, log_every_n_steps=1)
    validation = batches(plain)
    validation = DataLoader(validation.dataset, batch_size=BATCH)
    manage(host, module, batches(RECORDER), tmp_path, val=validation)
    logged: dict[str, list[float]] = {}
    for path in Path(tmp_path).rglob("metrics.csv"):
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                for key, value in row.items():
                    if value:
                        logged.setdefault(key, []).append(float(value))
    assert {"augself/total", "augself/crop", "augself/color", "train/probe_loss_step"} <= set(
        logged
    )
    assert logged["augself/base"] == logged["fit/loss_step"], "the method's loss, without the term"
    for total, crop, color in zip(
        logged["augself/total"], logged["augself/crop"], logged["augself/color"], strict=True
    ):
        assert total == pytest.approx(crop + color, rel=1e-5)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_half_precision_leaves_the_records_alone(precision: Any, tmp_path: Path) -> None:
    module = build("SimCLR")
    spy = Spy(FEATURES, hidden_dim=8, encoders=RECORDER.encoders)
    add_augself(module, spy, RECORDER)
    train(module, tmp_path, precision=precision, max_steps=1)
    assert all(entry.dtype == torch.float32 for entry in spy.given[1][0].values())
    boxes = spy.given[1][0]["crop"] * torch.tensor([20.0, 24.0, 20.0, 24.0])
    assert boxes.allclose(boxes.round(), atol=1e-4), "whole pixels, as drawn"


def test_gradient_accumulation(tmp_path: Path) -> None:
    module = with_term(optim={"optimizer": SGD, "frequency": 3, **CONSTANT})
    before = [p.clone() for p in module.augself.parameters()]
    train(module, tmp_path)
    assert not any(p.equal(b) for p, b in zip(module.augself.parameters(), before, strict=True))


def test_a_copy_trains_on_its_own() -> None:
    module = with_term()
    copied, batch = copy.deepcopy(module).train(), loaded(RECORDER)
    copied(batch, stage="fit")["loss"].backward()
    assert all(p.grad is not None for p in copied.augself.parameters())
    assert all(p.grad is None for p in module.parameters())


# torch.compile's own, where it looks at the features between two of the taps' breaks.
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf")
def test_a_compiled_module_computes_the_same() -> None:
    torch._dynamo.reset()
    module, batch = with_term().train(), loaded(RECORDER)
    expected = module(dict(batch), stage="fit")["loss"]
    module.compile(backend="eager")
    for _ in range(2):
        assert module(dict(batch), stage="fit")["loss"].allclose(expected)
    torch._dynamo.reset()


def forward_of_a_method(self: Any, batch: dict[str, Any], stage: str) -> dict[str, Any]:  # noqa: ARG001
    out = self.method(*(view["image"] for view in batch["views"]))
    return {"loss": out.loss}


def test_a_method_s_class_as_a_component(tmp_path: Path) -> None:
    method = spt.methods.SimCLR(Backbone(), projector_dims=(16, 8))
    module = spt.Module(forward=forward_of_a_method, method=method, optim={"optimizer": SGD})
    add_augself(module, term(), RECORDER, taps="method.backbone")
    before = [p.clone() for p in module.augself.parameters()]
    train(module, tmp_path)
    assert not any(p.equal(b) for p, b in zip(module.augself.parameters(), before, strict=True))


def test_evaluation_runs_the_host_s_forward_alone() -> None:
    module, batch = with_term().eval(), loaded(RECORDER)
    assert "loss" not in module(batch, stage="validate")
    assert "loss" not in module({"image": torch.rand(2, 3, 16, 16)}, stage="validate")


def test_it_is_the_stage_that_tells_training(tmp_path: Path) -> None:
    module = spt.Module(
        forward=stacked_forward, backbone=Backbone(), projector=nn.Linear(FEATURES, 4),
        optim={"optimizer": SGD},
    )  # fmt: skip
    add_augself(module, term(), RECORDER).eval()
    before = [p.clone() for p in module.augself.parameters()]
    train(module, tmp_path)
    assert not any(p.equal(b) for p, b in zip(module.augself.parameters(), before, strict=True))


def test_heads_without_a_shape_are_refused_where_one_is_wanted(tmp_path: Path) -> None:
    module = build("SimCLR")
    add_augself(module, AugSelfLoss(encoders=RECORDER.encoders), RECORDER)
    host = trainer(EMAWeightAveraging(decay=0.5))
    with pytest.raises(LossError, match="EMAWeightAveraging expected heads"):
        manage(host, module, batches(RECORDER), tmp_path)


def test_the_student_is_tapped_and_teachers_can_be() -> None:
    module = with_term("BYOL")
    assert module.augself_step.taps.names == ("backbone.student",)
    both = with_term("BYOL", taps=["backbone", "backbone.teacher"])
    assert both.augself_step.taps.names == ("backbone.student", "backbone.teacher")
