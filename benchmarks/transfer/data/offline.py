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
from transfer.data.building.pictures import FINEST, SIDE, stored_at, trusted_pictures
from transfer.data.building.registry import RECIPES
from transfer.data.building.rows import Built
from transfer.data.memory import InMemory
from transfer.data.offline_tasks import (
    SETTINGS,
    held_out_task,
    set_of,
    task,
    trained_and_held_out,
)
from transfer.data.sets import Setting

NAMES = tuple(RECIPES)


def fetch_and_build(
    folder: Path,
    names: Sequence[str] = NAMES,
    packages: Path | None = None,
    progress: bool = True,
    *,
    stored: int = SIDE,
) -> list[str]:
    """Download packages and build sets, only what is missing, damaged or of another version.

    Args:
        folder: the sets go into ``folder/sets``.
        names: of the sets to have.
        packages: where archives are, or go to; ``folder/packages`` by default. They may be deleted
            when all is built.
        progress: draw progress bars.
        stored: side of the pictures in pixels, from 64 to 80. Sets of another side than 64 are
            others, in ``folder/sets-80``: they are cut anew from the packages, not enlarged.

    Returns:
        Names of the sets that were built; none if all were there.

    Raises:
        ValueError: if a name is unknown, or ``stored`` is no such side.
        FetchError: if a package is not there and apt-get or npm cannot get it.
        PackageError: if a package is damaged.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(f"Unknown sets {unknown}; the offline setting has: {', '.join(NAMES)}.")
    sets = _sets(folder, stored)
    wanted = [name for name in names if store.fault(sets, name)]
    if not wanted:
        return []
    packages = packages or folder / "packages"
    needed = [package for name in wanted for package in RECIPES[name].packages]
    with _bars(progress) as bars:
        lacking = missing(packages, needed)
        if lacking:
            bar = bars.add_task("downloading", total=len(lacking))
            fetch(packages, lacking, lambda name: bars.update(bar, advance=1, description=name))
        with stored_at(stored):
            _build(sets, wanted, packages, bars)
    return wanted


def sets_of(name: str) -> tuple[str, ...]:
    """Names of the sets that a setting is made of."""
    asked = (set_of(each, kind) for each, kind in SETTINGS[name].items())
    return tuple(dict.fromkeys(["pretrain", *asked]))


def load(folder: Path, size: int = SIDE, name: str = "offline", *, stored: int = SIDE) -> Setting:
    """Read all sets into memory.

    Args:
        folder: what ``fetch_and_build`` was given.
        size: side of the pictures, at most ``stored``. Resized ones are kept in
            ``folder/resized``.
        name: ``offline``, or ``offline-2``: the same to pretrain on, more to test on.
        stored: side at which they were built.

    Returns:
        The setting: pretraining pictures with classes for the supervised method, one in ten of
        them held out, and seven or ten tasks.

    Raises:
        ValueError: if ``size`` is not 1 … ``stored``.
        BrokenSetError: if a set is missing, damaged or of another version.
    """
    return setting(name, *read(folder, size, name, stored=stored))


def read(
    folder: Path, size: int = SIDE, name: str = "offline", *, stored: int = SIDE
) -> tuple[dict[str, Built], dict[str, Tensor]]:
    """Read a setting's sets, and their pictures at a size, see :func:`load`."""
    if not 1 <= size <= stored:
        raise ValueError(
            f"The pictures are stored at {stored} pixels; expected 1 to {stored}: {size}."
        )
    place = _sets(folder, stored)
    sets = {each: store.read(place, each) for each in sets_of(name)}
    if size == stored:
        return sets, {each: torch.from_numpy(built.images) for each, built in sets.items()}
    return sets, {each: _resized(place, each, built, size) for each, built in sets.items()}


def stored_for(size: int) -> int:
    """At which side pictures are stored that are wanted at ``size``: 64, or larger ones as such."""
    return max(SIDE, size)


def setting(
    name: str,
    sets: Mapping[str, Built],
    images: Mapping[str, Tensor],
    tasks: str = "",
) -> Setting:
    """Make a setting of its sets and their pictures; ``tasks`` says whose, if not the name."""
    kinds = SETTINGS[tasks or name]
    pretrain = sets["pretrain"]
    trained, _ = trained_and_held_out(pretrain)
    pictures: dict[str, InMemory[Tensor]] = {each: InMemory(images[each]) for each in sets}
    return Setting(
        name=name,
        pretrain=InMemory(images["pretrain"][trained], torch.tensor(pretrain.labels)[trained]),
        classes=len(pretrain.classes),
        held_out=held_out_task(pretrain, images["pretrain"]),
        tasks={
            each: task(each, kind, sets[set_of(each, kind)], pictures[set_of(each, kind)])
            for each, kind in kinds.items()
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


def _sets(folder: Path, stored: int) -> Path:
    if not SIDE <= stored <= FINEST:
        raise ValueError(f"Pictures are stored at {SIDE} to {FINEST} pixels, not at {stored}.")
    return folder / ("sets" if stored == SIDE else f"sets-{stored}")


def _resized(sets: Path, name: str, built: Built, size: int) -> Tensor:
    """A set's pictures at a smaller size; made once, kept beside the sets under its digest."""
    digest = store.digest(sets, name)
    path = sets.parent / "resized" / f"{name}-{size}-{digest[:16]}.npy"
    if not path.is_file():
        store.write_array(path, resized(torch.from_numpy(built.images), size).numpy())
    return torch.from_numpy(np.load(path))
