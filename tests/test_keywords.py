"""Whose ``features`` and ``records`` a keyword is, where the wrapped loss takes such itself."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, LossError, WithAugSelf, with_augself

BATCH, DIM = 4, 6
RECORDS = [{"flip": torch.zeros(BATCH, 1)}, {"flip": torch.ones(BATCH, 1)}]
FEATURES = [torch.randn(BATCH, DIM, requires_grad=True) for _ in range(2)]
OWN = torch.randn(BATCH, 2, requires_grad=True)


class SupCon(nn.Module):
    """Takes features itself, as SupContrast's does."""

    def forward(self, features: Tensor, labels: Any = None, records: Any = None) -> Tensor:
        assert features is OWN
        self.got = labels, records
        return features.square().mean()


def wrap(loss: Any = None) -> WithAugSelf:
    torch.manual_seed(0)
    augself = AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=4)
    return with_augself(SupCon() if loss is None else loss, augself)


CALLS: dict[str, Any] = {
    "by position": lambda w: w(OWN, 1, 2, features=FEATURES, records=RECORDS),
    "by the term's names": lambda w: w(
        features=OWN, labels=1, records=2, augself_features=FEATURES, augself_records=RECORDS
    ),
    "mixed": lambda w: w(OWN, 1, 2, augself_features=FEATURES, records=RECORDS),
}


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_both_get_theirs(call: Any, compiled: bool) -> None:
    torch._dynamo.reset()
    loss = SupCon()
    wrapped = wrap(torch.compile(loss, backend="eager") if compiled else loss)
    total = call(wrapped)
    assert loss.got == (1, 2)
    term = wrap().augself(FEATURES, RECORDS).total
    torch.testing.assert_close(total, OWN.square().mean() + term)


UNCLEAR: dict[str, Any] = {
    "the loss's alone": lambda w: w(features=OWN, labels=1),
    "the term's alone": lambda w: w(labels=1, features=FEATURES, records=RECORDS),
    "records unclear": lambda w: w(OWN, features=FEATURES, records=RECORDS),
    "one of the term's": lambda w: w(OWN, 1, 2, augself_features=FEATURES),
}


@pytest.mark.parametrize("call", UNCLEAR.values(), ids=list(UNCLEAR))
def test_what_is_unclear_is_refused(call: Any) -> None:
    with pytest.raises(LossError, match=r"has its own argument .*expected 'augself_"):
        call(wrap())


def test_missing_ones_are_named() -> None:
    with pytest.raises(LossError, match=r"expected 'records'.*found the keywords \['features'\]"):
        wrap(nn.MSELoss())(OWN, OWN, features=FEATURES)
    with pytest.raises(LossError, match=r"expected 'features'.*features=\[f1, f2\]"):
        wrap(torch.square)(OWN)


def test_a_loss_of_any_keywords_is_not_asked() -> None:
    def loss(**kwargs: Any) -> Tensor:
        assert set(kwargs) == {"scale"}
        return torch.zeros(()) * kwargs["scale"]

    assert wrap(loss)(scale=2, features=FEATURES, records=RECORDS).ndim == 0


class Scaled(nn.Module):
    """A loss of its own arguments, around another one that is called ``module``."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, outputs: Tensor) -> Tensor:
        return 2 * self.module(outputs, 1, 2)


class HandsOn(Scaled):
    """A wrapper, that hands on whatever it is given."""

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:  # type: ignore[override]
        return self.module(*args, **kwargs)  # type: ignore[no-any-return]


def test_a_loss_that_holds_another_has_arguments_of_its_own() -> None:
    wrapped = wrap(Scaled(SupCon()))
    total = wrapped(OWN, features=FEATURES, records=RECORDS)
    term = wrap().augself(FEATURES, RECORDS).total
    torch.testing.assert_close(total, 2 * OWN.square().mean() + term)


@pytest.mark.parametrize("call", CALLS.values(), ids=list(CALLS))
def test_a_wrapper_has_those_of_what_it_wraps(call: Any) -> None:
    loss = SupCon()
    call(wrap(HandsOn(HandsOn(loss))))
    assert loss.got == (1, 2)


def test_a_loss_with_the_term_is_not_wrapped_again() -> None:
    inner = wrap(nn.MSELoss())
    for loss in (inner, torch.compile(inner, backend="eager")):
        with pytest.raises(LossError, match="found one that has it"):
            with_augself(loss, AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=4))
