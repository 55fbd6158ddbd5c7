"""Makes the quickstart's pack.

Nothing is drawn from a clock or an unseeded generator: the same archives and the same Pillow give
the same bytes. The pack is committed, so that only people who want to change it need to make it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from transfer.data.building.fetch import fetch
from transfer.data.building.material import Material
from transfer.data.building.pack.attribution import SOURCES, attribution, listed
from transfer.data.building.pack.photos import Photo, load_photos
from transfer.data.building.pack.pretrain import pretrain
from transfer.data.building.pack.sheets import Sheet, index
from transfer.data.building.pack.tasks import category, flags, gallery, locate, skintone
from transfer.data.building.packages import Archives
from transfer.data.building.pictures import trusted_pictures
from transfer.data.errors import DataError

BUDGET = 6_000_000


def make(packages: Path, folder: Path, say: Callable[[str], None] = print) -> None:
    """Write one contact sheet a task, index.json and ATTRIBUTION.md.

    Args:
        packages: where archives are, or go to.
        folder: to write to.
        say: called with a line on every part.

    Raises:
        FetchError: if a package is not there and apt-get or npm cannot get it.
        PackageError: if a package is damaged.
        DataError: if the pack has outgrown its budget.
    """
    fetch(packages, [package for package, _ in SOURCES.values()], say)
    total = 0
    sheets = []
    with trusted_pictures():
        archives = Archives(packages)
        photos = load_photos(archives)
        for sheet in _sheets(Material(archives), photos):
            size = sheet.save(folder)
            say(f"{sheet.name:9} {len(sheet.tiles):5} tiles {size:9,} bytes")
            sheets.append(sheet)
            total += size
    texts = {
        "index.json": index(sheets, listed(packages)),
        "ATTRIBUTION.md": attribution(packages, photos, sheets),
    }
    for name, text in texts.items():
        total += (folder / name).write_bytes(text.encode())
    if total > BUDGET:
        raise DataError(f"a pack of at most {BUDGET:,} bytes", f"{total:,}", "Take fewer tiles.")


def _sheets(material: Material, photos: list[Photo]) -> Iterator[Sheet]:
    yield pretrain(material, photos)
    yield skintone(material)
    yield flags(material)
    yield locate(material, photos)
    yield category(material)
    yield gallery(photos)
