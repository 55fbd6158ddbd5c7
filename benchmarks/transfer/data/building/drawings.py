"""Clip art and rendered furniture."""

from __future__ import annotations

import re
from collections.abc import Iterator

from transfer.data.building.packages import OPENCLIPART, SWEETHOME, Archives, unzipped
from transfer.data.building.pictures import cutout, is_flat, is_grey, pixels
from transfer.data.building.rows import Row

PACKAGES = (OPENCLIPART, SWEETHOME)
# Flags are for a task, stars and gradients hardly differ.
_LEFT_OUT = re.compile(r"signs_and_symbols/flags|shapes/stars|gradients|duplicates|flags?[_/-]")


def clipart_rows(archives: Archives) -> Iterator[Row]:
    """Coloured clip art; a class is a folder of at most two levels."""
    for path, data in archives.members(OPENCLIPART, r"\.png$"):
        if _LEFT_OUT.search(path):
            continue
        try:
            image = cutout(data)
        except OSError:  # a few files are no pictures
            continue
        if image is None:
            continue
        picture = pixels(image)
        if is_grey(picture, 12) or is_flat(picture, 12):
            continue
        name = path.split("/png/")[-1]
        kind = "/".join(name.split("/")[:-1][:2])
        yield Row(picture, "clipart:openclipart", name, "clipart", kind)


def furniture_rows(archives: Archives) -> Iterator[Row]:
    """Icons of furniture; a class is a category of the catalogue."""
    for _, data in archives.members(SWEETHOME, r"\.sh3f$"):
        package = unzipped(data)
        catalogue = package.read("PluginFurnitureCatalog.properties").decode("latin1")
        categories = dict(re.findall(r"^category#(\d+)\s*=\s*(.*?)\s*$", catalogue, re.M))
        for number, icon in re.findall(r"^icon#(\d+)\s*=\s*/?(\S+)", catalogue, re.M):
            if icon not in package.namelist():
                continue
            image = cutout(package.read(icon))
            if image is not None:
                kind = categories.get(number, "other")
                yield Row(pixels(image), "render:sweethome3d", icon, "furniture", kind)
