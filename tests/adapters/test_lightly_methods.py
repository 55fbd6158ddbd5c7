"""Lightly's methods, as its documentation writes them, trained for real with AugSelf added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightly_modules
import pytest
import torch
from lightly.models.utils import update_momentum
from lightly_modules import METHODS, Host
from pictures import fit, loader, seed
from torch import Tensor

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import add_augself

pytestmark = pytest.mark.host

TYPES = {"crop": 1.0, "color": 0.5}
EACH_METHOD = pytest.mark.parametrize("method", METHODS, ids=lambda m: m.__name__)


def plain(method: type[Host]) -> Host:
    seed(0)
    return method()


def with_term(
    method: type[Host], types: Mapping[str, float] = TYPES, **options: Any
) -> tuple[Host, LightlyRecorder]:
    """Build the same module, and add the term as a user would."""
    module, recorder = plain(method), LightlyRecorder(method.make_transform())
    augself = AugSelfLoss(
        lightly_modules.FEATURES, types, hidden_dim=16, encoders=recorder.encoders
    )
    return add_augself(module, augself, recorder, taps=method.taps, **options), recorder


@EACH_METHOD
def test_what_is_logged_adds_up(method: type[Host]) -> None:
    module, recorder = with_term(method)
    logged = Logged()
    losses = fit(module, loader(recorder), logged)
    assert len(losses) == 4
    for step, total in zip(logged.steps, losses, strict=True):
        terms = TYPES["crop"] * step["augself/crop"] + TYPES["color"] * step["augself/color"]
        assert step["augself/total"] == pytest.approx(terms, rel=1e-5)
        assert total == pytest.approx(step["augself/base"] + step["augself/total"], rel=1e-5)


class Logged(lightly_modules.pl.Callback):  # type: ignore[misc, name-defined]
    """Keeps what each step logged."""

    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []

    def on_train_batch_end(self, trainer: Any, *_: Any) -> None:
        self.steps.append({k: float(v) for k, v in trainer.logged_metrics.items()})


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


@pytest.mark.parametrize(
    ("method", "online"),
    [
        (lightly_modules.MoCo, [True, False]),
        (lightly_modules.TiCo, [True, False]),
        (lightly_modules.BYOL, [True, True]),
        (lightly_modules.SwaV, [True, True]),
        (lightly_modules.DINO, [True, True]),
        (lightly_modules.FastSiam, [True, True, True]),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_which_features_are_paired(
    method: type[Host], online: list[bool], compared: list[Any]
) -> None:
    module, recorder = with_term(method)
    fit(module, loader(recorder), limit_train_batches=1)
    (features, records), = compared  # fmt: skip
    assert [view.requires_grad for view in features] == online
    assert len(records) == len(online)


@pytest.mark.parametrize("method", [lightly_modules.SwaV, lightly_modules.DINO])
def test_all_views_of_multi_crop_on_request(method: type[Host], compared: list[Any]) -> None:
    module, recorder = with_term(method, views="all")
    fit(module, loader(recorder), limit_train_batches=1)
    (features, records), = compared  # fmt: skip
    assert len(features) == len(records) == 5
    assert all(view.requires_grad for view in features)


def test_chosen_views(compared: list[Any]) -> None:
    module, recorder = with_term(lightly_modules.SwaV, views=[0, 3])
    fit(module, loader(recorder), limit_train_batches=1)
    (features, records), = compared  # fmt: skip
    assert len(features) == len(records) == 2
    assert (records[1]["crop"][:, 2:].prod(dim=1) < 0.2).all(), "a small crop's record"


def test_a_record_belongs_to_its_view(compared: list[Any]) -> None:
    """Tapped features and records agree sample by sample: recompute them from the views."""
    module, recorder = with_term(lightly_modules.DINO)
    seen: list[Tensor] = []
    module.backbone.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    fit(module, loader(recorder), limit_train_batches=1)
    (features, _), = compared  # fmt: skip
    # The optimizer stepped since; a fresh module of the same random state recomputes.
    fresh = plain(lightly_modules.DINO)
    for view, feature in zip(seen[:2], features, strict=True):
        assert torch.equal(fresh.features(view), feature.flatten(1))


class Keeps(lightly_modules.pl.Callback):  # type: ignore[misc, name-defined]
    """Keeps the views of every batch."""

    def __init__(self, views: list[Tensor]) -> None:
        self.views = views

    def on_train_batch_start(self, _: Any, __: Any, batch: Any, ___: int) -> None:
        self.views += batch[0][:2]


def test_keys_that_the_host_shuffles_keep_their_records(compared: list[Any]) -> None:
    module, recorder = with_term(lightly_modules.ShuffledMoCo)
    given: list[Tensor] = []
    fit(module, loader(recorder), Keeps(given), limit_train_batches=1)
    (features, records), = compared  # fmt: skip
    fresh = plain(lightly_modules.ShuffledMoCo)
    update_momentum(fresh.backbone, fresh.backbone_momentum, m=0.99)
    expected = fresh.backbone_momentum(given[0]).flatten(1), fresh.backbone(given[1]).flatten(1)
    for feature, wanted in zip(features, expected, strict=True):
        torch.testing.assert_close(feature.flatten(1), wanted)
    assert len(records) == 2
