"""The offline set as one small file, for machines that can fetch nothing.

    from transfer.data import bundle

    bundle.write(Path("offline"), 40, Path("offline-40.zip"))  # here
    setting = bundle.load(Path("offline-40.zip"), 40)  # there

Its pictures are stored as WebP, which changes them a little: runs on it have a name of their own
and are never compared with runs on the offline set.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import io
import itertools
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from transfer.data import offline
from transfer.data.building import store
from transfer.data.building.pictures import SIDE
from transfer.data.building.rows import Built
from transfer.data.errors import DataError
from transfer.data.sets import Setting
from transfer.files import replace

NAME = "offline-webp"
NAMES = {NAME: "offline", "offline-2-webp": "offline-2"}
"""Names of the settings, and whose sets they are."""
QUALITY = 90
"""Of WebP, for pictures of at most 64 pixels."""
QUALITY_OF_LARGE = 70
"""Of larger ones: at 80 pixels, 33 MB."""
VERSION = 1
SET = "{name}.webp", "{name}.npy", "{name}.json"
"""Of every set: its pictures one after another, where each begins and the last ends, the rest."""


def write(
    folder: Path, size: int, file: Path, name: str = NAMES[NAME], *, quality: int | None = None
) -> int:
    """Write a setting's sets at one size.

    Args:
        folder: what ``offline.fetch_and_build`` was given.
        size: side of the pictures, at most 80.
        file: to write to.
        name: of the offline setting whose sets these are.
        quality: of WebP, 1 to 100. The bundle's file says it.

    Returns:
        Its length in bytes.
    """
    sets, images = offline.read(folder, size, name, stored=offline.stored_for(size))
    quality = quality or (QUALITY if size <= SIDE else QUALITY_OF_LARGE)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(
            "bundle.json", json.dumps({"version": VERSION, "size": size, "quality": quality})
        )
        for each, built in sets.items():
            rows = images[each].permute(0, 2, 3, 1).numpy()
            coded = [_coded(picture, quality) for picture in rows]
            ends = np.cumsum([0, *map(len, coded)])
            offsets = io.BytesIO()
            np.save(offsets, ends)
            rest = dataclasses.asdict(dataclasses.replace(built, images=np.empty(0, np.uint8)))
            del rest["images"]
            packed = zipfile.ZIP_DEFLATED
            pictures, places, content = (part.format(name=each) for part in SET)
            archive.writestr(pictures, b"".join(coded))
            archive.writestr(places, offsets.getvalue(), packed)
            archive.writestr(content, json.dumps(rest), packed)
    replace(file, lambda target: target.write(buffer.getbuffer()))
    return file.stat().st_size


def load(file: Path, size: int | None = None, name: str = NAME) -> Setting:
    """Read all sets into memory, as :func:`transfer.data.offline.load` does.

    Pictures are decoded once, and kept in a folder beside the bundle where that can be written:
    many runs at a time, each on a core, would else spend theirs on decoding.

    Args:
        file: what :func:`write` wrote.
        size: the side that the pictures shall have, in pixels; ``None`` for whatever they have.
        name: one of :data:`NAMES`.

    Raises:
        DataError: no bundle, or one of another size or version.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            found = json.loads(archive.read("bundle.json"))
            wanted = VERSION, size or found.get("size")
            if (found.get("version"), found.get("size")) != wanted:
                raise DataError(
                    f"a bundle of version {VERSION} with pictures of {size} pixels in {file}",
                    f"version {found.get('version')} with {found.get('size')} pixels",
                    f"Write one: python -m transfer bundle --path OFFLINE --size {size}",
                )
            kept = file.with_name(f"{file.name}.decoded")
            read = {each: _read(archive, each, kept) for each in offline.sets_of(NAMES[name])}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(
            f"the offline set as one file in {file}",
            f"{type(error).__name__}: {error}",
            "Write it where the set is: python -m transfer bundle --data "
            f"{NAMES[name]} --path OFFLINE --out FILE.",
        ) from error
    images = {each: torch.from_numpy(built.images) for each, built in read.items()}
    return offline.setting(name, read, images, NAMES[name])


def _coded(picture: npt.NDArray[np.uint8], quality: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "WEBP", quality=quality)
    return buffer.getvalue()


def _read(archive: zipfile.ZipFile, name: str, kept: Path) -> Built:
    pictures, places, content = (archive.read(part.format(name=name)) for part in SET)
    rest: dict[str, Any] = json.loads(content)
    path = kept / f"{name}-{hashlib.sha256(pictures).hexdigest()[:16]}.npy"
    if path.is_file():
        return Built(np.load(path), **rest)
    images = _decoded(pictures, np.load(io.BytesIO(places)).tolist())
    with contextlib.suppress(OSError):  # a folder that cannot be written costs time alone
        store.write_array(path, images)
    return Built(images, **rest)


def _decoded(pictures: bytes, ends: list[int]) -> npt.NDArray[np.uint8]:
    decoded = [
        np.asarray(Image.open(io.BytesIO(pictures[first:last])).convert("RGB"))
        for first, last in itertools.pairwise(ends)
    ]
    return np.stack(decoded).transpose(0, 3, 1, 2).copy()
