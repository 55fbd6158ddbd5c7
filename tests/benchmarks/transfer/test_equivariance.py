"""Whether views are found by their predicted features, on the same views for every network."""

from __future__ import annotations

import dataclasses
import json

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transfer.augmentations import Augmentation, pipeline
from transfer.data.sets import Fold, Task
from transfer.evaluation.equivariance import CHUNK, changed_views, equivariance
from transfer.evaluation.features import Inputs
from transfer.evaluation.settings import EvaluationSettings

from augself_loss.recording.kornia import KorniaRecorder

SETTINGS = dataclasses.replace(EvaluationSettings.small(), fitted=300, ranked=20, candidates=8)
COUNT = 400


class Pictures(Dataset[Tensor]):
    """Of one colour each."""

    def __init__(self) -> None:
        random = torch.Generator().manual_seed(0)
        colors = torch.randint(60, 160, (COUNT, 3, 1, 1), generator=random)
        self.images = colors.expand(COUNT, 3, 12, 12).byte()

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, row: int) -> Tensor:
        return self.images[row]


class Colour(nn.Module):
    """A network that sees colour alone, and draws random numbers of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        assert not self.training
        torch.rand(3)
        self.sizes.append(len(x))
        return torch.cat([x.mean((2, 3)), torch.ones(len(x), 1)], dim=1)


@pytest.fixture
def held_out() -> Task:
    rows = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    return Task(
        "held out", Pictures(), rows % 2, ("a", "b"), (Fold(rows[:250], rows[250:300], rows[300:]),)
    )


@pytest.fixture
def recorder() -> KorniaRecorder:
    return KorniaRecorder(pipeline(Augmentation(grayscale=0.0), 8), apply="fused")


def test_finds_what_features_follow_and_no_more(held_out: Task, recorder: KorniaRecorder) -> None:
    network = Colour().train()
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit, test = changed_views(network, held_out, recorder, settings=SETTINGS)
    assert torch.equal(torch.rand(3), expected)
    assert network.training
    assert list(fit) == list(test) == ["crop", "color"]  # numbers, not flips and greys
    assert max(network.sizes) == CHUNK

    color = equivariance(fit["color"], test["color"])
    assert color["mrr"] > 2 * color["chance"]["mrr"]
    assert (color["fitted"], color["ranked"]) == (300, 20)
    assert color["candidates"] < 8  # one jitter in five is left out
    crop = equivariance(fit["crop"], test["crop"])  # one colour, wherever it is cropped
    assert crop["mrr"] == pytest.approx(crop["chance"]["mrr"], abs=0.05)
    assert crop["chance"]["hit@1"] == pytest.approx(1 / 8, abs=0.01)
    assert json.loads(json.dumps(crop, allow_nan=False)) == crop


def test_all_networks_see_the_same_views(held_out: Task, recorder: KorniaRecorder) -> None:
    first = changed_views(Colour(), held_out, recorder, settings=SETTINGS)
    again = changed_views(
        Colour(), held_out, recorder, settings=SETTINGS, inputs=Inputs(normalize=lambda x: x - 1)
    )
    other = changed_views(
        Colour(), held_out, recorder, settings=dataclasses.replace(SETTINGS, seed=1)
    )
    for one, two, three in zip(first, again, other, strict=True):
        for name, changed in one.items():
            assert torch.equal(changed.parameters, two[name].parameters)
            assert not torch.equal(changed.views, two[name].views)
            assert not torch.equal(changed.parameters, three[name].parameters)
    # No picture is both fitted and ranked: they are of a colour each.
    fitted, ranked = (set(map(tuple, part["crop"].features.tolist())) for part in first)
    assert not fitted & ranked


def test_every_augmentation_of_the_experiment_is_replayed(held_out: Task) -> None:
    augmentation = Augmentation(blur=0.5, solarize=0.3, rotation=True)
    settings = dataclasses.replace(SETTINGS, fitted=40, ranked=6)
    recorder = KorniaRecorder(pipeline(augmentation, 8), apply="fused")
    fit, test = changed_views(Colour(), held_out, recorder, settings=settings)
    assert set(fit) == {"crop", "color", "blur", "solarize"}
    for name in fit:
        assert equivariance(fit[name], test[name])["candidates"] > 1.5
