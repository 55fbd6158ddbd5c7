"""Sets built from tiny packages show what they say, and tests see nothing of the training."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transfer.data import offline
from transfer.data.building import emoji, flags, store
from transfer.data.building.material import Material
from transfer.data.building.packages import Archives
from transfer.data.building.rows import Built

TONES = [(250, 222, 188), (227, 194, 150), (200, 150, 105), (160, 105, 68), (92, 65, 51)]


@pytest.fixture(scope="module")
def sets(built: Path) -> dict[str, Built]:
    return {name: store.read(built / "sets", name) for name in offline.NAMES}


def seen(part: Built, column: str, split: int) -> set[str]:
    """Values of a column where the split is 0, or where it is not."""
    values = zip(part.columns[column], part.columns["split"], strict=True)
    return {value for value, of_row in values if bool(of_row) == bool(split)}


@pytest.mark.parametrize("name", offline.NAMES)
def test_every_set_is_whole(name: str, sets: dict[str, Built]) -> None:
    part = sets[name]
    assert part.images.dtype == np.uint8
    assert part.images.shape == (len(part.labels), 3, 64, 64)
    assert set(part.labels) == set(range(len(part.classes)))
    assert all(len(column) == len(part.labels) for column in part.columns.values())


def test_pretraining_shows_nothing_that_a_task_tests(sets: dict[str, Built]) -> None:
    columns = sets["pretrain"].columns
    by_source: dict[str, set[str]] = {}
    for source, name in zip(columns["source"], columns["name"], strict=True):
        by_source.setdefault(source, set()).add(name)
    assert by_source["photo:endless-sky"] == {"station0.jpg"}  # no landscape
    assert by_source["texture:ufoai"] == {f"textures/tex_misc/box0{n}.png" for n in range(3)}
    assert by_source["photo:plasma-workspace-wallpapers"] == {"Autumn"}
    assert by_source["clipart:openclipart"] == {f"animals/birds/{n}.png" for n in range(9)}
    assert by_source["render:sweethome3d"] == {"scopia/bed.png"}
    assert by_source["render:endless-sky"] == {"raven.png"}
    glyphs = by_source["emoji:noto"] | by_source["emoji:fluent3d"]
    assert not any(emoji.is_unseen(code) or emoji.is_flag(code) for code in glyphs)
    assert not any(emoji.has_skin_tone(code) for code in glyphs)
    assert not glyphs & {
        name.split(":")[1]
        for name, split in zip(
            sets["emojicat"].columns["name"], sets["emojicat"].columns["split"], strict=True
        )
        if split
    }


def test_pretraining_has_classes_and_a_tenth_held_out(sets: dict[str, Built]) -> None:
    part = sets["pretrain"]
    assert {
        "photo: plasma-workspace-wallpapers/Autumn",
        "photo: krank/menu.jpg",
        "photo: endless-sky/station0.jpg",
        "texture: misc/box",
        "emoji: animal-mammal",
        "emoji: place-building",
        "clipart: animals/birds",
        "furniture: other",  # one is too few for a class
    } < set(part.classes)
    held_out = np.array(part.columns["held_out"])
    assert held_out.mean() == pytest.approx(0.1, abs=0.03)
    groups = np.array(part.columns["group"])
    assert not set(groups[held_out == 1]) & set(groups[held_out == 0])
    large = [label for label in set(part.labels) if part.labels.count(label) > 50]
    for label in large:
        share = held_out[np.array(part.labels) == label].mean()
        assert share == pytest.approx(0.1, abs=0.04)
    assert len({picture.tobytes() for picture in part.images}) == len(part.images)


def test_locate_boxes_and_cells_say_where_the_stamp_is(sets: dict[str, Built]) -> None:
    part = sets["locate"]
    assert not seen(part, "group", 0) & seen(part, "group", 1)
    bright = part.images[:, :2].min(1) > 150  # the stamps are yellow, the landscapes dark
    for mask, box, label in zip(bright, part.columns["box"], part.labels, strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        centre = ((columns[0] + columns[-1] + 1) / 128, (rows[0] + rows[-1] + 1) / 128)
        assert centre == pytest.approx(box[:2], abs=0.03)
        assert np.ptp(columns) / 64 == pytest.approx(box[2], abs=0.06)
        row, column = (min(2, max(0, int((value - 0.15) / 0.7 * 3))) for value in box[1::-1])
        assert part.classes[label] == f"cell{row}{column}"


def test_skin_tones_are_those_that_are_drawn(sets: dict[str, Built]) -> None:
    part = sets["skintone"]
    assert not seen(part, "group", 0) & seen(part, "group", 1)
    assert set(part.columns["split"]) == {0, 1, 2}
    assert {
        part.columns["vendor"][row] for row, s in enumerate(part.columns["split"]) if s == 2
    } == {"emojione"}
    for picture, label in zip(part.images, part.labels, strict=True):
        assert np.abs(picture[:, 32, 32].astype(int) - TONES[label]).max() <= 2


def test_flags_that_vendors_draw_alike_once_each(sets: dict[str, Built]) -> None:
    part = sets["flags"]
    assert len(part.classes) == 3  # Bouvet Island's is Norway's, on xx the vendors disagree
    assert part.labels == [0, 1, 2] * 4
    assert part.columns["split"] == [0] * 6 + [1] * 6
    assert part.columns["vendor"][::3] == ["iso", "twemoji", "noto", "emojione"]
    for label in range(3):
        drawn = part.images[label::3].astype(int)
        assert np.abs(drawn - drawn[0]).max() <= 1


def test_emoji_and_garments_keep_their_classes(sets: dict[str, Built]) -> None:
    part = sets["emojicat"]
    assert part.classes == ["mammal", "place"]
    assert not seen(part, "group", 0) & seen(part, "group", 1)
    assert all(
        emoji.is_unseen(code) == bool(split)
        for code, split in zip(part.columns["group"], part.columns["split"], strict=True)
    )
    fashion = sets["fashion"]
    brightness = fashion.images.mean((1, 2, 3)) / 25
    assert brightness.round().astype(int).tolist() == fashion.labels
    assert fashion.columns["split"] == [0] * 30 + [1] * 20


@pytest.mark.parametrize("name", ["materials", "tuxphoto"])
def test_folds_divide_no_group(name: str, sets: dict[str, Built]) -> None:
    columns = sets[name].columns
    assert set(columns["fold"]) == set(range(5))
    pairs = set(zip(columns["group"], columns["fold"], strict=True))
    assert len(pairs) == len({group for group, _ in pairs})


def half(part: Built, column: str, number: int) -> set[str]:
    """Values of a column in one half."""
    values = zip(part.columns[column], part.columns["fold"], strict=True)
    return {value for value, fold in values if fold == number}


@pytest.mark.parametrize("name", ["locate-2", "patch", "views"])
def test_halves_share_no_group(name: str, sets: dict[str, Built]) -> None:
    part = sets[name]
    assert half(part, "group", 0)
    assert half(part, "group", 1)
    assert not half(part, "group", 0) & half(part, "group", 1)
    assert part.columns["fold"].count(0) == part.columns["fold"].count(1)


def test_boxes_of_both_halves_say_where_the_stamp_is(sets: dict[str, Built]) -> None:
    part = sets["locate-2"]
    bright = part.images[:, :2].min(1) > 150  # the stamps are yellow, the landscapes dark
    for mask, box in zip(bright, part.columns["box"], strict=True):
        rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
        centre = ((columns[0] + columns[-1] + 1) / 128, (rows[0] + rows[-1] + 1) / 128)
        assert centre == pytest.approx(box[:2], abs=0.03)


def test_patches_are_in_every_cell_and_of_unseen_pictures(sets: dict[str, Built]) -> None:
    part = sets["patch"]
    assert np.bincount(part.labels).tolist() == [20] * 9
    kinds = {group.split(":")[0].rstrip("0123456789.jpg") for group in part.columns["group"]}
    assert kinds == {"texture grass", "texture wood", "landscape sea", "landscape valley"}
    for label, box in zip(part.labels, part.columns["box"], strict=True):
        assert divmod(label, 3) == tuple(int(3 * value) for value in box[1::-1])


def test_pairs_of_views_are_of_unseen_glyphs(sets: dict[str, Built]) -> None:
    part = sets["views"]
    assert all(map(emoji.is_unseen, part.columns["group"]))
    for column in (part.labels, *part.columns.values()):
        assert column[::2] == column[1::2]
    assert set(part.columns["left"]) == {0, 1}


def test_more_vendors_draw_the_same_things(sets: dict[str, Built]) -> None:
    for name in ("skintone", "emojicat"):
        few, more = sets[name].columns, sets[f"{name}-2"].columns
        assert (
            set(few["vendor"])
            < set(more["vendor"])
            == {
                *("twemoji", "emojione", "noto"),
                *(["fluent3d"] if name == "emojicat" else []),  # whose tiny package has no hands
            }
        )
        assert set(few["group"]) == set(more["group"])
    columns = sets["skintone-2"].columns
    folds = set(zip(columns["group"], columns["fold"], strict=True))
    assert len(folds) == len(set(columns["group"]))
    for picture, label in zip(sets["skintone-2"].images, sets["skintone-2"].labels, strict=True):
        assert np.abs(picture[:, 32, 32].astype(int) - TONES[label]).max() <= 2


def test_clip_art_is_a_flag_where_its_name_and_its_colours_are(packages: Path) -> None:
    material = Material(Archives(packages))
    names = {"ad": "Andorra", "ae": "The Emirates", "no": "Norway", "bv": "Bouvet Island"}
    material.meanings = {
        emoji.flag_of(country): emoji.Meaning("Flags", "country-flag", f"{name} Flag")
        for country, name in names.items()
    }
    part = flags.build_more(material)
    # The Emirates' is Norway's by mistake, of the others there is none.
    assert part.columns["name"][12:] == [f"openclipart:{emoji.flag_of('ad')}"]
    assert part.labels[12:] == [part.classes.index("Andorra Flag")]
    assert flags._plain("São Tomé & Príncipe") == "sao_tome_and_principe"


def test_the_manifest_tells_the_packages(built: Path) -> None:
    manifest = json.loads((built / "sets" / store.MANIFEST).read_text())
    assert set(manifest) == set(offline.NAMES)
    assert manifest["fashion"]["archives"] == ["dataset-fashion-mnist_1.0-1_all.deb"]
