"""Kornia's augmentations from a config's dicts."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest

from augself_loss.errors import PipelineError
from augself_loss.recording.kornia.built import built

CROP = {"size": [8, 8], "scale": [0.2, 1.0], "p": 1.0}


@pytest.mark.parametrize("key", ["name", "type"])
@pytest.mark.parametrize("kind", ["RandomResizedCrop", K.RandomResizedCrop])
def test_built_as_by_hand(key: str, kind: Any) -> None:
    crop = built({key: kind, **CROP}, key, "KORNIA")
    assert repr(crop) == repr(K.RandomResizedCrop((8, 8), (0.2, 1.0), p=1.0))
    assert crop.flags["size"] == (8, 8)


def test_lists_in_lists_are_tuples_too() -> None:
    affine = built({"name": "RandomAffine", "degrees": 0, "shear": [[0, 1], [0, 2]]}, "name", "K")
    assert isinstance(affine, K.RandomAffine)


def test_what_is_built_already_stays() -> None:
    flip = K.RandomHorizontalFlip()
    assert built(flip, "type", "KORNIA") is flip


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "RandomMystery"}, "KORNIA expected the name of .*found 'RandomMystery'"),
        ({"p": 0.5}, "found None"),
        ({"name": "random_generator"}, "found 'random_generator'"),
        (
            {"name": "RandomGamma", "gama": [0.5, 1]},
            "KORNIA expected arguments that 'RandomGamma' takes, found {'gama",
        ),
        ("RandomGamma", "KORNIA expected dicts with an augmentation's 'name'"),
    ],
)
def test_refused(given: Any, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        built(given, "name", "KORNIA")
