"""An albumentations pipeline that is changed after its recorder was made."""

from __future__ import annotations

import copy
import pickle
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations_pipelines import IMAGE, same, states

from augself_loss.errors import PipelineError
from augself_loss.recording.albumentations import AlbumentationsRecorder

FOLLOWED: dict[str, Callable[[Any], Any]] = {
    "p": lambda t: setattr(t.transforms[1], "p", 1.0),
    "the pipeline's p": lambda t: setattr(t.transforms[2].transforms[0], "p", 0.9),
    "a narrower limit": lambda t: setattr(t.transforms[2].transforms[0], "brightness", (0.9, 1.1)),
    "a size": lambda t: setattr(t.transforms[0], "size", (16, 20)),
    "a seed": lambda t: t.set_random_seed(99),
    "a state": lambda t: t.set_random_state(np.random.default_rng(5), random.Random(6)),
    "a choice's weights": lambda t: setattr(t.transforms[2], "transforms_ps", [0.0, 1.0]),
    "a fixed transform": lambda t: setattr(t.transforms[3], "max_value", 128.0),
}
CHANGED: dict[str, tuple[Callable[[Any], Any], str]] = {
    "wider": (
        lambda t: setattr(t.transforms[2].transforms[0], "brightness", (0.1, 3.0)),
        r"'ColorJitter' expected .*'brightness'.* in .* found color .*'brightness'",
    ),
    "added": (lambda t: t.transforms.append(A.HorizontalFlip()), "'Compose' expected the steps"),
    "exchanged": (
        lambda t: t.transforms[2].transforms.__setitem__(1, A.InvertImg()),
        "'OneOf' expected",
    ),
    "fixed no more": (
        lambda t: setattr(t.transforms[3], "p", 0.5),
        "'ToFloat' to be applied always",
    ),
    "the whole at random": (lambda t: setattr(t, "p", 0.5), "'Compose' to be applied always"),
    "idle no more": (
        lambda t: setattr(t.transforms[4], "contrast_limit", (0, 1)),
        "to leave views unchanged",
    ),
}


def changing() -> Any:
    choice = A.OneOf([A.ColorJitter(0.4, 0.4, 0.4, 0.1), A.InvertImg()], p=0.8)
    idle = A.RandomBrightnessContrast(0, 0, p=1.0)
    steps = [A.RandomResizedCrop((24, 24)), A.HorizontalFlip(), choice, A.ToFloat(), idle]
    return A.Compose(steps, seed=5)


@pytest.mark.parametrize("name", FOLLOWED)
@pytest.mark.parametrize("way", ["itself", "pickle", "deepcopy"])
def test_a_change_in_place_holds_from_the_next_call(name: str, way: str) -> None:
    transform, plain = changing(), changing()
    both: Any = (AlbumentationsRecorder(transform), transform)
    if way != "itself":  # what is copied together stays together
        both = pickle.loads(pickle.dumps(both)) if way == "pickle" else copy.deepcopy(both)
    recorder, transform = both
    assert same(recorder(image=IMAGE)[0], plain(image=IMAGE))
    for one in (transform, plain):
        FOLLOWED[name](one)
    for _ in range(8):
        assert same(recorder(image=IMAGE)[0], plain(image=IMAGE))
    assert states(transform) == states(plain)


@pytest.mark.parametrize("name", CHANGED)
def test_a_change_that_records_cannot_tell_is_refused(name: str) -> None:
    transform = changing()
    recorder = AlbumentationsRecorder(transform)
    recorder(image=IMAGE)
    change, message = CHANGED[name]
    change(transform)
    with pytest.raises(PipelineError, match=message):
        recorder(image=IMAGE)


def test_a_still_transform_is_left_as_it_is() -> None:
    still = A.RGBShift(p=0.0)
    recorder = AlbumentationsRecorder(A.Compose([still, A.HorizontalFlip()]), still=[still])
    for _ in range(3):
        recorder(image=IMAGE)
    still.p = 1.0
    with pytest.raises(PipelineError, match="'RGBShift'"):
        recorder(image=IMAGE)
