"""Which pictures a run sees: one name for the command line, one :class:`Setting` for the code."""

from __future__ import annotations

import os
from pathlib import Path

from transfer.data import bundle, downstream, offline, offline_tasks, pack_setting
from transfer.data.errors import DataError
from transfer.data.sets import Setting

SMALL = (*offline_tasks.SETTINGS, *bundle.NAMES, "pack")
"""Settings for small machines: small pictures, networks and evaluations."""
NAMES = (*SMALL, *downstream.NAMES)
LARGEST = 64
"""Side of the pictures as the pack and the offline set have them."""
SMOKE = 200
"""How many pictures of each kind a smoke test reads."""


def load(
    name: str,
    path: Path | None,
    picture: int | None,
    view: int,
    *,
    download: bool = False,
    classes: Path | None = None,
    smoke: bool = False,
) -> Setting:
    """Load a data setting.

    Args:
        name: one of NAMES.
        path: folder of the pictures, or the bundle; the pack needs none.
        picture: side in pixels of the pictures that views are cropped of; ``None`` for the largest.
        view: side in pixels of the views, which real sets' pictures are brought to at once.
        download: let torchvision download what is missing.
        classes: file with the wanted classes of ImageNet.
        smoke: a part of the pack is enough.

    Raises:
        DataError: no folder was given, or it is not what it should be.
    """
    if name == "pack":
        return pack_setting.load(picture or LARGEST, SMOKE if smoke else None)
    if path is None:
        raise DataError(f"the folder of the pictures of --data {name}", "none", "Give --path.")
    if name in offline_tasks.SETTINGS:
        size = picture or LARGEST
        stored = offline.stored_for(size)
        offline.fetch_and_build(path, offline.sets_of(name), stored=stored)
        return offline.load(path, size, name, stored=stored)
    if name in bundle.NAMES:
        return bundle.load(path, picture, name)
    first = os.environ.get("RANK", "0") == "0"
    return downstream.load(
        name,
        path,
        view,
        download=download and first,
        classes=classes,
        pretrain_size=picture or LARGEST,
        say=print if first else lambda _: None,
    )
