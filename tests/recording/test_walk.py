"""A host's table of readings: one encoder or several, what never acts, and whose subclasses."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
import torch
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional

from augself_loss.encoders import BlurEncoder, ColorEncoder, FlipEncoder, VerticalFlipEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.wiring import Wiring
from augself_loss.recording.walk import Reading

IMAGE = torch.randint(9, 201, (3, 12, 16), generator=torch.Generator().manual_seed(0)).byte()


class Turned:
    """Turns half of the images upside down, of which two types tell."""

    def __init__(self, prob: float = 0.5) -> None:
        self.prob = prob

    def __call__(self, image: Any) -> Any:
        return image.rot90(2, (-2, -1)) if float(torch.rand(())) < self.prob else image


class TurnedOtherwise(Turned):
    """May do anything."""

    def __call__(self, image: Any) -> Any:
        return super().__call__(super().__call__(image))


class TurnedOften(Turned):
    """Has another default."""

    def __init__(self) -> None:
        super().__init__(1.0)


class Blurred:
    """Flips and blurs."""


class Brightened:
    """Makes images brighter, and says so by two entries of one type."""

    def __init__(self, factor: float = 1.5) -> None:
        self.factor = factor

    def __call__(self, image: Any) -> Any:
        return functional.adjust_brightness(image, self.factor)


def turned(transform: Any, image: Any) -> tuple[Any, Any]:
    view = transform(image)
    return view, {} if view is image else {"flip": (1.0,), "vertical_flip": (1.0,)}


def brightened(transform: Any, image: Any) -> tuple[Any, Any]:
    factors = (transform.factor, None, None, None)
    return transform(image), {"color": factors, "color_order": (3.0, 2.0, 1.0, 0.0)}


class Listing(Wiring):
    """Knows the transforms above."""

    readings = {
        Turned: Reading(lambda _: [FlipEncoder(), VerticalFlipEncoder()], turned),
        Blurred: Reading(lambda _: [FlipEncoder(), BlurEncoder()], turned),
        Brightened: Reading(
            lambda t: ColorEncoder((1.0, max(1.0, t.factor)), None, None, None), brightened
        ),
    }


class Recorder(TorchvisionRecorder):
    wiring = Listing


def test_a_transform_of_two_types_is_told_by_both() -> None:
    recorder = Recorder(v2.Compose([Turned(), v2.RandomHorizontalFlip(1.0)]))
    assert [encoder.name for encoder in recorder.encoders] == ["flip", "vertical_flip"]
    seen = set()
    for candidate in (recorder, pickle.loads(pickle.dumps(recorder))):
        for number in range(8):
            torch.manual_seed(number)
            view, record = candidate(IMAGE)
            told = (record["flip"].item(), record["vertical_flip"].item())
            again = functional.hflip(IMAGE) if told[0] else IMAGE
            assert torch.equal(view, functional.vflip(again) if told[1] else again)
            seen.add(told)
    assert seen == {(0.0, 1.0), (1.0, 0.0)}


def test_two_types_of_one_transform_are_looked_at_beside_the_other_steps() -> None:
    with pytest.raises(
        PipelineError,
        match="'GaussianBlur' and 'Blurred' to set different entries, found that both set 'blur'",
    ):
        Recorder(v2.Compose([v2.GaussianBlur(3), Blurred()]))


def test_entries_beside_the_targets_are_recorded_too() -> None:
    _, record = Recorder(Brightened())(IMAGE)
    assert record["color"].tolist() == [1.5, 1.0, 1.0, 0.0]
    assert record["color_order"].tolist() == [3.0, 2.0, 1.0, 0.0]


def test_a_registered_callable_may_report_entries_by_name() -> None:
    own = ColorEncoder((0.5, 1.5), None, None, None)
    recorder = TorchvisionRecorder(Brightened(), register={Brightened: (own, brightened)})
    assert recorder(IMAGE)[1]["color_order"].tolist() == [3.0, 2.0, 1.0, 0.0]


def told_more(transform: Any, image: Any) -> tuple[Any, Any]:
    return transform(image), {"color": (1.5, None, None, None), "fog": (1.0,)}


def told_wider(transform: Any, image: Any) -> tuple[Any, Any]:
    return transform(image), {"color": (1.9, None, None, None)}


def told_nothing(transform: Any, image: Any) -> tuple[Any, Any]:
    return transform(image), {"color": (float("nan"), None, None, None)}


@pytest.mark.parametrize(
    ("apply", "says"),
    [
        (told_more, r"to report entries from \['color', 'color_order'\], found 'fog'"),
        (told_wider, r"expected brightness in \(0.5, 1.5\).*found 1.9"),
        (told_nothing, r"expected brightness in \(0.5, 1.5\).*found nan"),
    ],
)
def test_what_its_encoders_do_not_hold_is_refused(apply: Any, says: str) -> None:
    own = ColorEncoder((0.5, 1.5), None, None, None)
    recorder = TorchvisionRecorder(Brightened(), register={Brightened: (own, apply)})
    with pytest.raises(PipelineError, match=says):
        recorder(IMAGE)


@pytest.mark.parametrize(
    ("kind", "setting", "never"),
    [(Turned, "prob", 0.0), (Turned, "prob", -1), (Brightened, "factor", 1.0)],
)
def test_what_never_acts_is_left_and_watched(kind: Any, setting: str, never: float) -> None:
    still = kind(never)
    recorder = Recorder(v2.Compose([v2.RandomHorizontalFlip(0.5), still]))
    assert [encoder.name for encoder in recorder.encoders] == ["flip"]
    assert list(recorder(IMAGE)[1]) == ["flip"]
    setattr(still, setting, 1.2)
    with pytest.raises(PipelineError, match="to leave views unchanged"):
        recorder(IMAGE)


def test_subclasses_with_code_of_their_own_are_refused() -> None:
    assert len(Recorder(Turned()).encoders) == 2
    with pytest.raises(PipelineError, match="it can record, found 'TurnedOtherwise'"):
        Recorder(TurnedOtherwise())
    recorder = Recorder(TurnedOften())
    assert [encoder.name for encoder in recorder.encoders] == ["flip", "vertical_flip"]
    assert recorder(IMAGE)[1]["flip"] == 1
