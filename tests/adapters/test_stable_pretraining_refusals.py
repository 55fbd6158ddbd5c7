"""What is not set up rightly in stable-pretraining is refused before training time is spent."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("stable_pretraining")

import stable_pretraining as spt
from stable_pretraining.data import transforms
from stable_pretraining_modules import Backbone, batches, build, two_views
from stable_pretraining_term import RECORDER, recorded, term, train, with_term
from torch import Tensor, nn

from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder, add_augself
from augself_loss.errors import EncoderError, FeatureError, LossError, RecordError

pytestmark = pytest.mark.host

REFUSED: Mapping[str, tuple[Any, type[Exception], str]] = {
    "an unknown tap": (lambda: with_term(taps="encoder"), LossError, "encoder"),
    "views that are not there": (lambda: with_term(views=[0, 2]), LossError, "views"),
    "the term twice": (
        lambda: add_augself(with_term(), term(), RECORDER),
        LossError,
        "without a term, found one",
    ),
    "no module of the host": (
        lambda: add_augself(Backbone(), term(), RECORDER),
        LossError,
        "Backbone.*adapters.lightning",
    ),
    "no term": (
        lambda: add_augself(build("SimCLR"), nn.Identity(), RECORDER),  # type: ignore[arg-type]
        LossError,
        "AugSelfLoss",
    ),
    "the transform instead of a recorder": (
        lambda: add_augself(build("SimCLR"), term(), two_views()),
        LossError,
        "StablePretrainingRecorder",
    ),
    "a type that is not recorded": (
        lambda: add_augself(build("SimCLR"), term(weights={"blur": 1.0}), RECORDER),
        RecordError,
        "blur",
    ),
    "ranges that are too narrow": (
        lambda: add_augself(
            build("SimCLR"),
            term(narrow()),
            RECORDER,
        ),
        EncoderError,
        "encoders=recorder.encoders",
    ),
}


def narrow() -> StablePretrainingRecorder:
    jitter = transforms.ColorJitter(0.1, 0.1, 0.1, 0.05)
    return recorded(
        transforms.Compose(transforms.RandomResizedCrop(16), jitter, transforms.ToImage())
    )


@pytest.mark.parametrize("name", REFUSED)
def test_bad_setup_is_refused(name: str) -> None:
    build_it, error, match = REFUSED[name]
    with pytest.raises(error, match=match):
        build_it()


def test_a_transform_that_was_forgotten_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="StablePretrainingRecorder"):
        train(with_term(), tmp_path, batches(two_views()))


def test_records_of_another_recorder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="another recorder"):
        train(with_term(), tmp_path, batches(narrow()))


def test_a_tap_that_no_view_passes_is_refused(tmp_path: Path) -> None:
    module = build("SimCLR")
    module.unused = Backbone()
    add_augself(module, term(), RECORDER, taps="unused")
    with pytest.raises(FeatureError, match="unused"):
        train(module, tmp_path)


def no_loss(self: Any, batch: dict[str, Any], stage: str) -> dict[str, Tensor]:  # noqa: ARG001
    return {"embedding": self.backbone(batch["views"][0]["image"])}


def test_a_forward_without_a_loss_is_refused(tmp_path: Path) -> None:
    module = spt.Module(forward=no_loss, backbone=Backbone())
    add_augself(module, term(), RECORDER)
    with pytest.raises(LossError, match="'loss'"):
        train(module, tmp_path)
