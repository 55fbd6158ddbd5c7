"""The conformance vectors hold: by their files alone, and by the libraries that drew them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from libraries import Run, library_of, observe, versions_of
from make import made
from vectors import (
    BY_HAND,
    FILES,
    FOLDER,
    VERSION,
    VOCABULARY,
    compared,
    encoder_of,
    fields,
    read,
    settled,
    steps,
    to_source,
)

from augself_loss.encoders import BUILT_IN, Encoder

CONTENT = {name: read(name) for name in (BY_HAND, *FILES)}
VECTORS = [(name, one) for name, content in CONTENT.items() for one in content["vectors"]]
ANEW = "run `python tests/conformance/make.py` where all libraries are installed"
NEED_MORE = {
    "CropNonEmptyMaskIfExists", "RandomCropNearBBox", "BBoxSafeRandomCrop",
    "RandomSizedBBoxSafeCrop", "AtLeastOneBBoxRandomCrop",
}  # fmt: skip
"""Transforms that take a mask or boxes beside the image."""
MOVES = {
    "crop", "flip", "vertical_flip", "rotation", "rotation_applied", "angle", "affine",
    "perspective",
}  # fmt: skip
"""Entries of pipelines that leave values as they are."""
BRIGHT = 128
"""Pixels' places are divided by it, so that they are values in [0, 1]."""
DRAWN = pytest.mark.parametrize("name", FILES)
EVERY = pytest.mark.parametrize("name", CONTENT)


def apart(found: Any, stored: Any, within: float, where: str) -> Iterator[str]:
    """List where two JSON values differ, numbers by more than ``within`` of the larger or of 1."""
    if isinstance(found, dict) and isinstance(stored, dict) and found.keys() == stored.keys():
        for name, inner in found.items():
            yield from apart(inner, stored[name], within, f"{where}.{name}")
    elif isinstance(found, list) and isinstance(stored, list) and len(found) == len(stored):
        for number, (one, other) in enumerate(zip(found, stored, strict=True)):
            yield from apart(one, other, within, f"{where}[{number}]")
    elif isinstance(found, (int, float)) and isinstance(stored, (int, float)):
        if not abs(found - stored) <= within * max(1.0, abs(stored)):
            yield f"{where}: {found} and not {stored}"
    elif found != stored:
        yield f"{where}: {found} and not {stored}"


def named(name: str) -> Iterator[tuple[str, Any]]:
    """List a file's vectors, each with what it is called in messages."""
    for number, one in enumerate(CONTENT[name]["vectors"]):
        steps = [step["transform"] for step in one.get("pipeline", [])]
        yield f"{name}.json #{number} {steps or list(one['record'])}", one


def test_there_are_enough_of_them_in_small_files() -> None:
    transforms = {
        (name, step["transform"]) for name, one in VECTORS for step in one.get("pipeline", [])
    }
    assert len(VECTORS) >= 300
    assert len(transforms) >= 20
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < 500_000
    assert {content["version"] for content in CONTENT.values()} == {VERSION}


def test_the_vocabulary_is_that_of_the_encoders() -> None:
    assert read(VOCABULARY) == made(VOCABULARY), f"{ANEW}; docs/record.md says when VERSION rises"


@pytest.mark.parametrize("kind", BUILT_IN, ids=lambda kind: kind.name)
def test_every_entry_comes_applied_and_not(kind: type[Encoder]) -> None:
    for entry, field in kind().fields.items():
        held = [
            tuple(record[entry])
            for _, one in VECTORS
            for record in (one["record"], one["pair"]["record"])
            if entry in record
        ]
        assert field.identity in held, f"'{entry}' has no identity in a vector: {ANEW}"
        assert set(held) - {field.identity}, f"'{entry}' is never applied in a vector: {ANEW}"


@pytest.mark.parametrize("library", ["kornia", "torchvision", "albumentations"])
def test_every_transform_that_is_read_has_a_vector(library: str) -> None:
    wanted = {transform for kind in BUILT_IN for transform in getattr(kind, library)}
    drawn = {
        step["transform"]
        for name, one in VECTORS
        for step in one.get("pipeline", [])
        if library_of(name) == library
    }
    assert not wanted - NEED_MORE - drawn, f"add them to tests/conformance/cases.py and {ANEW}"


@DRAWN
def test_what_was_drawn_is_this_record(name: str) -> None:
    library = library_of(name)
    for where, one in named(name):
        found = settled(library, steps(library, one["drawn"]), one["record"])
        assert not list(apart(found, one["record"], 1e-6, where))


