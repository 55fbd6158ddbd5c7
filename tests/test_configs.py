"""Arguments as configuration libraries give them: any sequence is a list, any mapping a dict."""

from __future__ import annotations

from collections import UserDict, UserList
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from plain_parts import build, images, in_workers, network, step
from torchvision.transforms import v2

from augself_loss import AugSelfLoss
from augself_loss.objectives import ESSL
from augself_loss.recording.kornia.built import built
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder


def of(*items: Any) -> UserList[Any]:
    return UserList(items)


def test_a_loss() -> None:
    weights, dims = UserDict({"crop": 1, "flip": 0.5}), UserDict({"x": 8, "y": 4})
    reads = UserDict({"crop": of("x", "y"), "flip": "y"})
    loss = AugSelfLoss(dims, weights, depths=reads, pairs=of(of(0, 1)), hidden_dim=16)
    record = {"crop": torch.rand(6, 4), "flip": torch.ones(6, 1)}
    features = [{"x": torch.rand(6, 8), "y": torch.rand(6, 4)} for _ in range(2)]
    assert loss(features, [record, record]).terms.keys() == {"crop", "flip"}


def test_a_loop() -> None:
    three = MultiViewRecorder(in_workers(), views=3)
    batch = torch.utils.data.default_collate([three(image) for image in images()])
    model = network()
    augself = build(model, recorder=three, taps=of("0"), views=of(0, 2))
    views = augself.views(batch)
    for view in views:
        model(view)
    assert augself.term() > 0
    loss, term = step(build(model, taps=of("0")), model, images())
    assert loss + term < 10


def test_recorders_and_objectives() -> None:
    recorder = TorchvisionRecorder(v2.ColorJitter(0.4), types=of("flip"), ignore=of())
    assert {"flip", "color"} <= set(recorder.layout)
    assert ESSL(8, hidden_dims=of(16)).head[0].out_features == 16
    crop = built(UserDict({"name": "RandomResizedCrop", "size": of(8, 8)}), "name", "K")
    assert isinstance(crop, K.RandomResizedCrop)
    assert crop.flags["size"] == (8, 8)
