"""The photographs, and which task each of them belongs to.

A photograph serves one purpose only: the pictures of the gallery and the backgrounds of the locate
task are never seen in pretraining, and locate's train and test backgrounds differ too.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Literal

from pictures import Distinct, bucket
from PIL import Image
from sources import ENDLESS_SKY, KRANK, Cache, parse_copyright, public_domain_credit

Role = Literal["gallery", "locate train", "locate test", "pretrain"]

# Photograph -> (centre x, centre y, side of the square), as fractions of the photograph's height.
GALLERY = {
    "endless-sky/sky8": (0.80, 0.50, 1.00),
    "krank/level-06": (0.83, 0.50, 1.00),
    "endless-sky/beach5": (0.55, 0.50, 1.00),
    "endless-sky/mountain3": (1.18, 0.50, 1.00),
    "krank/level-28": (0.60, 0.50, 1.00),
    "endless-sky/fields5": (1.05, 0.50, 1.00),
    "endless-sky/badlands3": (1.05, 0.50, 1.00),
    "krank/level-09": (0.60, 0.50, 1.00),
    "endless-sky/sky6": (0.95, 0.50, 1.00),
    "endless-sky/city11": (1.20, 0.50, 1.00),
    "krank/level-20": (0.66, 0.50, 1.00),
    "endless-sky/water0": (0.85, 0.50, 1.00),
    "endless-sky/desert2": (0.85, 0.50, 1.00),
    "krank/level-07": (0.75, 0.50, 1.00),
    "endless-sky/forest0": (1.40, 0.50, 1.00),
    "endless-sky/earthrise": (1.00, 0.50, 1.00),
    "krank/level-10": (0.66, 0.50, 1.00),
    "endless-sky/snow3": (1.20, 0.50, 1.00),
    "endless-sky/fields3": (1.35, 0.50, 1.00),
    "krank/level-14": (0.55, 0.50, 1.00),
    "endless-sky/canyon1": (1.50, 0.50, 1.00),
    "krank/level-29": (0.72, 0.50, 0.85),
    "endless-sky/beach2": (1.25, 0.50, 1.00),
    "krank/level-02": (0.66, 0.48, 0.95),
}
# Indoor, night and space scenes, on which a glyph is hard to see, and views of one place on Mars.
_NO_BACKGROUND = ("nasa", "space", "station", "loc", "earthrise", "lava", "canyon0", "desert0")


@dataclass(frozen=True)
class Photo:
    """A photograph with its name ("source/stem"), its file and whom to credit."""

    name: str
    file: str
    credit: str
    data: bytes

    def open(self) -> Image.Image:
        """The decoded picture."""
        return Image.open(io.BytesIO(self.data)).convert("RGB")

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


def load_photos(cache: Cache) -> list[Photo]:
    """Every usable photograph, without copies of one picture under two names."""
    distinct = Distinct(threshold=8, side=16)
    photos = [*_endless_sky(cache), *_krank(cache)]
    return [photo for photo in photos if distinct.add(photo.open())]


def _stem(path: str) -> str:
    return path.rsplit("/", 1)[-1].rsplit(".", 1)[0]


def _krank(cache: Cache) -> list[Photo]:
    found = cache.read(KRANK, r"/unera-backgrounds/.*\.jpg$")
    return [
        Photo("krank/" + _stem(path), path.rsplit("/", 1)[-1], KRANK.authors, data)
        for path, data in found.items()
    ]


def _endless_sky(cache: Cache) -> list[Photo]:
    (text,) = cache.read(ENDLESS_SKY, r"/doc/endless-sky-data/copyright$").values()
    stanzas = parse_copyright(text.decode())
    photos = []
    for path, data in cache.read(ENDLESS_SKY, r"/images/land/.*\.jpg$").items():
        relative = "images/" + path.split("/images/", 1)[1]
        credit = public_domain_credit(relative, stanzas)
        if credit is not None:
            photos.append(Photo("endless-sky/" + _stem(path), relative, credit, data))
    return photos
