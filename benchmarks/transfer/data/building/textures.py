"""Photo-sourced textures of a game; those whose name says a material are kept for a task."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

from transfer.data.building.packages import TEXTURES, Archives, unzipped
from transfer.data.building.pictures import (
    Thumb,
    is_flat,
    opened,
    pixels,
    random_crops,
    square,
    thumb,
)
from transfer.data.building.rows import Row

MATERIALS = {  # the first that matches
    "grass": r"grass|hedge",
    "wood": r"wood|parkett|parquet",
    "brick": r"brick",
    "rock": r"rock|stone",
    "metal": r"metal|steel",
    "dirt": r"dirt(?!y)_?(se|\d)|^dirt|soil",
    "concrete": r"concrete|asphalt",
    "carpet": r"carpet",
    "tile": r"tile",
    "roof": r"roof",
    "snow": r"snow|ice0",
}
_PICTURE = re.compile(r"\.(jpg|png)$")
_OTHER_MAP = re.compile(r"_(nm|sm|gm|rm|n|s|spec|norm|normal|glow)\.\w+$")  # not what is seen
_NO_TEXTURE = re.compile(r"tex_(common|lights|anim|mattn_)|glow|light|alpha")


@dataclass(frozen=True)
class Texture:
    """A texture, kept encoded since all of them decoded are more than a gigabyte."""

    name: str
    stem: str
    material: str | None
    data: bytes
    thumb: Thumb

    def image(self) -> Image.Image:
        """Decode it."""
        return opened(self.data).convert("RGB")


def read_textures(archives: Archives) -> list[Texture]:
    """All textures that show something: no decals, normal maps or lights."""
    found = []
    for _, data in archives.members(TEXTURES, r"\.pk3$"):
        package = unzipped(data)
        for name in sorted(package.namelist()):
            if _PICTURE.search(name) and not (_OTHER_MAP.search(name) or _NO_TEXTURE.search(name)):
                texture = _read(name, package.read(name))
                if texture is not None:
                    found.append(texture)
    return found


def rows(textures: list[Texture], rng: random.Random) -> Iterator[Row]:
    """The whole and three crops of each texture that the materials task does not show."""
    kept = np.stack([texture.thumb for texture in textures if texture.material])
    for texture in textures:
        distance = np.sqrt(((kept - texture.thumb) ** 2).mean((1, 2, 3))).min()
        if texture.material or distance < 6:
            continue
        image = texture.image()
        side = min(image.size)
        views = random_crops(image, 3, rng, scale=(0.35, 0.8), smallest=64)
        if max(image.size) <= 2 * side:
            whole = pixels(square(ImageOps.fit(image, (side, side))))
            views = views if is_flat(whole) else [whole, *views]
        for view in views:
            yield Row(view, "texture:ufoai", texture.name, "texture", _kind(texture))


def _read(name: str, data: bytes) -> Texture | None:
    image = opened(data)
    if image.mode in ("RGBA", "LA", "P"):
        least_opaque, _ = image.convert("RGBA").getchannel("A").getextrema()
        if least_opaque < 200:  # a decal
            return None
    image = image.convert("RGB")
    if min(image.size) < 64:
        return None
    small = thumb(image)
    red, green, blue = small.astype(float).mean((0, 1))
    if blue > 200 and abs(red - 128) < 50 and abs(green - 128) < 50:  # a normal map
        return None
    stem = name.rsplit("/", 1)[-1].rsplit(".", 1)[0].lower()
    material = next((key for key, rule in MATERIALS.items() if re.search(rule, stem)), None)
    return Texture(name, stem, material, data, small)


def _kind(texture: Texture) -> str:
    """Folder and first word of the name: ``buildings/wall``."""
    folder = texture.name.split("/")[-2].removeprefix("tex_")
    word = re.match(r"[a-z]*", texture.stem)
    assert word is not None
    return f"{folder}/{word.group()}"
