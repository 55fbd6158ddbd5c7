"""Holds the features and records that a step compared against the pixels that made them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from lightly_modules import FEATURES, Host, pl
from pictures import fit, loader, seed
from torch import Tensor

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import add_augself
from augself_loss.recording.multiview import split_views

Runs = list[tuple[Tensor, Tensor]]
"""Per run of a network: its images, and what its tap made of them."""


class Keeps(pl.Callback):  # type: ignore[misc]
    """Keeps the views of every batch, their records last."""

    def __init__(self) -> None:
        self.batches: list[list[Tensor]] = []

    def on_train_batch_start(self, _: Any, __: Any, batch: Any, ___: int) -> None:
        self.batches.append([view.clone() for view in batch[0]])


def noting(run: Callable[..., Tensor], runs: Runs) -> Callable[..., Tensor]:
    """Wrap what runs a network, so that it notes its images and what it returns."""

    def noted(images: Tensor, *args: Any, **options: Any) -> Tensor:
        output = run(images, *args, **options)
        runs.append((images.clone(), output.detach().clone()))
        return output

    return noted


def check_pairing(
    method: type[Host],
    networks: Sequence[str],
    online: Sequence[Sequence[bool]],
    patch: pytest.MonkeyPatch,
) -> None:
    """Train two steps, and find every compared feature in a run on its own view's pixels.

    Args:
        method: the module's class.
        networks: dotted names of what runs the tapped networks: modules, or methods.
        online: per step and compared view, whether its features have a gradient.
        patch: to look into the loss.
    """
    compared: list[tuple[list[Tensor], list[Any]]] = []
    forward, runs, kept = AugSelfLoss.forward, Runs(), Keeps()

    def looking(self: AugSelfLoss, features: Any, records: Any, **options: Any) -> Any:
        compared.append((features, records))
        return forward(self, features, records, **options)

    patch.setattr(AugSelfLoss, "forward", looking)
    seed(0)
    module, recorder = method(), LightlyRecorder(method.make_transform())
    augself = AugSelfLoss(
        FEATURES, {"crop": 1.0}, hidden_dim=16, encoders=recorder.encoders, pool=method.pool
    )
    add_augself(module, augself, recorder, taps=method.taps)
    for name in networks:
        holder, _, last = name.rpartition(".")
        owner: Any = (
            module.get_submodule(holder) if last == "encode" else module.get_submodule(name)
        )
        run = "encode" if last == "encode" else "forward"
        patch.setattr(owner, run, noting(getattr(owner, run), runs))
    fit(module, loader(recorder), kept, limit_train_batches=2)
    assert len(compared) == len(kept.batches) == 2
    gradients = [[feature.requires_grad for feature in features] for features, _ in compared]
    assert gradients == [list(step) for step in online]
    for (features, records), batch in zip(compared, kept.batches, strict=True):
        views, expected = split_views(batch, recorder.layout)
        for number, feature in enumerate(features):
            assert records[number]["crop"].equal(expected[number]["crop"])
            for image, row in zip(views[number], feature, strict=True):
                assert any(row.equal(made) for made in _made_of(image, runs))


def _made_of(image: Tensor, runs: Runs) -> list[Tensor]:
    found = []
    for images, outputs in runs:
        if images.shape[1:] == image.shape:
            same = (images == image).flatten(1).all(dim=1)
            found += list(outputs[same])
    return found
