"""The offline setting: real pictures out of Debian and npm packages, for machines without a GPU.

    from transfer.data import offline

    offline.fetch_and_build(Path("offline"))  # once: downloads 1.2 GB, builds 0.5 GB in minutes
    setting = offline.load(Path("offline"), size=64)

Building needs up to 5 GB of memory (two of the drawings are 21,000 pixels wide) and some minutes of
one core. Whose pictures these are is in ``SOURCES.md``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from _shared.images import resized
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from torch import Tensor

from transfer.data.building import store
from transfer.data.building.fetch import fetch, missing
from transfer.data.building.material import Material
from transfer.data.building.packages import Archives
from transfer.data.building.pictures import SIDE, trusted_pictures
from transfer.data.building.registry import RECIPES
from transfer.data.building.rows import Built
from transfer.data.memory import InMemory
from transfer.data.offline_tasks import TASKS, held_out_task, task, trained_and_held_out
from transfer.data.sets import Setting

NAMES = tuple(RECIPES)


def fetch_and_build(
    folder: Path,
    names: Sequence[str] = NAMES,
    packages: Path | None = None,
    progress: bool = True,
) -> list[str]:
    """Download packages and build sets, only what is missing, damaged or of another version.

    Args:
        folder: the sets go into ``folder/sets``.
        names: of the sets to have.
        packages: where archives are, or go to; ``folder/packages`` by default. They may be deleted
            when all is built.
        progress: draw progress bars.

    Returns:
        Names of the sets that were built; none if all were there.

    Raises:
        ValueError: if a name is unknown.
        FetchError: if a package is not there and apt-get or npm cannot get it.
        PackageError: if a package is damaged.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(f"Unknown sets {unknown}; the offline setting has: {', '.join(NAMES)}.")
    wanted = [name for name in names if store.fault(folder / "sets", name)]
    if not wanted:
        return []
    packages = packages or folder / "packages"
    needed = [package for name in wanted for package in RECIPES[name].packages]
    with _bars(progress) as bars:
        lacking = missing(packages, needed)
        if lacking:
            bar = bars.add_task("downloading", total=len(lacking))
            fetch(packages, lacking, lambda name: bars.update(bar, advance=1, description=name))
        _build(folder / "sets", wanted, packages, bars)
    return wanted


def load(folder: Path, size: int = SIDE) -> Setting:
    """Read all sets into memory.

    Args:
        folder: what ``fetch_and_build`` was given.
        size: side of the pictures, at most 64. Resized pictures are kept in ``folder/resized``.

    Returns:
        The setting: pretraining pictures with classes for the supervised method, one in ten of
        them held out, and seven tasks.

    Raises:
        ValueError: if ``size`` is not 1 … 64.
        BrokenSetError: if a set is missing, damaged or of another version.
    """
    return setting("offline", *read(folder, size))


def read(folder: Path, size: int = SIDE) -> tuple[dict[str, Built], dict[str, Tensor]]:
    """Read all sets, and their pictures at a size, see :func:`load`."""
    if not 1 <= size <= SIDE:
        raise ValueError(f"The pictures are stored at {SIDE} pixels; expected 1 to {SIDE}: {size}.")
    sets = {name: store.read(folder / "sets", name) for name in NAMES}
    return sets, {name: _images(folder, name, built, size) for name, built in sets.items()}


def setting(name: str, sets: Mapping[str, Built], images: Mapping[str, Tensor]) -> Setting:
    """Make the setting of all sets and their pictures."""
    pretrain = sets["pretrain"]
    trained, _ = trained_and_held_out(pretrain)
    return Setting(
        name=name,
        pretrain=InMemory(images["pretrain"][trained], torch.tensor(pretrain.labels)[trained]),
        classes=len(pretrain.classes),
        held_out=held_out_task(pretrain, images["pretrain"]),
        tasks={
            task_name: task(task_name, sets[task_name], images[task_name]) for task_name in TASKS
        },
    )


def _build(sets: Path, names: Sequence[str], packages: Path, bars: Progress) -> None:
    done = bars.add_task("building", total=len(names))
    reading = bars.add_task("", total=None)
    archives = Archives(
        packages, lambda name: bars.update(reading, advance=1, description=f"reading {name}")
    )
    material = Material(archives)
    for name in names:
        bars.update(done, description=f"building {name}")
        with trusted_pictures():
            built = RECIPES[name].build(material)
        found = [package.find(packages) for package in RECIPES[name].packages]
        store.write(sets, name, built, [path.name for path in found if path])
        bars.advance(done)


def _bars(visible: bool) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    return Progress(*columns, TimeElapsedColumn(), disable=not visible)


def _images(folder: Path, name: str, built: Built, size: int) -> Tensor:
    """A set's pictures at a size; made once, kept beside the set under its digest."""
    if size == SIDE:
        return torch.from_numpy(built.images)
    digest = store.digest(folder / "sets", name)
    path = folder / "resized" / f"{name}-{size}-{digest[:16]}.npy"
    if not path.is_file():
        store.write_array(path, resized(torch.from_numpy(built.images), size).numpy())
    return torch.from_numpy(np.load(path))
