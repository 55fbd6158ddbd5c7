"""Adding the term to solo-learn's methods: pairs, optimizers, refusals, and what stays as it is."""

from __future__ import annotations

import copy
import pickle
from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("solo")

import solo_learn_modules as solo
import torch
from solo.methods import LinearModel
from solo.utils.checkpointer import Checkpointer
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision.models import resnet18
from torchvision.transforms import functional

from augself_loss import (
    AugSelfLoss,
    ColorEncoder,
    EncoderError,
    FeatureError,
    LossError,
    RecordError,
)
from augself_loss.adapters.solo_learn import KeepRandomState, SoloRecorder, add_augself

pytestmark = [pytest.mark.host, pytest.mark.filterwarnings("ignore:.*pin_memory")]

RECORDER = SoloRecorder(solo.transform())
WEIGHTS = {"crop": 1.0, "color": 0.5}


def loss(**options: Any) -> AugSelfLoss:
    given = {"weights": WEIGHTS, "hidden_dim": 16, "encoders": RECORDER.encoders, **options}
    return AugSelfLoss(given.pop("feature_dim", 512), **given)


def add(name: str = "simclr", recorder: Any = RECORDER, **options: Any) -> Any:
    solo.seed(0)
    given = options.pop("model", None) or solo.method(name, **options.pop("method", {}))
    return add_augself(given, options.pop("augself", None) or loss(), recorder, **options)


def labelled() -> DataLoader[Any]:
    """Load batches (images, targets) as for validation and linear evaluation."""
    images = [functional.to_tensor(solo.picture(i).resize((16, 16))) for i in range(16)]
    return DataLoader([(x, i % 3) for i, x in enumerate(images)], batch_size=8)  # type: ignore[arg-type]


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Tensor], list[Any]]]:
    """Collect what every call of the loss compares."""
    calls: list[tuple[list[Tensor], list[Any]]] = []
    forward = AugSelfLoss.forward

    def noting(self: AugSelfLoss, features: Any, records: Any, **options: Any) -> Any:
        calls.append((features, records))
        return forward(self, features, records, **options)

    monkeypatch.setattr(AugSelfLoss, "forward", noting)
    return calls


@pytest.mark.parametrize("name", ["simclr", "byol", "mocov2plus", "dino", "swav"])
def test_a_feature_belongs_to_its_view(name: str, compared: list[Any]) -> None:
    model = add(name)
    encoder = copy.deepcopy(model.encoder).train()
    batch = next(iter(solo.loader(RECORDER)))
    solo.fit(model, DataLoader([batch], batch_size=None))
    ((features, records),) = compared
    assert all(view.requires_grad for view in features), "online features"
    _, (*views, packed), _ = batch
    for view, feature in zip(views, features, strict=True):
        assert torch.allclose(encoder(view), feature, atol=1e-5)
    column = packed.view(torch.float32)
    for i, record in enumerate(records):
        assert torch.equal(record["crop"], column[:, i, :4])


CROPS = solo.transform((2, 2), {}, {"crop_size": solo.SMALL, "max_scale": 0.3})


@pytest.mark.parametrize(("views", "pairs"), [("global", 2), ("all", 4), ([0, 3], 2)])
def test_multi_crop(views: Any, pairs: int, compared: list[Any]) -> None:
    recorder = SoloRecorder(CROPS)
    augself = loss(encoders=recorder.encoders)
    model = add(
        recorder=recorder, augself=augself, views=views, method={"num_small_crops": 2}
    )  # fmt: skip
    solo.fit(model, solo.loader(recorder), limit_train_batches=1)
    ((features, records),) = compared
    assert len(features) == len(records) == pairs


def test_the_term_is_added_and_logged() -> None:
    kept = solo.Losses()
    solo.fit(add(), solo.loader(RECORDER), kept)
    for total, logged in zip(kept.total, kept.logged, strict=True):
        terms = logged["augself/crop"] + 0.5 * logged["augself/color"]
        assert logged["augself/total"] == pytest.approx(terms, rel=1e-5)
        assert total == pytest.approx(logged["augself/base"] + logged["augself/total"], rel=1e-5)
        solos = logged["train_nce_loss"] + logged["train_class_loss"]
        assert logged["augself/base"] == pytest.approx(solos, rel=1e-5)


@pytest.mark.parametrize("lars", [False, True])
def test_the_heads_are_a_group_of_learnable_params(lars: bool) -> None:
    model = add(method={"lars": lars})
    before = {name: p.detach().clone() for name, p in model.augself.named_parameters()}
    names = [group.get("name") for group in model.learnable_params]
    assert names == ["encoder", "classifier", None, "augself"]
    trainer = solo.fit(model, solo.loader(RECORDER))
    groups = trainer.optimizers[0].param_groups
    heads, encoder = groups[-1], groups[0]
    assert {id(p) for p in heads["params"]} == {id(p) for p in model.augself.parameters()}
    assert [heads[k] for k in ("lr", "weight_decay")] == [
        encoder[k] for k in ("lr", "weight_decay")
    ]
    model.augself.check_optimizer(trainer.optimizers[0])
    assert not any(torch.equal(p, before[name]) for name, p in model.augself.named_parameters())


