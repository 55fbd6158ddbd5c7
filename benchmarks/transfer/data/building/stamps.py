"""Cut-out photographs: the stamps of a children's paint program."""

from __future__ import annotations

import re
from typing import NamedTuple

from PIL import Image

from transfer.data.building.packages import STAMPS, Archives
from transfer.data.building.pictures import Pixels, cutout, opened, pixels

KINDS = {
    "mammal": r"animals/(mammals|marsupials)/",
    "bird": r"animals/birds/",
    "fruit": r"food/fruit/",
    "vegetable": r"food/vegetables/",
    "flower": r"plants/flowers/",
    "coin": r"symbols/money/(canadian|euro|japanese|us)/",
    "tool": r"household/(tools|arttools)/",
    "vehicle": r"vehicles/",
    "planet": r"space/(planets|moon)/",
    "music": r"hobbies/music/",
    "fish": r"animals/fish/",
}


class Stamp(NamedTuple):
    """A stamp on white, and cut out (RGBA, at most 160 pixels) to paste it elsewhere."""

    name: str
    kind: str
    picture: Pixels
    cut: Image.Image


def read_stamps(archives: Archives) -> list[Stamp]:
    """The stamps that are photographs of something we have a class for."""
    found = []
    for path, data in archives.members(STAMPS, r"/stamps/.*\.png$"):
        name = path.split("/stamps/")[1]
        kind = next((key for key, rule in KINDS.items() if re.match(rule, name)), None)
        if kind is None or re.search(r"cartoon|toys|plastic", name):
            continue
        image = cutout(data)
        if image is not None:
            found.append(Stamp(name, kind, pixels(image), _cut(data)))
    return found


def _cut(data: bytes) -> Image.Image:
    image = opened(data).convert("RGBA")
    image = image.crop(image.getchannel("A").getbbox())
    image.thumbnail((160, 160), Image.Resampling.LANCZOS)
    return image
