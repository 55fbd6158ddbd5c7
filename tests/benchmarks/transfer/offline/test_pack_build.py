"""The pack made of tiny packages: its reader finds what was drawn, and whose it was."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from _shared import pack
from transfer import __main__ as command_line
from transfer.data.building.emoji import flag_of
from transfer.data.building.pack import make, photos, tasks
from transfer.data.building.pack.attribution import TEMPLATE
from transfer.data.building.pack.debian_copyright import public_domain_credit, stanzas
from transfer.data.building.pack.sheets import TEST, TRAIN, Sheet, Tile
from transfer.data.errors import DataError

COMMITTED = pack.DATA
TONES = [(250, 222, 188), (227, 194, 150), (200, 150, 105), (160, 105, 68), (92, 65, 51)]


@pytest.fixture(scope="module")
def patched() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(photos, "GALLERY", {"endless-sky/sea2": (0.6, 0.5, 1)})  # of 24
        patch.setattr(tasks, "GALLERY", photos.GALLERY)
        patch.setattr(tasks, "LOCATE_TRAIN", 27)  # of 999
        patch.setattr(tasks, "LOCATE_TEST", 9)
        yield patch


@pytest.fixture(scope="module")
def made(
    packages: Path, tmp_path_factory: pytest.TempPathFactory, patched: pytest.MonkeyPatch
) -> Path:
    """Folder of a tiny pack, made by the command."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "packages").symlink_to(packages)
    out = tmp_path_factory.mktemp("pack")
    patched.setattr(sys, "argv", ["transfer", "pack", "--path", str(folder), "--out", str(out)])
    command_line.main()
    return out


@pytest.fixture(scope="module")
def loaded(made: Path, patched: pytest.MonkeyPatch) -> dict[str, pack.Task]:
    patched.setattr(pack, "DATA", made)
    return {name: pack.load(name) for name in pack.names()}


def test_every_task_is_there(loaded: dict[str, pack.Task]) -> None:
    assert {*loaded} == {"pretrain", "skintone", "flags", "locate", "category", "gallery"}
    assert loaded["gallery"].images.shape == (1, 3, 256, 256)
    assert loaded["gallery"].origins == ("endless-sky/sea2",)


def test_only_what_may_be_passed_on_is_pretrained_on(loaded: dict[str, pack.Task]) -> None:
    origins = set(loaded["pretrain"].origins)
    assert {name.split("/")[0] for name in origins} == {
        *("krank", "endless-sky", "noto", "fluent", "openclipart"),
    }
    assert {name for name in origins if name.startswith("openclipart/")} == {
        f"openclipart/animals/birds/{n}" for n in range(9)
    }
    pretrain, locate, gallery = (
        {part for name in loaded[task].origins for part in name.split("+") if "endless-sky" in part}
        for task in ("pretrain", "locate", "gallery")
    )
    assert "endless-sky/sea1" not in pretrain | locate | gallery  # CC-BY-SA
    assert not pretrain & locate
    assert not gallery & (pretrain | locate)


def test_skin_tones_are_those_that_are_drawn(loaded: dict[str, pack.Task]) -> None:
    task = loaded["skintone"]
    assert task.labels is not None
    assert task.labels.bincount().tolist() == [len(task.labels) // 5] * 5
    for picture, label in zip(task.images.numpy(), task.labels.tolist(), strict=True):
        assert np.abs(picture[:, 32, 32].astype(int) - TONES[label]).max() <= 6


def test_of_equal_flags_there_is_one(loaded: dict[str, pack.Task]) -> None:
    task = loaded["flags"]
    assert task.labels is not None
    assert task.classes == tuple(flag_of(country).upper() for country in ("ad", "ae", "bv", "xx"))
    assert [name.split("/")[0] for name in task.origins] == ["iso"] * 4 + ["twemoji"] * 4
    assert task.labels.tolist() == [0, 1, 2, 3] * 2


def test_glyphs_are_pasted_where_the_boxes_say(loaded: dict[str, pack.Task]) -> None:
    task = loaded["locate"]
    assert task.boxes is not None
    assert task.labels is not None
    assert task.labels.bincount().tolist() == [4] * 9
    for picture, box in zip(task.images.numpy(), task.boxes.numpy(), strict=True):
        # Landscapes are darker than 90 everywhere, the glyphs' blocks are not.
        bright = picture.max(0) > 130
        rows, columns = np.flatnonzero(bright.any(1)), np.flatnonzero(bright.any(0))
        corners = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]) / 64
        expected = [*(box[:2] - box[2:] / 2), *(box[:2] + box[2:] / 2)]
        assert corners == pytest.approx(expected, abs=0.09)


