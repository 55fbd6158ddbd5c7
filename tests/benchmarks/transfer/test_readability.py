"""Whether what is read from features is what they hold, on the same views for every network."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset
from transfer.data.sets import Fold, Task
from transfer.evaluation.features import Inputs
from transfer.evaluation.readability import readability, view_pairs
from transfer.evaluation.settings import EvaluationSettings

from augself_loss.recording.kornia import KorniaRecorder

SETTINGS = replace(EvaluationSettings.small(), pairs=600)
COUNT = 200


class Pictures(Dataset[Tensor]):
    """Every picture is grey, of a brightness of its own, and darker to the left."""

    def __init__(self) -> None:
        shades = torch.linspace(60, 180, COUNT)[:, None, None, None]
        self.images = (shades + torch.linspace(-20, 20, 8)).expand(COUNT, 3, 8, 8).byte()

    def __len__(self) -> int:
        return COUNT

    def __getitem__(self, row: int) -> Tensor:
        return self.images[row]


class Looks(nn.Module):
    """A network that sees what it is told to."""

    def __init__(self, sees: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.sees = sees

    def forward(self, x: Tensor) -> Tensor:
        return self.sees(x)


def level(x: Tensor) -> Tensor:
    """The logarithm of a view's brightness, alone: a factor on it is a difference."""
    return x.mean((1, 2, 3)).log()[:, None]


def side(x: Tensor) -> Tensor:
    """Whether the left or the right is brighter."""
    return (x[..., 4:].mean((1, 2, 3)) - x[..., :4].mean((1, 2, 3)))[:, None].sign()


def nothing(x: Tensor) -> Tensor:
    return torch.randn(len(x), 3)


@pytest.fixture
def held_out() -> Task:
    rows = torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))
    fold = Fold(rows[:100], rows[100:140], rows[140:])
    return Task("held out", Pictures(), rows % 2, ("a", "b"), (fold,))


@pytest.fixture
def recorder() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomHorizontalFlip(), K.ColorJitter((0.8, 1.2), p=1.0))
    )


def test_reads_what_features_hold_and_no_more(held_out: Task, recorder: KorniaRecorder) -> None:
    flip, color = recorder.encoders
    assert (flip.name, color.name) == ("flip", "color")

    pairs = view_pairs(Looks(level), held_out, recorder, settings=SETTINGS)
    read = readability(pairs, color)
    assert read["metric"] == "R2"
    assert read["columns"]["brightness"] > 0.98
    assert readability(pairs, flip)["value"] < readability(pairs, flip)["baseline"] + 0.1

    pairs = view_pairs(Looks(side), held_out, recorder, settings=SETTINGS)
    read = readability(pairs, flip)
    assert (read["metric"], read["value"]) == ("accuracy", 1.0)
    assert read["baseline"] < 0.65
    assert readability(pairs, color)["value"] < 0.1

    pairs = view_pairs(Looks(nothing), held_out, recorder, settings=SETTINGS)
    assert readability(pairs, color)["value"] < 0.05
    assert readability(pairs, flip)["value"] < 0.65


def test_an_mlp_reads_the_same_pairs(held_out: Task, recorder: KorniaRecorder) -> None:
    flip, color = recorder.encoders
    pairs = view_pairs(Looks(level), held_out, recorder, settings=SETTINGS)
    linearly, by_mlp = (readability(pairs, color, probe) for probe in ("ridge", "mlp"))
    assert set(linearly) == set(by_mlp)
    assert linearly != by_mlp
    assert by_mlp["columns"]["brightness"] > 0.8
    assert readability(pairs, flip, "mlp")["metric"] == "accuracy"


def test_all_networks_see_the_same_views_and_the_callers_draws_go_on(
    held_out: Task, recorder: KorniaRecorder
) -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    # 600 pairs are several chunks; the first network draws random numbers of its own.
    first = view_pairs(Looks(nothing), held_out, recorder, settings=SETTINGS)
    assert torch.equal(torch.rand(3), expected)
    second = view_pairs(Looks(level), held_out, recorder, settings=SETTINGS, inputs=Inputs(batch=7))
    for name, values in first.record1.items():
        assert torch.equal(values, second.record1[name])
        assert torch.equal(first.record2[name], second.record2[name])
        assert not torch.equal(values, first.record2[name])
        assert not torch.equal(values[:250], values[250:500])  # nor do chunks repeat
    other = view_pairs(Looks(level), held_out, recorder, settings=replace(SETTINGS, seed=1))
    assert not torch.equal(other.record1["color"], second.record1["color"])


@pytest.mark.parametrize(("pairs", "repeats", "pictures"), [(600, 3, 200), (100, 1, 100)])
def test_no_picture_is_both_fitted_and_scored(
    held_out: Task, pairs: int, repeats: int, pictures: int
) -> None:
    recorder = KorniaRecorder(K.RandomHorizontalFlip())
    shade = Looks(lambda x: (x.mean((1, 2, 3)) * 1e4).round()[:, None])  # tells pictures apart
    made = view_pairs(shade, held_out, recorder, settings=replace(SETTINGS, pairs=pairs))
    count = len(made.features1)
    assert count == repeats * pictures
    train = count - round(count * made.test_fraction)  # as read_parameters splits
    fitted, scored = (set(part.flatten().tolist()) for part in made.features1.tensor_split([train]))
    assert not fitted & scored
    assert (len(fitted), len(scored)) == (round(pictures * 0.7), round(pictures * 0.3))
    assert torch.equal(made.features1, made.features2)


def test_views_are_normalized_and_every_mode_is_restored(held_out: Task) -> None:
    seen: list[Tensor] = []

    def remember(x: Tensor) -> Tensor:
        seen.append(x)
        return x.mean((2, 3))

    network = nn.Sequential(Looks(remember), nn.Dropout())
    network.train()
    view_pairs(
        network,
        held_out,
        KorniaRecorder(K.RandomHorizontalFlip()),
        settings=SETTINGS,
        inputs=Inputs(normalize=lambda x: x - 5),
    )
    assert network[1].training
    assert all(bool((x < -3).all()) for x in seen)
