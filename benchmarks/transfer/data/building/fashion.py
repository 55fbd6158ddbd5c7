"""Which garment a grey picture shows: a control that colour cannot help."""

from __future__ import annotations

import gzip

import numpy as np
from PIL import Image

from transfer.data.building.material import Material
from transfer.data.building.packages import FASHION_MNIST
from transfer.data.building.pictures import pixels, stored_side
from transfer.data.building.rows import Built

PACKAGES = (FASHION_MNIST,)
CLASSES = [
    *("tshirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "boot"),
]
PARTS = {"train": 4000, "t10k": 2000}  # the first so many of each


def build(material: Material) -> Built:
    """The first pictures of Fashion-MNIST's two parts; ``split`` is 0 to train, 1 to test."""
    members = material.archives.members(FASHION_MNIST, r"/fashion-mnist/.*ubyte\.gz$")
    files = {path.rsplit("/", 1)[-1]: gzip.decompress(data) for path, data in members}
    pictures, labels, split = [], [], []
    side = stored_side()
    for number, (part, count) in enumerate(PARTS.items()):
        grey = np.frombuffer(files[f"{part}-images-idx3-ubyte.gz"], np.uint8, offset=16)
        kinds = np.frombuffer(files[f"{part}-labels-idx1-ubyte.gz"], np.uint8, offset=8)
        for picture in grey.reshape(-1, 28, 28)[:count]:
            image = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
            pictures.append(pixels(image.convert("RGB")))
        labels += kinds[:count].tolist()
        split += [number] * len(kinds[:count])
    return Built(np.stack(pictures), labels, list(CLASSES), {"split": split})
