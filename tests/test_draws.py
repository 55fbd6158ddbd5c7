"""Networks are built without touching the draws of whatever device the host draws on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from augself_loss import AugSelfLoss
from augself_loss.draws import undisturbed
from augself_loss.hosting.marks import _factors, marks


def test_the_cpus_draws_stay() -> None:
    before = torch.get_rng_state()
    with undisturbed():
        torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("device", "forked"),
    [("cpu", ([], {})), ("meta", ([], {})), ("cuda:1", (["cuda:1"], {"device_type": "cuda"}))],
)
def test_the_default_devices_generator_is_put_back(
    monkeypatch: pytest.MonkeyPatch, device: str, forked: Any
) -> None:
    seen: list[Any] = []

    @contextmanager
    def fork(devices: list[Any], **options: Any) -> Iterator[None]:
        seen.append(([str(one) for one in devices], options))
        yield

    monkeypatch.setattr(torch.random, "fork_rng", fork)
    monkeypatch.setattr(torch, "get_default_device", lambda: torch.device(device))
    with undisturbed():
        pass
    assert seen == [forked]


def test_another_default_device_draws_nothing_of_ours() -> None:
    augself, images = AugSelfLoss(None, {"flip": 1.0}), torch.rand(2, 3, 4, 4)
    features, record = torch.rand(4, 8), {"flip": torch.zeros(4, 1)}
    expected = marks(images)
    _factors.cache_clear()
    with torch.device("meta"):
        assert marks(images).equal(expected)
        assert bool(augself(features, features, record, record).total.isfinite())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_cuda_devices_draws_stay() -> None:
    before = torch.cuda.get_rng_state()
    with torch.device("cuda"), undisturbed():
        torch.rand(3)
    assert torch.equal(torch.cuda.get_rng_state(), before)