@EVERY
def test_a_record_is_this_map(name: str) -> None:
    known = fields()
    for where, one in named(name):
        assert one["record"].keys() <= known.keys()
        if one["matrix"] is not None:
            found = to_source(one["record"], one["pixels"])
            assert not list(apart(found, one["matrix"], 1e-5, where))


@EVERY
def test_two_records_are_this_target(name: str) -> None:
    for where, one in named(name):
        pair = one["pair"]
        encoders = [encoder_of(type_, one["ranges"].get(type_)) for type_ in pair["target"]]
        parts = {part: pair[part] for part in ("target", "visible", "paper") if part in pair}
        found = compared(encoders, one["record"], pair["record"])
        assert not list(apart(found, parts, 1e-6, where))


def test_extremes_are_among_them() -> None:
    ends = {
        (type_, end)
        for _, one in VECTORS
        for type_, target in one["pair"]["target"].items()
        if isinstance(target, list)
        for end in target
    }
    for kind in BUILT_IN:
        most = 0.75 if kind.name == "crop" else 1  # by which boxes of a quarter differ from all
        wanted = {"regression": {-most, most}, "binary": {0, 1}, "classes": set()}[kind.kind]
        assert {(kind.name, end) for end in wanted} <= ends
    classes = {one["pair"]["target"].get("rotation") for _, one in VECTORS}
    assert classes - {None} == {0, 1, 2, 3}


def shown(run: Run, seed: int) -> torch.Tensor:
    """Make a view of a picture that says in its values where its pixels lie: x, y and 1."""
    height, width = run.source
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    picture = torch.stack([x / BRIGHT, y / BRIGHT, torch.ones(height, width)])
    arrays = run.library == "albumentations"
    run.image = picture.permute(1, 2, 0).numpy() if arrays else picture
    view = torch.as_tensor(run.view(seed)[2]).double()
    return view.permute(2, 0, 1) if arrays else view


def mapped(rows: list[list[float]], size: tuple[int, int]) -> torch.Tensor:
    """Say where a view's pixels lie in its source: x and y, ``(2, height, width)``."""
    y, x = torch.meshgrid(*map(torch.arange, size), indexing="ij")
    points = torch.stack([x, y, torch.ones_like(x)]).double()
    places = torch.einsum("ij,jhw->ihw", torch.tensor(rows).double(), points)
    return places[:2] / places[2:]


def well_inside(places: torch.Tensor, one: Any) -> torch.Tensor:
    """Whether points lie so far inside of the box that nothing else was mixed in."""
    sides = torch.tensor([one["image"]["width"], one["image"]["height"]])
    top, left, height, width = one["record"].get("crop", (0, 0, 1, 1))
    start = torch.tensor([left, top]).clamp_min(0) * sides + 2
    end = torch.tensor([left + width, top + height]).clamp_max(1) * sides - 3
    return ((places > start[:, None, None]) & (places < end[:, None, None])).all(0)


@pytest.mark.parametrize("name", ["torchvision_v1", "torchvision_v2", "albumentations"])
@pytest.mark.filterwarnings("ignore:ShiftScaleRotate is a special case:UserWarning")
def test_pixels_come_from_where_the_matrix_says(name: str) -> None:
    """Kornia's matrices are compared with its own wherever its vectors are drawn."""
    pytest.importorskip(library_of(name))
    if versions_of(name) != CONTENT[name]["versions"]:
        pytest.skip(f"the vectors were drawn by {CONTENT[name]['versions']}")
    vectors = [(where, one) for where, one in named(name) if one["record"].keys() <= MOVES]
    for where, one in vectors:
        view = shown(Run(name, one["pipeline"], one["image"]), one["seed"])
        places = mapped(one["matrix"], (view.shape[1], view.shape[2]))
        compare = well_inside(places, one) & ((view[2] - 1).abs() < 1e-6)
        assert compare.sum() > 20, where
        assert ((view[:2] * BRIGHT - places).abs().amax(0)[compare] < 1e-2).all(), where
    assert len(vectors) > 20


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.host if n == "lightly" else ()) for n in FILES]
)
@pytest.mark.filterwarnings("ignore:ShiftScaleRotate is a special case:UserWarning")
def test_the_library_draws_it(name: str) -> None:
    """Draw again; of another version of the library only the record of what it draws is known."""
    pytest.importorskip(library_of(name))
    same = versions_of(name) == CONTENT[name]["versions"]
    for where, one in named(name):
        if same:
            found = observe(name, one["pipeline"], one["image"], one["seed"])
            assert not list(apart(found, one, 2e-6, where))
        else:
            run = Run(name, one["pipeline"], one["image"])
            drawn, record, _ = run.view(one["seed"])
            told = settled(run.library, steps(run.library, drawn), record)
            assert not list(apart(told, record, 1e-6, where))
