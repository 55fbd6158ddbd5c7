"""A pipeline that is changed after its recorder was made: followed, or refused at the next call."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
IMAGE = torch.randint(9, 201, (3, 24, 26), generator=torch.Generator().manual_seed(0)).byte()


class Wrapper:
    """A user's own class that only runs a pipeline."""

    def __init__(self, transform: Any) -> None:
        self.transform = transform
        self.on = True

    def __call__(self, image: Any) -> Any:
        return self.transform(image) if self.on else image


def make(t: ModuleType) -> tuple[Any, dict[str, Any]]:
    """Build a pipeline, and name its parts."""
    parts: dict[str, Any] = {
        "flip": t.RandomHorizontalFlip(0.0),
        "jitter": t.ColorJitter(0.4, 0.4, 0.4, 0.1),
        "crop": t.RandomResizedCrop(16),
        "solarize": t.RandomSolarize(200, p=0.0),
        "resize": t.Resize((12, 12)),
        "sharpness": t.RandomAdjustSharpness(1.0, p=1.0),
    }
    parts["apply"] = t.RandomApply([parts["jitter"]], p=0.0)
    parts["modules"] = t.RandomApply(nn.ModuleList([parts["solarize"]]), p=1.0)
    parts["choice"] = t.RandomChoice([t.RandomInvert(1.0), t.RandomVerticalFlip(1.0)], p=[1.0, 0.0])
    parts["sequential"] = nn.Sequential(parts["resize"], parts["sharpness"])
    parts["wrapper"] = Wrapper(parts["choice"])
    steps = ["crop", "flip", "apply", "modules", "wrapper", "sequential"]
    parts["compose"] = t.Compose([parts[name] for name in steps])
    return parts["compose"], parts


def set_p(name: str, p: Any) -> Callable[[dict[str, Any]], None]:
    return lambda parts: setattr(parts[name], "p", p)


FOLLOWED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "flip's p": set_p("flip", 1.0),
    "RandomApply's p": set_p("apply", 1.0),
    "p inside of a RandomApply": set_p("solarize", 1.0),
    "RandomChoice's p": set_p("choice", [0.0, 1.0]),
    "RandomChoice's p in place": lambda parts: parts["choice"].p.reverse(),
    "a narrower range": lambda parts: (
        setattr(parts["jitter"], "brightness", (0.9, 1.1)), setattr(parts["apply"], "p", 1.0)
    ),
    "a range in place": lambda parts: (
        setattr(parts["crop"], "scale", (0.1, 0.2)), setattr(parts["crop"], "size", (10, 14))
    ),
    "another threshold": lambda parts: (
        setattr(parts["solarize"], "threshold", 100), setattr(parts["solarize"], "p", 1.0)
    ),
    "a fixed transform": lambda parts: setattr(parts["resize"], "size", (7, 9)),
    "the wrapper's own attribute": lambda parts: setattr(parts["wrapper"], "on", False),
}  # fmt: skip


@APIS
@pytest.mark.parametrize("name", FOLLOWED)
@pytest.mark.parametrize("copied", ["no", "pickled", "deep"])
def test_a_change_in_place_holds_from_the_next_call(
    api: ModuleType, name: str, copied: str
) -> None:
    plain, parts = make(api)
    recorder = TorchvisionRecorder(plain, wrappers={Wrapper: "transform"})
    recorder(IMAGE)
    both: Any = (recorder, plain, parts)
    if copied != "no":  # what is copied together stays together
        both = pickle.loads(pickle.dumps(both)) if copied == "pickled" else copy.deepcopy(both)
    recorder, plain, parts = both
    FOLLOWED[name](parts)
    for seed in range(3):
        torch.manual_seed(seed)
        view, record = recorder(IMAGE)
        torch.manual_seed(seed)
        assert torch.equal(view, plain(IMAGE))
        # A recorder of the pipeline as it is now says the same.
        torch.manual_seed(seed)
        _, fresh = TorchvisionRecorder(
            plain, wrappers={Wrapper: "transform"}, types=list(recorder.layout)[:1]
        )(IMAGE)
        assert all(torch.equal(record[entry], fresh[entry]) for entry in fresh)
    assert not any("Tap" in base.__name__ for p in parts.values() for base in type(p).__mro__)