def test_attribution_and_index_say_whose_pictures_these_are(made: Path) -> None:
    text = (made / "ATTRIBUTION.md").read_text(encoding="utf-8")
    assert "{" not in text
    assert "## krank 1.0-1 (Debian)" in text
    assert "- Used in: `pretrain` (9 tiles)" in text  # clip art
    assert "- photographers of unsplash.com: " in text
    assert text.count("sea2") == 1
    assert "sea1" not in text
    index: dict[str, Any] = pack._index()
    assert {"package": "krank", "version": "1.0-1", "licence": "Public domain"} in index["sources"]


def test_the_committed_attribution_is_of_this_template() -> None:
    committed = COMMITTED.joinpath("ATTRIBUTION.md").read_text(encoding="utf-8").splitlines()
    template = TEMPLATE.read_text(encoding="utf-8").splitlines()
    assert {line for line in template if "{" not in line} <= set(committed)


def test_a_pack_beyond_its_budget_is_refused(
    packages: Path, tmp_path: Path, patched: pytest.MonkeyPatch
) -> None:
    with patched.context() as patch:
        patch.setattr(make, "BUDGET", 10)
        patch.setattr(make, "_sheets", lambda *_: iter([Sheet("one", "", [_tile(0)])]))
        with pytest.raises(DataError, match=r"pack of at most 10 bytes; found [\d,]+"):
            make.make(packages, tmp_path, lambda _: None)


def _tile(grey: int) -> Tile:
    return Tile(np.full((3, 64, 64), grey, np.uint8), "noto/1f600", 0, TRAIN)


def test_a_sheet_has_gutters_of_its_tiles_edges_and_white_where_there_is_none() -> None:
    sheet = np.asarray(Sheet("some", "", [_tile(10 * n) for n in range(5)]).render())
    assert sheet.shape == (2 * 72, 3 * 72, 3)
    greys = sheet.reshape(2, 72, 3, 72, 3).transpose(0, 2, 1, 3, 4).reshape(6, -1)
    assert [set(tile.tolist()) for tile in greys] == [{0}, {10}, {20}, {30}, {40}, {255}]


def test_an_index_entry_has_only_what_is_known() -> None:
    tile = _tile(0)
    assert "labels" not in Sheet("some", "", [tile]).describe()
    boxed = tile._replace(split=TEST, box=(0.5, 0.5, 0.1, 0.1))
    entry = Sheet("some", "", [boxed], ("one",)).describe()
    assert (entry["labels"], entry["split"], entry["boxes"]) == ([0], [1], [boxed.box])


def test_a_file_counts_as_public_domain_only_if_all_paragraphs_agree() -> None:
    known = stanzas(
        "Files: land/*\nCopyright: A\nLicense: public-domain\n From unsplash.com\n\n"
        "Files: land/snow1*\n  land/ice*\nCopyright: B\nLicense: CC-BY-4.0\n\n"
        "Files: land/sea*\nCopyright: NASA\nLicense: public-domain\n\nLicense: CC-BY-4.0\n text\n"
    )
    assert public_domain_credit("land/dune.jpg", known) == "photographers of unsplash.com"
    assert public_domain_credit("land/sea0.jpg", known) == "NASA"
    assert public_domain_credit("land/snow10.jpg", known) is None
    assert public_domain_credit("land/ice2.jpg", known) is None
    assert public_domain_credit("other/dune.jpg", known) is None
