"""Whether episodes are drawn fairly, are the same for all networks, and are scored rightly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from transfer.evaluation.few_shot import episodes, few_shot, possible_shots
from transfer.evaluation.settings import EvaluationSettings

pytestmark = pytest.mark.slow

SETTINGS = replace(EvaluationSettings.small(), episodes=40)


def made(noise: float, classes: int = 8, each: int = 30) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    labels = torch.arange(classes).repeat_interleave(each)
    centres = torch.randn(classes, 16, generator=random)
    return centres[labels] + noise * torch.randn(len(labels), 16, generator=random), labels


def test_separable_classes_are_told_apart() -> None:
    found = few_shot(*made(noise=0.01), settings=SETTINGS)
    assert list(found) == ["1", "5"]
    for result in found.values():
        assert (result["mean"], result["interval"], result["episodes"]) == (1.0, 0.0, 40)
        assert (result["queries"], result["classes"], result["unconverged"]) == (16, 8, 0)


def test_shuffled_labels_give_chance() -> None:
    features, labels = made(noise=0.01)
    shuffled = labels[torch.randperm(240, generator=torch.Generator().manual_seed(1))]
    for result in few_shot(features, shuffled, settings=SETTINGS).values():
        assert result["mean"] == pytest.approx(0.2, abs=0.04)


def test_more_pictures_help() -> None:
    found = few_shot(*made(noise=1.0), settings=SETTINGS)
    assert 0.2 < found["1"]["mean"] + found["1"]["interval"] < found["5"]["mean"] < 1.0


def test_interval_is_that_of_the_mean() -> None:
    """Of one half of the episodes and all of them: both from the same draws."""
    features, labels = made(noise=1.0)
    single = [
        few_shot(features, labels, settings=replace(SETTINGS, episodes=n))["1"]["mean"] * n
        for n in range(1, 7)
    ]
    accuracies = np.diff(single, prepend=0.0)
    found = few_shot(features, labels, settings=replace(SETTINGS, episodes=6))["1"]
    assert found["mean"] == pytest.approx(accuracies.mean())
    assert found["interval"] == pytest.approx(1.96 * accuracies.std() / np.sqrt(6))


def test_episodes_follow_from_labels_and_seed_alone() -> None:
    _, labels = made(noise=1.0)
    first, again = (list(episodes(labels, 5, SETTINGS)) for _ in range(2))
    other = list(episodes(labels, 5, replace(SETTINGS, seed=1)))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.support, two.support)
        assert np.array_equal(one.queries, two.queries)
    assert not np.array_equal(first[0].support, other[0].support)


@pytest.mark.parametrize("shots", [1, 5])
def test_an_episode_holds_what_it_says(shots: int) -> None:
    _, labels = made(noise=1.0)
    for episode in episodes(labels, shots, SETTINGS):
        assert not set(episode.support) & set(episode.queries)
        classes, counts = labels[episode.support].unique(return_counts=True)  # type: ignore[no-untyped-call]
        assert counts.tolist() == [shots] * 5
        asked, queries = labels[episode.queries].unique(return_counts=True)  # type: ignore[no-untyped-call]
        assert asked.tolist() == classes.tolist()
        assert queries.tolist() == [16] * 5


def test_size_of_features_does_not_matter_when_standardized() -> None:
    features, labels = made(noise=1.0)
    settings = replace(SETTINGS, tolerance=1e-5, episodes=15)
    found = few_shot(features, labels, settings=settings)
    moved = few_shot(features.double() * 1000 + 5, labels, settings=settings)
    for shots in ("1", "5"):
        assert moved[shots]["mean"] == pytest.approx(found[shots]["mean"], abs=1e-3)
    raw = replace(settings, standardize=False, shots=(5,))
    tiny = few_shot(features * 0.001, labels, settings=raw)
    assert tiny["5"]["mean"] != few_shot(features, labels, settings=raw)["5"]["mean"]


def test_four_pictures_a_class_leave_three_queries_and_no_five_shot() -> None:
    found = few_shot(*made(noise=0.01, each=4), settings=SETTINGS)
    assert list(found) == ["1"]
    assert found["1"]["queries"] == 3


def test_classes_that_are_too_small_are_not_drawn() -> None:
    features, labels = made(noise=0.01)
    labels[labels == 7] = torch.tensor([8] * 4 + [7] * 26)  # class 8 has four pictures
    found = few_shot(features, labels, settings=SETTINGS)
    assert (found["1"]["classes"], found["5"]["classes"]) == (9, 8)
    assert (found["1"]["queries"], found["5"]["queries"]) == (3, 16)
    drawn = {int(labels[row]) for e in episodes(labels, 5, SETTINGS) for row in e.support}
    assert drawn == set(range(8))


def test_too_few_classes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"5 classes.*found 3.*few_shot=False"):
        possible_shots(torch.arange(3).repeat(30), SETTINGS)


def test_collapsed_features_give_chance() -> None:
    _, labels = made(noise=1.0)
    assert few_shot(torch.ones(240, 16), labels, settings=SETTINGS)["5"]["mean"] == 0.2
