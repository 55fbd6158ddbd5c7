"""The term beside a step of a plain loop: what it computes, keeps, forgets and refuses."""

from __future__ import annotations

import inspect
import pickle
from typing import Any

import pytest
import torch
from kornia.augmentation import RandomHorizontalFlip
from torch import Tensor, nn

from augself_loss import AugSelfLoss, Patches
from augself_loss.errors import FeatureError, LossError, RecordError
from augself_loss.hosting.settings import KEYS, Settings
from augself_loss.hosting.term import Term, detached, loss_in, plus
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views

RECORDER = MultiViewRecorder(KorniaRecorder(RandomHorizontalFlip()))


class Host(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))

    def forward(self, views: list[Tensor]) -> Tensor:
        first, second = (self.backbone(view) for view in views)
        loss: Tensor = (first - second).square().mean()
        return loss


def parts(**options: Any) -> tuple[Host, AugSelfLoss, Term]:
    host, augself = Host(), AugSelfLoss(8, {"flip": 1.0}, encoders=RECORDER.encoders)
    given = {"taps": "backbone", "count": 2, **options}
    return host, augself, Term.beside(host, augself, RECORDER, **given)


def test_it_is_what_the_loss_gives_on_these_features() -> None:
    host, augself, term = parts()
    batch = RECORDER(torch.rand(4, 3, 4, 4))
    views = term.take(batch)
    with term.watch(host, views):
        host(views)
        assert term.waiting
        out = term.compute(augself)
        assert not term.waiting
    alone, records = split_views(batch, RECORDER.layout)
    expected = augself([host.backbone(view) for view in alone], records)
    assert torch.equal(out.total, expected.total)
    assert out.total.requires_grad


def test_a_step_is_forgotten_when_it_ends() -> None:
    host, _, term = parts()
    views = term.take(RECORDER(torch.rand(4, 3, 4, 4)))
    with pytest.raises(ZeroDivisionError), term.watch(host, views):
        raise ZeroDivisionError
    assert (term.waiting, term.records, len(term.current)) == (False, [], 0)
    with pytest.raises(FeatureError):
        term.taps.features([0, 1])
    assert pickle.loads(pickle.dumps(term)).layout == term.layout


def test_what_does_not_fit_is_refused() -> None:
    host, augself, _ = parts()
    host.augself = augself
    with pytest.raises(LossError, match=r"'augself'.*found its own: AugSelfLoss"):
        Term.beside(host, augself, RECORDER, "backbone", count=2)
    with pytest.raises(LossError, match="expected an AugSelfLoss, found MSELoss"):
        Term.beside(Host(), nn.MSELoss(), RECORDER, "backbone", count=2)  # type: ignore[arg-type]
    with pytest.raises(LossError, match="views expected"):
        parts(views=[0, 2])
    with pytest.raises(RecordError, match="crop"):
        Term.beside(Host(), AugSelfLoss(8, {"crop": 1.0}), RECORDER, "backbone", count=2)


def test_optimizers_are_looked_at_once() -> None:
    host, augself, term = parts()
    forgotten = torch.optim.SGD(host.parameters(), 0.1)
    with pytest.raises(LossError, match="never learn"):
        term.check_optimizers(augself, [forgotten])
    term.check_optimizers(augself, [torch.optim.SGD(augself.parameters(), 0.1)])
    term.check_optimizers(augself, [forgotten])


def test_forgotten_heads_join_whatever_a_host_configured() -> None:
    host, augself, term = parts()
    optimizer = torch.optim.SGD(host.parameters(), 0.1)
    term.join(host, augself, ([optimizer], [{"scheduler": None}]))
    augself.check_optimizer(optimizer)
    term.join(host, augself, None)  # nothing is trained
    with pytest.raises(LossError, match="never learn"):
        term.join(host, parts()[1], torch.optim.SGD([torch.zeros(1)], 0.1))


def test_a_loss_may_stand_in_a_dict() -> None:
    one = torch.ones(())
    assert plus(one, one) == 2
    assert plus({"loss": one, "x": 3}, one) == {"loss": torch.tensor(2.0), "x": 3}
    with pytest.raises(LossError, match=r"'loss', found \['x'\]"):
        loss_in({"x": 3})


def test_what_is_logged_has_no_gradient() -> None:
    host, augself, term = parts()
    views = term.take(RECORDER(torch.rand(4, 3, 4, 4)))
    with term.watch(host, views):
        base = host(views)
        out = term.compute(augself)
    logged = detached(out, base=base)
    assert list(logged) == ["total", "base", "flip"]
    assert list(detached(out, "augself/")) == ["augself/total", "augself/flip"]
    assert not any(value.requires_grad for value in logged.values())


def test_settings_are_the_losss_and_the_taps() -> None:
    settings = Settings.read({"weights": {"flip": 2.0}, "views": [0, 1]}, taps="trunk", pool="mean")
    loss = settings.loss(RECORDER.encoders, feature_dim=8)
    assert (settings.taps, settings.views) == ("trunk", [0, 1])
    assert (loss.weights, loss.pool) == ({"flip": 2.0}, "mean")
    assert KEYS.keys() == {"taps", "views", *inspect.signature(AugSelfLoss).parameters}
    written = Settings.read({"pool": {"prefix": 5}})
    assert written.options["pool"] == Patches(5)
    with pytest.raises(LossError, match=r"expected other settings, found \['weight'\].*'weights'"):
        Settings.read({"weight": {}})
