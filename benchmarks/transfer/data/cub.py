"""CUB-200-2011: birds for few-shot episodes, and their boxes for localization."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from transfer.data.entries import Entry
from transfer.data.errors import DataError
from transfer.data.folders import ClassFolders
from transfer.data.listings import table
from transfer.data.reading import Source, classes_of, labels_of

FOLDER = "CUB_200_2011"


def _read(path: Path, download: bool) -> Source:  # noqa: ARG001
    """Read pictures, labels and the set's own split."""
    folder = path / FOLDER
    pictures = ClassFolders(folder / "images")
    ids = _ids(folder, pictures)
    side = _column(folder / "train_test_split.txt", 1, ids)[:, 0]
    splits = {"train": torch.where(side == 1)[0], "test": torch.where(side == 0)[0]}
    return Source(pictures, labels_of(pictures), classes_of(pictures), splits)


def _read_boxes(path: Path, download: bool) -> Source:
    """Read the same with the bird's box, in pixels there, as fractions of its picture here."""
    folder = path / FOLDER
    pictures = ClassFolders(folder / "images")
    pixels = _column(folder / "bounding_boxes.txt", 4, _ids(folder, pictures))
    return _read(path, download)._replace(boxes=_fractions(pixels, _sides(pictures)))


def _fractions(pixels: Tensor, sides: Tensor) -> Tensor:
    """Turn left, top, width, height in pixels into centre x, y, width, height in fractions.

    Args:
        pixels: ``(N, 4)``.
        sides: width and height of every picture in pixels, ``(N, 2)``.

    Returns:
        ``(N, 4)``; what lies outside of the picture is cut off.
    """
    start = (pixels[:, :2] / sides).clamp(0, 1)
    end = ((pixels[:, :2] + pixels[:, 2:]) / sides).clamp(0, 1)
    return torch.cat([(start + end) / 2, end - start], dim=1)


def _sides(pictures: ClassFolders) -> Tensor:
    """Width and height of every picture ``(N, 2)``, from the files' headers alone."""
    sides = []
    for file, _ in pictures.samples:
        with Image.open(file) as picture:
            sides.append(picture.size)
    return torch.tensor(sides, dtype=torch.float32)


def _ids(folder: Path, pictures: ClassFolders) -> list[str]:
    """The number that the set's text files give each row's picture."""
    id_of = {name: number for number, (name,) in table(folder / "images.txt", 1).items()}
    if missing := [file for file in pictures.files if file not in id_of]:
        raise DataError(
            f"every picture of {folder / 'images'} in images.txt",
            f"{len(missing)} not in it: {', '.join(missing[:3])}",
            "Unpack the set again, and add no pictures.",
        )
    return [id_of[file] for file in pictures.files]


def _column(file: Path, columns: int, ids: list[str]) -> Tensor:
    """Numbers that a text file has of each id, float32 ``(N, columns)``."""
    values = table(file, columns)
    if missing := [number for number in ids if number not in values]:
        raise DataError(
            f"a line for each of {len(ids)} pictures in {file}",
            f"none for {', '.join(missing[:3])}",
            "Unpack the set again.",
        )
    return torch.tensor([[float(value) for value in values[number]] for number in ids])


_LAYOUT = "images/<class>/*.jpg, images.txt, train_test_split.txt, bounding_boxes.txt"

SETS = (
    Entry(
        name="cub200",
        folder=FOLDER,
        read=_read,
        layout=_LAYOUT,
        lives_on="color",
        few_shot=True,
        linear=False,
    ),
    Entry(
        name="cub200_boxes",
        folder=FOLDER,
        read=_read_boxes,
        layout=_LAYOUT,
        lives_on="position",
        whole=True,
        linear=False,
    ),
)
"""Twice: a centre crop would cut boxes off, so the second shows the whole picture, squashed into
the square; a box in fractions is then the same before and after."""
