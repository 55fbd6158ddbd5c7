"""Finished sets on the disk: whole, unbroken and of this version, or refused by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from transfer.data.building.rows import Built
from transfer.errors import TransferError
from transfer.files import replace

VERSION = 1  # raise it when a builder's output changes
MANIFEST = "manifest.json"


class BrokenSetError(TransferError, RuntimeError):
    """A set is missing, damaged or of another version."""


def write(folder: Path, name: str, built: Built, archives: list[str]) -> None:
    """Store a set, then enter it in the manifest: an interrupted write leaves no entry.

    Args:
        folder: of the sets.
        name: of the set.
        built: the set.
        archives: file names of the packages that it was built from, to tell their versions.
    """
    content = {"labels": built.labels, "classes": built.classes, "columns": built.columns}
    write_array(folder / f"{name}.npy", built.images)
    replace(folder / f"{name}.json", lambda file: file.write(json.dumps(content).encode()))
    entry = {
        "version": VERSION,
        "pictures": len(built.images),
        "archives": archives,
        "sha256": {file: _sha256(folder / file) for file in _files(name)},
    }
    manifest = _manifest(folder) | {name: entry}
    text = json.dumps(manifest, indent=1, sort_keys=True) + "\n"
    replace(folder / MANIFEST, lambda file: file.write(text.encode()))


def fault(folder: Path, name: str) -> str | None:
    """What is wrong with a set, None if nothing is. Reads all of it."""
    entry = _manifest(folder).get(name)
    if entry is None or not all((folder / file).is_file() for file in _files(name)):
        return f"{name} is missing"
    if entry.get("version") != VERSION:
        return f"{name} is of version {entry.get('version')}, expected {VERSION}"
    broken = [file for file in _files(name) if _sha256(folder / file) != entry["sha256"].get(file)]
    return f"{' and '.join(broken)} differ from the manifest" if broken else None


def read(folder: Path, name: str) -> Built:
    """Read a set, its pictures mapped from the file.

    Raises:
        BrokenSetError: if it is missing, damaged or of another version.
    """
    wrong = fault(folder, name)
    if wrong:
        raise BrokenSetError(
            f"{wrong} (in {folder}): transfer.data.offline.fetch_and_build({str(folder.parent)!r})"
            f" builds what is missing or broken."
        )
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    # Copy on write, since torch warns of arrays that cannot be written to.
    images = np.load(folder / f"{name}.npy", mmap_mode="c")
    return Built(images, content["labels"], content["classes"], content["columns"])


def digest(folder: Path, name: str) -> str:
    """SHA-256 of a set's pictures, as the manifest has it."""
    sha256: str = _manifest(folder)[name]["sha256"][f"{name}.npy"]
    return sha256


def write_array(path: Path, array: npt.NDArray[np.uint8]) -> None:
    """Save an array at once: whoever reads finds all of it or nothing."""
    replace(path, lambda file: np.save(file, array))


def _files(name: str) -> tuple[str, str]:
    return f"{name}.npy", f"{name}.json"


def _manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # vouches for nothing: all is built anew
    return content if isinstance(content, dict) else {}


def _sha256(path: Path) -> str:
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            hasher.update(chunk)
    return hasher.hexdigest()
