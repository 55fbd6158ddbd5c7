"""stable-pretraining's augmentation on the device, whose records its own views do not carry."""

from __future__ import annotations

from typing import Any

import pytest
import torch

pytest.importorskip("stable_pretraining")

import kornia.augmentation as K  # noqa: N812
from stable_pretraining.data import gpu_transforms as G  # noqa: N812
from stable_pretraining_modules import build, chain, manage, on_device, trainer
from torch import Tensor, nn

from augself_loss import AugSelfLoss
from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder, add_augself
from augself_loss.adapters.stable_pretraining.recorder import views_of
from augself_loss.errors import PipelineError
from augself_loss.parameters import Record
from augself_loss.recording.multiview import from_bits

pytestmark = pytest.mark.host

IMAGES = torch.rand(5, 3, 20, 24, generator=torch.Generator().manual_seed(0))
FLIP = G.GPURandomHorizontalFlip()


def batch() -> dict[str, Any]:
    return {"image": IMAGES.clone(), "label": torch.arange(5)}


def seeded(transform: Any, number: int = 0) -> dict[str, Any]:
    torch.manual_seed(number)
    made: dict[str, Any] = transform(batch())
    return made


def records(recorder: StablePretrainingRecorder, made: dict[str, Any]) -> list[Record]:
    return [from_bits(view["augself"], recorder.layout) for view in views_of(made)]


@pytest.mark.parametrize(
    "transform",
    [
        G.StackedMultiView(chain(), n_views=3),
        G.MultiView([chain(), chain()]),
        G.GPUCompose([G.ToDevice("cpu"), G.StackedMultiView(chain())]),
    ],
    ids=["stacked", "one chain each", "in a compose"],
)
def test_views_are_the_transform_s_own(transform: Any) -> None:
    plain, made = seeded(transform), seeded(StablePretrainingRecorder(transform))
    assert made.keys() == plain.keys()
    for view, alone in zip(made["views"], plain["views"], strict=True):
        assert view["image"].equal(alone["image"])
        assert view["label"].equal(alone["label"])
        assert view.keys() - alone.keys() == {"augself"}


def test_records_are_the_notes_that_stacked_views_drop() -> None:
    recorder = StablePretrainingRecorder(G.StackedMultiView(chain(), n_views=2))
    made = seeded(recorder)
    torch.manual_seed(0)
    noted = chain()({"image": IMAGES.repeat(2, 1, 1, 1)})
    record = {name: torch.cat(r) for name, r in _joined(records(recorder, made)).items()}
    jitter = noted["GPUColorJitter"]
    applied = jitter["batch_prob"] > 0.5
    assert 0 < applied.sum() < 10
    for column, key in enumerate(("brightness", "contrast", "saturation", "hue")):
        identity = 0.0 if key == "hue" else 1.0
        expected = torch.where(applied, jitter[f"{key}_factor"], identity)
        assert record["color"][:, column].allclose(expected)
    flips = noted["GPURandomHorizontalFlip"]["batch_prob"]
    assert record["flip"][:, 0].equal(flips)
    left_top = noted["GPURandomResizedCrop"]["src"][:, 0] / torch.tensor([24.0, 20.0])
    assert record["crop"][:, :2].flip(1).allclose(left_top)


def _joined(records: list[Record]) -> dict[str, list[Tensor]]:
    return {name: [record[name] for record in records] for name in records[0]}


def test_flips_are_told_view_by_view_also_where_repeated() -> None:
    flips = G.GPUCompose([G.GPURandomHorizontalFlip() for _ in range(3)])
    recorder = StablePretrainingRecorder(G.StackedMultiView(flips, n_views=2))
    for seed in range(3):
        made = seeded(recorder, seed)
        for view, record in zip(made["views"], records(recorder, made), strict=True):
            flipped = record["flip"][:, 0, None, None, None] == 1
            assert view["image"].equal(torch.where(flipped, IMAGES.flip(-1), IMAGES))


def test_views_of_two_chains_have_one_layout() -> None:
    plain, grey = G.GPUNormalize([0.0], [1.0]), G.GPURandomGrayscale(p=1.0)
    recorder = StablePretrainingRecorder(G.MultiView([FLIP, G.GPUCompose([FLIP, grey]), plain]))
    assert list(recorder.layout) == ["flip", "grayscale"]
    first, second, third = records(recorder, seeded(recorder))
    assert not first["grayscale"].any()
    assert second["grayscale"].all()
    assert third["flip"].shape == (5, 1)
    assert not third["flip"].any()


def test_the_rest_of_the_host_s_augmentations() -> None:
    steps = [
        G.GPURandomErasing(),
        G.GPUGaussianBlur(kernel_size=3, sigma=(0.5, 2.0)),
        G.GPURandomSolarize(p=0.5),
        G._KorniaWrap(K.RandomVerticalFlip()),
    ]
    for step in steps:
        recorder = StablePretrainingRecorder(G.StackedMultiView(step))
        views = [view["image"] for view in seeded(recorder)["views"]]
        for view, record in zip(views, records(recorder, seeded(recorder)), strict=True):
            name, field = next(iter(recorder.layout.items()))
            untouched = (record[name] == torch.tensor(field.identity)).all(dim=1)
            same = (view == IMAGES).flatten(1).all(dim=1)
            assert untouched.equal(same)


class Haze(nn.Module):
    def forward(self, batch: dict[str, Any]) -> dict[str, Any]:
        return batch


@pytest.mark.parametrize(("step", "name"), [(Haze(), "Haze"), (G.GPURandAugment(), "RandAugment")])
def test_an_unknown_step_is_refused_by_name(step: nn.Module, name: str) -> None:
    with pytest.raises(PipelineError, match=name):
        StablePretrainingRecorder(G.StackedMultiView(G.GPUCompose([FLIP, step])))
    ignored = StablePretrainingRecorder(
        G.StackedMultiView(G.GPUCompose([FLIP, Haze()])), ignore=[Haze]
    )
    assert list(ignored.layout) == ["flip"]


def test_random_steps_before_the_views_are_refused() -> None:
    with pytest.raises(PipelineError, match="GPURandomHorizontalFlip"):
        StablePretrainingRecorder(G.GPUCompose([FLIP, G.StackedMultiView(chain())]))


def test_the_datamodule_s_transform(tmp_path: Any) -> None:
    recorder = StablePretrainingRecorder(G.StackedMultiView(chain()))
    module = build("SimCLR")
    augself = AugSelfLoss(16, hidden_dim=8, encoders=recorder.encoders)
    add_augself(module, augself, recorder)
    before = [p.clone() for p in augself.parameters()]
    data = on_device(None)
    manage(trainer(), module, data, tmp_path, gpu_transform={"train": recorder})
    assert not any(p.equal(b) for p, b in zip(augself.parameters(), before, strict=True))
