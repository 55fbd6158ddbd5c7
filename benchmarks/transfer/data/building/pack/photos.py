"""The photographs, and which task each of them belongs to.

A photograph serves one purpose only: the pictures of the gallery and the backgrounds of the locate
task are never seen in pretraining, and locate's train and test backgrounds differ too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

from PIL import Image

from transfer.data.building.pack.debian_copyright import public_domain_credit, stanzas
from transfer.data.building.pack.glyphs import bucket
from transfer.data.building.packages import ENDLESS_SKY, KRANK, Archives
from transfer.data.building.photographs import LAND, WALLPAPERS
from transfer.data.building.pictures import Distinct, photograph, thumb

Role = Literal["gallery", "locate train", "locate test", "pretrain"]

# Photograph -> (centre x, centre y, side of the square), as fractions of the photograph's height.
GALLERY = {
    "endless-sky/sky8": (0.80, 0.5, 1),
    "krank/level-06": (0.83, 0.5, 1),
    "endless-sky/beach5": (0.55, 0.5, 1),
    "endless-sky/mountain3": (1.18, 0.5, 1),
    "krank/level-28": (0.60, 0.5, 1),
    "endless-sky/fields5": (1.05, 0.5, 1),
    "endless-sky/badlands3": (1.05, 0.5, 1),
    "krank/level-09": (0.60, 0.5, 1),
    "endless-sky/sky6": (0.95, 0.5, 1),
    "endless-sky/city11": (1.20, 0.5, 1),
    "krank/level-20": (0.66, 0.5, 1),
    "endless-sky/water0": (0.85, 0.5, 1),
    "endless-sky/desert2": (0.85, 0.5, 1),
    "krank/level-07": (0.75, 0.5, 1),
    "endless-sky/forest0": (1.40, 0.5, 1),
    "endless-sky/earthrise": (1.00, 0.5, 1),
    "krank/level-10": (0.66, 0.5, 1),
    "endless-sky/snow3": (1.20, 0.5, 1),
    "endless-sky/fields3": (1.35, 0.5, 1),
    "krank/level-14": (0.55, 0.5, 1),
    "endless-sky/canyon1": (1.50, 0.5, 1),
    "krank/level-29": (0.72, 0.50, 0.85),
    "endless-sky/beach2": (1.25, 0.5, 1),
    "krank/level-02": (0.66, 0.48, 0.95),
}
# Indoor, night and space scenes, on which a glyph is hard to see, and views of one place on Mars.
_NO_BACKGROUND = ("nasa", "space", "station", "loc", "earthrise", "lava", "canyon0", "desert0")


@dataclass(frozen=True)
class Photo:
    """A photograph with its name ("source/stem") and whom to credit."""

    name: str
    credit: str
    data: bytes

    def open(self) -> Image.Image:
        """The decoded picture."""
        return photograph(self.data)

    @property
    def role(self) -> Role:
        """The one purpose this photograph serves."""
        if self.name in GALLERY:
            return "gallery"
        source, stem = self.name.split("/")
        if source == "krank" or stem.startswith(_NO_BACKGROUND):
            return "pretrain"
        number = bucket("photo:" + self.name)
        return "locate train" if number < 3 else "locate test" if number == 3 else "pretrain"


def load_photos(archives: Archives) -> list[Photo]:
    """Every usable photograph, without copies of one picture under two names."""
    distinct = Distinct(threshold=8)
    photos = [*_endless_sky(archives), *_krank(archives)]
    return [photo for photo in photos if distinct.add(thumb(photo.open()))]


def _krank(archives: Archives) -> Iterator[Photo]:
    pattern, _ = WALLPAPERS[KRANK]
    for path, data in sorted(archives.members(KRANK, pattern)):
        yield Photo("krank/" + PurePosixPath(path).stem, "Slava Anishenko", data)


def _endless_sky(archives: Archives) -> Iterator[Photo]:
    ((_, text),) = archives.members(ENDLESS_SKY, r"/doc/endless-sky-data/copyright$")
    known = stanzas(text.decode())
    for path, data in sorted(archives.members(ENDLESS_SKY, LAND)):
        credit = public_domain_credit("images/" + path.split("/images/", 1)[1], known)
        if credit is not None:
            yield Photo("endless-sky/" + PurePosixPath(path).stem, credit, data)