def test_simsiams_predictor_keeps_its_learning_rate() -> None:
    model = add("simsiam")
    trainer = solo.fit(model, solo.loader(RECORDER), max_epochs=2)
    predictor = {id(p) for p in model.predictor.parameters()}
    for group in trainer.optimizers[0].param_groups:
        fixed = {id(p) for p in group["params"]} == predictor
        assert (group["lr"] == solo.BASE["lr"]) == fixed


def test_validation_goes_on_as_before() -> None:
    trainer = solo.fit(add(), solo.loader(RECORDER), validation=labelled())
    assert {"val_loss", "val_acc1"} <= trainer.callback_metrics.keys()


def test_a_checkpoint_serves_linear_evaluation_as_it_always_did(tmp_path: Path) -> None:
    saver = Checkpointer(Namespace(name="run"), tmp_path)
    model = add()
    solo.fit(model, solo.loader(RECORDER), saver)
    state = torch.load(saver.last_ckpt, weights_only=True)["state_dict"]
    # What solo-learn's main_linear.py does with it.
    for name in list(state):
        if "encoder" in name:
            state[name.replace("encoder.", "")] = state[name]
        del state[name]
    backbone = resnet18()
    backbone.fc = nn.Identity()
    missing, unexpected = backbone.load_state_dict(state, strict=False)
    assert not missing
    assert not unexpected
    options = {"num_classes": 5, "scheduler": "none"}
    linear = LinearModel(backbone, **{**solo.BASE, **options})
    solo.fit(linear, labelled())
    assert type(linear) is LinearModel


def test_a_random_state_behind_the_checkpointer_is_refused(tmp_path: Path) -> None:
    saver = Checkpointer(Namespace(name="run"), tmp_path)
    with pytest.raises(LossError, match="before the Checkpointer"):
        solo.fit(add(), solo.loader(RECORDER), saver, KeepRandomState())


def test_adding_it_draws_no_random_number() -> None:
    solo.seed(0)
    model, before = solo.method("simclr"), torch.get_rng_state()
    add_augself(model, loss(), RECORDER)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_it_copies_and_pickles_as_the_hosts_class(copied: Callable[[Any], Any]) -> None:
    model = add("byol")
    twin = copied(model)
    assert type(twin) is type(model)
    assert isinstance(twin, solo.METHODS["byol"])
    assert twin.learnable_params[-1]["name"] == "augself"
    losses = [solo.Losses(), solo.Losses()]
    for module, kept in zip((model, twin), losses, strict=True):
        solo.fit(module, solo.loader(RECORDER), kept)
    assert losses[0].total == losses[1].total


def linear() -> Any:
    return LinearModel(resnet18(), **{**solo.BASE, "scheduler": "none"})


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "linear evaluation": (lambda: add(model=linear()), LossError, "found LinearModel.*pretrained"),
    "no model": (lambda: add(model=nn.Linear(1, 1)), LossError, "BaseMethod.*found Linear"),
    "twice": (lambda: add(model=add()), LossError, "without a term, found one"),
    "no loss": (lambda: add(augself=nn.MSELoss()), LossError, "AugSelfLoss, found MSELoss"),
    "no recorder": (lambda: add(recorder=RECORDER.recorders[0]), LossError, "MultiViewRecorder"),
    "unknown tap": (lambda: add(taps="trunk"), LossError, "found 'trunk'.*'encoder'"),
    "views": (lambda: add(views=[0, 2]), LossError, r"0\.\.1, found \[0, 2\]"),
    "type not recorded": (
        lambda: add(augself=loss(weights={"equalize": 1.0})), RecordError, "'equalize'",
    ),
    "narrow ranges": (
        lambda: add(augself=loss(encoders=[ColorEncoder(0.1, 0.1, 0.1, 0.05)])),
        EncoderError, "recorder.encoders",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_training(case: str) -> None:
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        attempt()


def test_batches_without_records_are_refused() -> None:
    with pytest.raises(RecordError, match="Wrap the data set's transform"):
        solo.fit(add(), solo.loader(solo.transform()))
    other = SoloRecorder(solo.transform(), types=["equalize"])
    with pytest.raises(RecordError, match="another recorder"):
        solo.fit(add(), solo.loader(other))


def test_features_of_the_wrong_width_are_refused() -> None:
    with pytest.raises(FeatureError, match=r"width 7 .* found 512"):
        solo.fit(add(augself=loss(feature_dim=7)), solo.loader(RECORDER))
