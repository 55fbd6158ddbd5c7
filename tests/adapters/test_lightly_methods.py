"""Lightly's methods, as its documentation writes them, trained for real with AugSelf added."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightly_modules
import pytest
import torch
from lightly_modules import METHODS, Host
from pictures import fit, loader, same, seed, weights
from torch import Tensor

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import add_augself

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


class Gradients(lightly_modules.pl.Callback):  # type: ignore[misc, name-defined]
    """Keeps the gradients of the first step."""

    def __init__(self) -> None:
        self.first: dict[str, Tensor] = {}

    def on_after_backward(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        if not self.first:
            named = pl_module.named_parameters()
            self.first = {name: p.grad.clone() for name, p in named if p.grad is not None}


@EACH_METHOD
def test_the_term_trains_and_the_base_loss_stays_as_it_was(method: type[Host]) -> None:
    alone, before = Gradients(), plain(method)
    base = fit(before, loader(method.make_transform()), alone)
    module, recorder = with_term(method)
    both, logged = Gradients(), Logged()
    losses = fit(module, loader(recorder), both, logged)
    assert len(losses) == len(base) == 4
    assert logged.steps[0]["augself/base"] == base[0], "the first base loss, to the last bit"
    for step, total in zip(logged.steps, losses, strict=True):
        terms = TYPES["crop"] * step["augself/crop"] + TYPES["color"] * step["augself/color"]
        assert step["augself/total"] == pytest.approx(terms, rel=1e-5)
        assert total == pytest.approx(step["augself/base"] + step["augself/total"], rel=1e-5)
        assert 0 < step["augself/total"] < 10
    heads = [name for name in both.first if name.startswith("augself.heads.")]
    assert len(heads) == len(list(module.augself.parameters()))
    assert all(both.first[name].abs().sum() > 0 for name in heads)
    changed = {n for n in alone.first if not torch.equal(alone.first[n], both.first[n])}
    assert any(name.startswith("backbone.") for name in changed), "the term reaches the backbone"
    assert all(name.startswith("backbone.") for name in changed), "and nothing else of the host"


@EACH_METHOD
def test_with_all_weights_zero_the_whole_run_is_the_plain_one(method: type[Host]) -> None:
    before = plain(method)
    base = fit(before, loader(method.make_transform()), max_epochs=2)
    module, recorder = with_term(method, {"crop": 0.0, "color": 0.0})
    assert fit(module, loader(recorder), max_epochs=2) == base
    assert same(weights(before), weights(module))


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