def widen(name: str, attribute: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda parts: setattr(parts[name], attribute, value)


REFUSED: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "a wider range": (
        widen("jitter", "brightness", (0.2, 1.8)), r"'ColorJitter' expected .*'brightness'",
    ),
    "a range where none was": (
        widen("sharpness", "sharpness_factor", 2.0), "to leave views unchanged",
    ),
    "appended": (
        lambda parts: parts["compose"].transforms.append(v1.RandomInvert(1.0)),
        r"'Compose' expected the steps .* found .*'RandomInvert'\]",
    ),
    "removed": (lambda parts: parts["compose"].transforms.pop(1), "'Compose' expected the steps"),
    "moved": (lambda parts: parts["compose"].transforms.reverse(), "'Compose' expected the steps"),
    "exchanged by its like": (
        lambda parts: parts["apply"].transforms.__setitem__(0, copy.copy(parts["jitter"])),
        "'RandomApply' expected the steps .* some of them other objects",
    ),
    "exchanged in a ModuleList": (
        lambda parts: parts["modules"].transforms.append(parts["jitter"]), "'RandomApply' expected"
    ),
    "exchanged in a Sequential": (
        lambda parts: parts["sequential"].append(parts["jitter"]), "'Sequential' expected the steps"
    ),
    "another list": (
        lambda parts: setattr(parts["choice"], "transforms", [parts["jitter"]]), "'RandomChoice'"
    ),
    "another pipeline in a wrapper": (
        lambda parts: setattr(parts["wrapper"], "transform", parts["flip"]), "'Wrapper' expected"
    ),
}  # fmt: skip


@APIS
@pytest.mark.parametrize("name", REFUSED)
def test_what_no_old_record_can_tell_is_refused(api: ModuleType, name: str) -> None:
    plain, parts = make(api)
    recorder = TorchvisionRecorder(plain, wrappers={Wrapper: "transform"})
    several = MultiViewRecorder(recorder)
    several(IMAGE)
    change, found = REFUSED[name]
    change(parts)
    for run in (recorder, several, pickle.loads(pickle.dumps(recorder))):
        for _ in range(2):
            with pytest.raises(PipelineError, match=found) as refused:
                run(IMAGE)
            assert "Make a new recorder" in str(refused.value)


def test_a_range_back_within_its_limits_is_recorded_again() -> None:
    jitter = v2.ColorJitter(0.4)
    recorder = TorchvisionRecorder(jitter)
    jitter.brightness = (0.1, 1.9)
    with pytest.raises(PipelineError, match="ColorJitter"):
        recorder(IMAGE)
    jitter.brightness = (0.7, 1.2)
    assert 0.7 <= float(recorder(IMAGE)[1]["color"][0]) <= 1.2


def test_a_list_changed_in_place_is_seen() -> None:
    blur = v1.GaussianBlur(3, (0.1, 2.0))
    blur.sigma = [0.1, 2.0]
    recorder = TorchvisionRecorder(blur)
    recorder(IMAGE)
    blur.sigma[1] = 5.0
    with pytest.raises(PipelineError, match=r"'GaussianBlur' expected \('sigma',\) in"):
        recorder(IMAGE)


def test_still_callables_may_not_start_to_act() -> None:
    solarize = v2.RandomSolarize(9, p=0.0)
    recorder = TorchvisionRecorder(
        v2.Compose([solarize, v2.RandomHorizontalFlip()]), still=[solarize]
    )
    assert list(recorder(IMAGE)[1]) == ["flip"]
    solarize.p = 0.5
    with pytest.raises(
        PipelineError, match=r"to leave views unchanged, .*found that its settings changed"
    ):
        recorder(IMAGE)


@APIS
def test_the_pipeline_itself_notes_and_becomes_nothing(api: ModuleType) -> None:
    plain, parts = make(api)
    before = {name: (type(p), dict(vars(p))) for name, p in parts.items()}
    recorder = TorchvisionRecorder(plain, wrappers={Wrapper: "transform"})
    recorder(f1.to_pil_image(IMAGE))
    assert {name: (type(p), dict(vars(p))) for name, p in parts.items()} == before
