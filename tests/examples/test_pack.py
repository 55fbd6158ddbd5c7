"""The image pack: small, complete, readable, and without leaks between its parts."""

import dataclasses
import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

pytest.importorskip("numpy")
pytest.importorskip("PIL")

SHARED = Path(__file__).resolve().parents[2] / "examples" / "_shared"
DATA = SHARED / "data"
LABELLED = ("skintone", "flags", "locate", "category")
UNLABELLED = ("pretrain", "gallery")


@pytest.fixture(scope="module")
def pack() -> ModuleType:
    spec = importlib.util.spec_from_file_location("_pack_under_test", SHARED / "pack.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tasks(pack: ModuleType) -> dict[str, Any]:
    return {name: pack.load(name) for name in pack.names()}


@pytest.fixture(scope="module")
def index() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((DATA / "index.json").read_text(encoding="utf-8"))
    return content


@pytest.fixture(scope="module")
def fingerprints(tasks: dict[str, Any]) -> dict[str, list[bytes]]:
    return {name: [tile.tobytes() for tile in task.images.numpy()] for name, task in tasks.items()}


def origins(index: dict[str, Any], name: str, split: int | None = None) -> set[str]:
    """Pictures that a task's tiles were made of; glyphs by code point, whoever drew them."""
    entry = index["tasks"][name]
    splits = entry.get("split", [None] * entry["count"])
    parts = {
        part
        for origin, tile_split in zip(entry["origins"], splits, strict=True)
        if split is None or tile_split == split
        for part in origin.split("+")
    }
    vendors = ("noto/", "fluent/", "twemoji/", "iso/")
    return {part.split("/")[1] if part.startswith(vendors) else part for part in parts}


def test_pack_is_at_most_six_megabytes() -> None:
    files = [path for path in DATA.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 6_000_000


def test_names(pack: ModuleType) -> None:
    assert set(pack.names()) == {*LABELLED, *UNLABELLED}


def test_unknown_task_lists_the_known_ones(pack: ModuleType) -> None:
    with pytest.raises(ValueError, match=r"cifar.*pretrain.*skintone"):
        pack.load("cifar")


def test_missing_file_says_how_to_make_it(
    pack: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(pack, "DATA", tmp_path)
    with pytest.raises(FileNotFoundError, match="python -m transfer pack --path"):
        pack.load("pretrain")


@pytest.mark.parametrize("name", [*LABELLED, *UNLABELLED])
def test_images(name: str, tasks: dict[str, Any], index: dict[str, Any]) -> None:
    task, entry = tasks[name], index["tasks"][name]
    side = 256 if name == "gallery" else 64
    assert task.name == name
    assert task.images.shape == (entry["count"], 3, side, side)
    assert task.images.dtype == torch.uint8
    assert task.images.is_contiguous()
    assert len(entry["origins"]) == entry["count"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        task.name = "other"


@pytest.mark.parametrize("name", [*LABELLED, *UNLABELLED])
def test_no_tile_is_blank(name: str, tasks: dict[str, Any]) -> None:
    brightest = tasks[name].images.flatten(1).amax(1).int()
    darkest = tasks[name].images.flatten(1).amin(1).int()
    assert (brightest - darkest).min() > 15


@pytest.mark.parametrize("name", UNLABELLED)
def test_unlabelled(name: str, tasks: dict[str, Any]) -> None:
    task = tasks[name]
    assert task.labels is None
    assert task.split is None
    assert task.boxes is None
    assert task.classes == ()


def test_pretrain_is_large_and_half_photographs(index: dict[str, Any]) -> None:
    photos = [
        origin.startswith(("krank/", "endless-sky/"))
        for origin in index["tasks"]["pretrain"]["origins"]
    ]
    assert len(photos) >= 2500
    assert 0.4 <= sum(photos) / len(photos) <= 0.65


@pytest.mark.parametrize("name", LABELLED)
def test_labels_and_splits(name: str, tasks: dict[str, Any]) -> None:
    task = tasks[name]
    assert task.labels.dtype == task.split.dtype == torch.int64
    assert task.labels.shape == task.split.shape == (len(task.images),)
    assert set(task.split.tolist()) == {0, 1}
    assert set(task.labels[task.split == 0].tolist()) == set(range(len(task.classes)))
    assert set(task.labels[task.split == 1].tolist()) <= set(range(len(task.classes)))
    assert len(set(task.classes)) == len(task.classes)


@pytest.mark.parametrize("name", ["skintone", "flags", "locate"])
@pytest.mark.parametrize("split", [0, 1])
def test_balanced_tasks(name: str, split: int, tasks: dict[str, Any]) -> None:
    task = tasks[name]
    counts = torch.bincount(task.labels[task.split == split], minlength=len(task.classes))
    assert counts.min() == counts.max()


def test_boxes_lie_inside_and_agree_with_cells(tasks: dict[str, Any]) -> None:
    task = tasks["locate"]
    assert task.boxes.dtype == torch.float32
    assert task.boxes.shape == (len(task.images), 4)
    centre, size = task.boxes[:, :2], task.boxes[:, 2:]
    assert size.min() > 0
    assert (centre - size / 2).min() >= -1e-3
    assert (centre + size / 2).max() <= 1 + 1e-3
    column, row = (3 * centre).floor().long().unbind(1)
    assert torch.equal(3 * row + column, task.labels)
    assert all(other.boxes is None for name, other in tasks.items() if name != "locate")


@pytest.mark.parametrize("name", LABELLED)
def test_no_equal_tiles_across_splits(
    name: str, tasks: dict[str, Any], fingerprints: dict[str, list[bytes]]
) -> None:
    sides: tuple[set[bytes], set[bytes]] = (set(), set())
    for tile, split in zip(fingerprints[name], tasks[name].split.tolist(), strict=True):
        sides[split].add(tile)
    assert not sides[0] & sides[1]
    assert not (sides[0] | sides[1]) & set(fingerprints["pretrain"])


def test_no_equal_tiles_in_pretrain(fingerprints: dict[str, list[bytes]]) -> None:
    assert len(set(fingerprints["pretrain"])) == len(fingerprints["pretrain"])


@pytest.mark.parametrize("name", ["skintone", "flags", "category"])
def test_pretrain_has_no_test_glyph(name: str, index: dict[str, Any]) -> None:
    assert not origins(index, "pretrain") & origins(index, name, split=1)


@pytest.mark.parametrize("name", ["skintone", "locate", "category"])
def test_splits_share_no_picture(name: str, index: dict[str, Any]) -> None:
    assert not origins(index, name, split=0) & origins(index, name, split=1)


def test_photographs_and_pasted_glyphs_serve_one_purpose(index: dict[str, Any]) -> None:
    pretrain, locate, gallery = (origins(index, name) for name in ("pretrain", "locate", "gallery"))
    assert not pretrain & locate
    assert not pretrain & gallery
    assert not locate & gallery


def test_attribution_names_every_source(index: dict[str, Any]) -> None:
    text = (DATA / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert index["sources"]
    for source in index["sources"]:
        assert f"## {source['package']} {source['version']} " in text
        assert source["licence"] in text


def test_licences_are_free_and_not_copyleft(index: dict[str, Any]) -> None:
    allowed = ("Public domain", "CC0", "CC-BY-4.0", "MIT", "Apache-2.0")
    assert all(source["licence"].startswith(allowed) for source in index["sources"])
    assert (DATA / "LICENSE-Apache-2.0.txt").is_file()
