"""Whether an evaluation measures everything, once, and can be interrupted."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from _shared.models import SmallResNet
from torch import Tensor, nn
from torch.utils.data import Dataset
from transfer.data.sets import Fold, Setting, Task
from transfer.evaluation.evaluate import evaluate
from transfer.evaluation.settings import EvaluationSettings

from augself_loss.recording.kornia import KorniaRecorder

pytestmark = pytest.mark.slow

SETTINGS = replace(
    EvaluationSettings.small(), values=3, episodes=4, pairs=60, fitted=40, ranked=5, candidates=4
)
SECTIONS = [
    "linear", "few_shot", "localization", "readability", "readability_mlp", "equivariance",
    "in_domain", "retrieval",
]  # fmt: skip
COUNT, CLASSES = 120, 6


class Pictures(Dataset[Tensor]):
    """Pictures whose class is their colour; counts how often they are read."""

    def __init__(self, labels: Tensor) -> None:
        random = torch.Generator().manual_seed(0)
        colors = torch.randint(40, 216, (CLASSES, 3, 1, 1), generator=random)
        noise = torch.randint(-30, 30, (len(labels), 3, 16, 16), generator=random)
        self.pictures = (colors[labels] + noise).byte()
        self.read = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, row: int) -> Tensor:
        self.read += 1
        return self.pictures[row]


def task(name: str, **other: Any) -> Task:
    labels = torch.arange(COUNT) % CLASSES
    rows = torch.arange(COUNT)
    folds = (Fold(rows[:60], rows[60:84], rows[84:]),)
    classes = tuple("abcdef")
    return Task(name, Pictures(labels), labels, classes, folds, lives_on="color", **other)


@pytest.fixture
def setting() -> Setting:
    boxes = torch.rand(COUNT, 4, generator=torch.Generator().manual_seed(1)) * 0.5 + 0.2
    tasks = {
        "colors": task("colors", few_shot=True, metric="mean_per_class"),
        "boxes": task("boxes", boxes=boxes),
    }
    held_out = task("held out")
    return Setting("made", held_out.pictures, CLASSES, held_out, tasks)  # type: ignore[arg-type]


@pytest.fixture
def backbone() -> SmallResNet:
    torch.manual_seed(0)
    return SmallResNet(4)


@pytest.fixture
def recorder() -> KorniaRecorder:
    return KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((16, 16)), K.ColorJitter(0.4, 0.4, 0.4, 0.1))
    )


def test_measures_every_section_and_leaves_the_network_as_it_was(
    setting: Setting, backbone: SmallResNet, recorder: KorniaRecorder
) -> None:
    before = copy.deepcopy(backbone.state_dict())
    reports: list[tuple[str, float]] = []
    metrics = evaluate(
        backbone, setting, recorder, settings=SETTINGS, report=lambda *r: reports.append(r)
    )
    assert list(metrics) == SECTIONS
    assert list(metrics["linear"]) == ["colors", "boxes"]
    assert list(metrics["few_shot"]) == ["colors"]
    assert list(metrics["localization"]) == ["boxes"]
    assert list(metrics["readability"]) == ["crop", "color"]
    assert list(metrics["readability_mlp"]) == list(metrics["equivariance"]) == ["crop", "color"]
    assert list(metrics["in_domain"]) == ["linear", "knn"]
    assert list(metrics["retrieval"]) == ["colors", "boxes"]
    colors = metrics["linear"]["colors"]
    assert (colors["lives_on"], colors["metric"]) == ("color", "mean_per_class")
    assert colors["n_test"] == 36
    assert colors["test"] > 0.5  # of six: an untrained network lets colour through
    assert json.loads(json.dumps(metrics, allow_nan=False)) == metrics

    assert backbone.training
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert reports[0] == ("linear: colors", 0.0)
    assert reports[-1] == ("evaluated", 1.0)
    parts = [part for _, part in reports]
    assert parts == sorted(parts)


def test_pictures_are_read_once_for_all_sections(
    setting: Setting, backbone: SmallResNet, recorder: KorniaRecorder
) -> None:
    evaluate(backbone, setting, recorder, settings=SETTINGS)
    for one in setting.tasks.values():
        assert isinstance(one.pictures, Pictures)
        assert one.pictures.read == COUNT


def test_an_interrupted_evaluation_goes_on(
    setting: Setting, backbone: SmallResNet, recorder: KorniaRecorder
) -> None:
    whole = evaluate(backbone, setting, recorder, settings=SETTINGS)
    saved: dict[str, Any] = {}

    def stop(name: str, _: float) -> None:
        if name == "readability: color":
            raise KeyboardInterrupt

    def save(metrics: dict[str, Any]) -> None:
        saved.update(json.loads(json.dumps(metrics)))

    with pytest.raises(KeyboardInterrupt):
        evaluate(backbone, setting, recorder, settings=SETTINGS, save=save, report=stop)
    assert list(saved) == SECTIONS[:3]

    done = {"pretraining": {"steps": 3}, **saved, "linear": "known"}
    names: list[str] = []
    again = evaluate(
        backbone,
        setting,
        recorder,
        settings=SETTINGS,
        done=done,
        save=save,
        report=lambda name, _: names.append(name),
    )
    assert again == {**whole, "pretraining": {"steps": 3}, "linear": "known"}
    assert list(saved) == [*SECTIONS[:3], "pretraining", *SECTIONS[3:]]
    assert not [name for name in names if name.startswith(("linear", "few_shot", "localization"))]


def test_a_finished_evaluation_runs_no_network(setting: Setting, recorder: KorniaRecorder) -> None:
    done = {section: {"known": 1} for section in SECTIONS}
    assert evaluate(Unusable(), setting, recorder, settings=SETTINGS, done=done) == done


class Unusable(nn.Module):
    """A network that must not be run."""

    def forward(self, x: Tensor) -> Tensor:
        raise AssertionError(f"The network was run on {len(x)} pictures.")


ROWS = torch.arange(COUNT)


def test_a_held_out_set_that_is_too_small_is_refused(
    setting: Setting, recorder: KorniaRecorder
) -> None:
    few = replace(setting.held_out, folds=(Fold(ROWS[:10], ROWS[10:19], ROWS[19:]),))
    with pytest.raises(ValueError, match=r"'held out' of 'made': .* at least 20 .* found 19"):
        evaluate(Unusable(), replace(setting, held_out=few), recorder, settings=SETTINGS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"labels": ROWS[:5]}, "labels .120.*found torch.int64 .5"),
        ({"labels": ROWS.float()}, "int64 labels"),
        ({"folds": ()}, "at least one fold"),
        ({"folds": (Fold(ROWS[:60], ROWS[50:80], ROWS[80:]),)}, "row in two parts"),
        ({"folds": (Fold(ROWS[:60], ROWS[:0], ROWS[80:]),)}, "no rows in val"),
        (
            {"folds": (Fold(ROWS[:60], ROWS[60:80], ROWS[80:] + 1),)},
            "found 0 to 120",
        ),
        ({"folds": (Fold(ROWS[:1], ROWS[60:80], ROWS[80:]),)}, "single class in train"),
        ({"boxes": torch.rand(7, 4)}, "120 boxes"),
        ({"boxes": torch.zeros(COUNT, 4)}, "width or height 0"),
        ({"few_shot": True, "labels": ROWS % 3}, "found 3"),
    ],
)
def test_refuses_before_the_network_is_run(
    setting: Setting, recorder: KorniaRecorder, wrong: dict[str, Any], message: str
) -> None:
    tasks = {
        **setting.tasks,
        "colors": replace(setting.tasks["colors"], **{"few_shot": False, **wrong}),
    }
    with pytest.raises(ValueError, match=f"Task 'colors' of 'made'.*{message}"):
        evaluate(Unusable(), replace(setting, tasks=tasks), recorder, settings=SETTINGS)


def test_pairs_are_told_apart_by_both_pictures_and_computed_once(
    setting: Setting, recorder: KorniaRecorder
) -> None:
    random = torch.Generator().manual_seed(2)
    pictures = Pictures(torch.randint(CLASSES, (2 * COUNT,), generator=random))
    rows = torch.arange(COUNT)
    folds = (Fold(rows[:60], rows[60:84], rows[84:]),)
    brightness = pictures.pictures.float().mean((1, 2, 3)).view(COUNT, 2)
    answers = {
        "brighter": (brightness[:, 1] > brightness[:, 0]).long(),
        "same": (brightness.int().sum(1) % 2).long(),
    }
    pairs = {
        name: Task(name, pictures, labels, ("no", "yes"), folds, views=2, groups=rows // 2)
        for name, labels in answers.items()
    }
    net = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
    found = evaluate(
        net,
        replace(setting, tasks=pairs),
        recorder,
        settings=SETTINGS,
        only=("linear", "retrieval"),
    )
    assert found["linear"]["brighter"]["test"] > 0.8
    assert found["linear"]["brighter"]["n_test"] == 36
    assert found["retrieval"] == {}
    assert pictures.read == 2 * COUNT


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"views": 7}, r"7 pictures a row, found 1 left over"),
        ({"groups": torch.zeros(5)}, r"120 groups, one per picture, found 5"),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    changes: dict[str, Any], message: str, setting: Setting, recorder: KorniaRecorder
) -> None:
    wrong = replace(setting, tasks={"colors": replace(setting.tasks["colors"], **changes)})
    with pytest.raises(ValueError, match=message):
        evaluate(nn.Flatten(), wrong, recorder, settings=SETTINGS)
