"""byol-pytorch's learner with the term: what it pairs, logs and refuses."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch

pytest.importorskip("byol_pytorch")

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
from byol_pytorch_host import FEATURES, SIZE, SMALL, network, pipeline
from torchvision.transforms import v2

from augself_loss import AugSelfLoss, EncoderError, LossError, RecordError
from augself_loss.adapters.byol_pytorch import BYOL
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = pytest.mark.host

WIDER = K.AugmentationSequential(K.RandomResizedCrop((SIZE, SIZE)), K.ColorJitter(0.9, 0, 0, 0))
RECORDER = MultiViewRecorder(KorniaRecorder(pipeline()))
IMAGES = torch.rand(6, 3, 20, 24, generator=torch.Generator().manual_seed(0))


def loss(**options: Any) -> AugSelfLoss:
    return AugSelfLoss(FEATURES, hidden_dim=16, encoders=RECORDER.encoders, **options)


def learner(**options: Any) -> Any:
    torch.manual_seed(0)
    chosen = {"augself": loss(), "recorder": RECORDER, "hidden_layer": -3, **SMALL, **options}
    return BYOL(network(), SIZE, **chosen)


def test_a_feature_belongs_to_its_view_and_record(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    forward = AugSelfLoss.forward

    def noting(self: AugSelfLoss, features: Any, records: Any) -> Any:
        given.append((features, records))
        return forward(self, features, records)

    monkeypatch.setattr(AugSelfLoss, "forward", noting)
    byol = learner()
    torch.manual_seed(1)
    byol(IMAGES)
    torch.manual_seed(1)
    ((features, records),) = given
    for number, (feature, record) in enumerate(zip(features, records, strict=True)):
        view, again = RECORDER.view(number, IMAGES)
        torch.testing.assert_close(feature.flatten(1), byol.net[:5](view))
        assert all(torch.equal(again[name], record[name]) for name in record)


def test_both_parts_are_kept_to_log() -> None:
    byol = learner()
    total = byol(IMAGES)
    assert total.item() == pytest.approx(float(byol.base + byol.augself_output.total))
    assert not byol.base.requires_grad
    assert not byol.augself_output.terms["crop"].requires_grad


@pytest.mark.parametrize("layer", ["3", 3, -3, -1])
def test_every_way_to_name_the_hidden_layer(layer: str | int) -> None:
    augself = AugSelfLoss(4, encoders=RECORDER.encoders) if layer == -1 else loss()
    assert learner(hidden_layer=layer, augself=augself)(IMAGES).isfinite()


def test_embeddings_and_a_learner_without_the_term_are_the_hosts() -> None:
    byol = learner()
    _, embedding = byol(IMAGES, return_embedding=True)
    torch.testing.assert_close(embedding, byol.net[:5](IMAGES))
    assert torch.equal(byol(IMAGES, True)[1], embedding)
    assert torch.equal(byol(IMAGES, return_embedding=True, return_projection=False), embedding)
    assert BYOL(network(), SIZE, augment_fn=pipeline(), **SMALL)(IMAGES).ndim == 0


def test_the_momentum_encoder_goes_on() -> None:
    byol = learner()
    before = copy.deepcopy(byol.target_encoder.state_dict())
    optimizer = torch.optim.SGD(byol.parameters(), lr=0.1)
    byol.augself.check_optimizer(optimizer)
    byol(IMAGES).backward()
    optimizer.step()
    byol.update_moving_average()
    after = byol.target_encoder.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    byol.reset_moving_average()
    assert byol(IMAGES).isfinite(), "a new copy of the online encoder is not tapped"


def test_it_pickles() -> None:
    byol = learner()
    torch.manual_seed(1)
    expected = byol(IMAGES)
    twin = pickle.loads(pickle.dumps(byol))
    torch.manual_seed(1)
    assert torch.equal(twin(IMAGES), expected)


def test_two_pipelines() -> None:
    views = [KorniaRecorder(pipeline(K.RandomSolarize(p=0.5))), KorniaRecorder(pipeline())]
    recorder = MultiViewRecorder(views)
    augself = AugSelfLoss(FEATURES, {"solarize": 1.0}, encoders=recorder.encoders)
    assert learner(augself=augself, recorder=recorder)(IMAGES).isfinite()


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"recorder": None}, LossError, "AugSelfLoss and NoneType"),
        ({"augself": None}, LossError, "NoneType and MultiViewRecorder"),
        ({"recorder": KorniaRecorder(pipeline())}, LossError, "and KorniaRecorder"),
        ({"augment_fn": pipeline()}, LossError, "'augment_fn' too"),
        ({"augment_fn2": pipeline()}, LossError, "'augment_fn2' too"),
        (
            {"recorder": MultiViewRecorder(KorniaRecorder(pipeline()), views=3)},
            LossError,
            "two views",
        ),
        (
            {"recorder": MultiViewRecorder(TorchvisionRecorder(v2.RandomHorizontalFlip()))},
            LossError,
            "TorchvisionRecorder",
        ),
        (
            {"recorder": MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip()))},
            RecordError,
            "'crop'",
        ),
        (
            {"recorder": MultiViewRecorder(KorniaRecorder(WIDER))},
            EncoderError,
            "encoders=recorder.encoders",
        ),
    ],
)
def test_refused(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        learner(**options)
