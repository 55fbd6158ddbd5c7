"""Conformance vectors: read from their files, and restored as what the library's functions take.

Nothing here needs the library that made them: a vector holds what was drawn, as it was reported,
and of how each transform was built what its reader looks at.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from augself_loss.encoders import Encoder, Step, default_encoders
from augself_loss.encoders.base import Columns
from augself_loss.errors import EncoderError
from augself_loss.geometry import Pixels, matrix
from augself_loss.parameters import Field
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.journal import Journal

FOLDER = Path(__file__).parent
VERSION = 1
"""Of the vocabulary; docs/record.md says what raises it."""
VOCABULARY = "vocabulary"
BY_HAND = "by_hand"
FILES = ("kornia", "torchvision_v1", "torchvision_v2", "albumentations", "lightly")
"""Those that a library made; its records written by hand are BY_HAND's."""
HOSTS = {"lightly": "torchvision"}
"""Library → the one whose transforms it runs."""
DIGITS = 8
"""More than float32 tells."""
DECIMALS = 8
"""Of what is computed: what is left of a difference of rounded numbers is no number."""

Json: TypeAlias = Any
Told: TypeAlias = "tuple[Step, Mapping[str, Columns] | None]"
"""A step, and its entries where its library reports nothing and an adapter drew ahead."""


def fields() -> dict[str, Field]:
    """Every entry that the built-in types record."""
    known = default_encoders().values()
    return {entry: field for encoder in known for entry, field in encoder.fields.items()}


def read(name: str) -> Json:
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def written(value: Any) -> Json:
    """Write numbers, tensors and arrays as JSON holds them, rounded."""
    if isinstance(value, Mapping):
        return {name: written(inner) for name, inner in value.items()}
    if isinstance(value, (Tensor, np.ndarray, np.generic)):
        return written(value.tolist())
    if isinstance(value, (list, tuple)):
        return [written(inner) for inner in value]
    if isinstance(value, float):
        rounded = float(f"{value:.{DIGITS}g}")
        return int(rounded) if rounded.is_integer() and abs(rounded) < 2**31 else rounded
    assert value is None or isinstance(value, (bool, int, str)), value
    return value


def computed(value: Json) -> Json:
    """Round what was computed from rounded numbers."""
    if isinstance(value, dict):
        return {name: computed(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [computed(inner) for inner in value]
    return written(round(value, DECIMALS) + 0.0) if isinstance(value, float) else value


def steps(library: str, drawn: Iterable[Json]) -> Iterator[Told]:
    """Restore the steps of a vector in the types of their library, in float64."""
    for one in drawn:
        seen = one["image"]
        about = ((seen["height"], seen["width"]), seen["white"], seen["channels"])
        params, config = _restored(library, one["params"]), _tuples(one["config"])
        entries = {name: tuple(columns) for name, columns in one.get("entries", {}).items()}
        yield Step(one["transform"], params, config, *about), entries or None


def _restored(library: str, value: Json) -> Any:
    """Restore parameters: Kornia's as tensors, albumentations' lists as arrays."""
    if isinstance(value, dict):
        return {name: _restored(library, inner) for name, inner in value.items()}
    if library == "kornia" and isinstance(value, (list, int, float)):
        return torch.tensor(value, dtype=torch.float64)
    if library == "albumentations" and isinstance(value, list):
        return np.asarray(value)
    return _tuples(value)


def _tuples(value: Json) -> Any:
    if isinstance(value, dict):
        return {name: _tuples(inner) for name, inner in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def settled(library: str, told: Iterable[Told], entries: Iterable[str]) -> dict[str, list[float]]:
    """Make of steps the record of their view, entry → columns."""
    catalogue, known = Catalogue(HOSTS.get(library, library)), fields()  # type: ignore[arg-type]
    journal = Journal({entry: known[entry] for entry in entries}, catalogue)
    for step, read_ahead in told:
        journal.add(step, catalogue.read(step) if read_ahead is None else read_ahead)
    return {entry: list(map(float, columns)) for entry, columns in journal.settle().items()}


def record_of(entries: Mapping[str, Sequence[float]]) -> dict[str, Tensor]:
    """Make a batch of one, in float64."""
    return {name: torch.tensor([columns], dtype=torch.float64) for name, columns in entries.items()}


def to_source(record: Mapping[str, Sequence[float]], pixels: Json) -> list[list[float]]:
    """Map a view's pixels to its source's, 3 × 3."""
    named = {name: _tuples(value) for name, value in pixels.items()}
    rows: list[list[float]] = matrix(record_of(record), Pixels(**named))[0].tolist()
    return rows


def encoder_of(name: str, ranges: Json) -> Encoder:
    """Give a built-in type's encoder the ranges of a vector."""
    encoder = copy.copy(default_encoders()[name])
    encoder.ranges = _tuples(ranges)
    return encoder


def compared(encoders: Iterable[Encoder], record1: Json, record2: Json) -> Json:
    """Compare two views: targets, those of the paper's preset that differ, what is not visible."""
    one, two = record_of(record1), record_of(record2)
    found: dict[str, dict[str, Json]] = {"target": {}, "paper": {}, "visible": {}}
    for encoder in encoders:
        name, own = encoder.name, encoder.under("default")
        found["target"][name] = computed(own.difference(one, two)[0].tolist())
        visible = own.visible(one, two)
        if visible is not None and not bool(visible.all()):
            found["visible"][name] = written(visible[0])
        try:
            paper = computed(encoder.under("paper").difference(one, two)[0].tolist())
        except EncoderError:  # a range of zero width has no target there
            continue
        if paper != found["target"][name]:
            found["paper"][name] = paper
    return {part: types for part, types in found.items() if types or part == "target"}
