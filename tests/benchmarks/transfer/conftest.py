"""Small files in each data set's own format, for its real loader to read."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from torchvision import datasets

MODES = ("RGB", "L", "CMYK", "RGBA", "P")
"""Modes that pictures of these sets have; RGBA and palettes lie in files that are named .jpg."""
WIDTH, HEIGHT = 40, 30


def picture(file: Path, number: int = 0, side: tuple[int, int] = (WIDTH, HEIGHT)) -> None:
    """Write a picture; five numbers in a row have five modes."""
    file.parent.mkdir(parents=True, exist_ok=True)
    mode = MODES[number % len(MODES)]
    random = np.random.RandomState(number)
    colors = random.randint(0, 256, (side[1], side[0], 3), dtype=np.uint8)
    kind = "PNG" if mode in ("RGBA", "P") else "JPEG"
    Image.fromarray(colors).convert(mode).save(file, kind)


def text(file: Path, lines: Sequence[str]) -> None:
    """Write lines."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("\n".join(lines) + "\n")


def _md5(file: Path) -> str:
    return hashlib.md5(file.read_bytes(), usedforsecurity=False).hexdigest()


class Formats:
    """Writes data sets under ``root``.

    torchvision compares some files with the checksums of the real ones: only its tables of
    checksums are replaced, by those of the small files.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._patch = root, monkeypatch

    def cifar10(self) -> None:
        folder = self.root / "cifar-10-batches-py"
        for number in range(1, 6):
            self._batch(folder / f"data_batch_{number}", {"labels": [0, 1] * 10}, number)
        self._batch(folder / "test_batch", {"labels": [0, 1] * 3}, 6)
        self._meta(folder / "batches.meta", {"label_names": ["airplane", "automobile"]})
        self._cifar_checksums(datasets.CIFAR10)

    def cifar100(self) -> None:
        folder = self.root / "cifar-100-python"
        fine = {"fine_labels": [0, 1, 2] * 10, "coarse_labels": [0, 0, 1] * 10}
        self._batch(folder / "train", fine, 1)
        self._batch(folder / "test", {name: some[:6] for name, some in fine.items()}, 2)
        names = {"fine_label_names": ["apple", "baby", "bear"], "coarse_label_names": ["a", "b"]}
        self._meta(folder / "meta", names)
        self._cifar_checksums(datasets.CIFAR100)

    def _batch(self, file: Path, labels: dict[str, list[int]], seed: int) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        count = len(next(iter(labels.values())))
        data = np.random.RandomState(seed).randint(0, 256, (count, 3072), dtype=np.uint8)
        new = pickle.dumps({"data": data, **labels}, protocol=2)
        # The real files were written by Python 2, whose NumPy gave dtype 0 and 1, not booleans.
        old = new.replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
        assert old != new
        file.write_bytes(old)

    def _meta(self, file: Path, names: dict[str, list[str]]) -> None:
        file.write_bytes(pickle.dumps(names, protocol=2))

    def _cifar_checksums(self, kind: Any) -> None:
        folder = self.root / kind.base_folder
        for table in ("train_list", "test_list"):
            files = [[name, _md5(folder / name)] for name, _ in getattr(kind, table)]
            self._patch.setattr(kind, table, files)
        meta = {**kind.meta, "md5": _md5(folder / kind.meta["filename"])}
        self._patch.setattr(kind, "meta", meta)

    def stl10(self, *, unlabelled: int = 6) -> None:
        folder = self.root / "stl10_binary"
        folder.mkdir(parents=True)
        random = np.random.RandomState(0)
        for split, count in (("train", 20), ("test", 20), ("unlabeled", unlabelled)):
            # Columns before rows, as MATLAB writes; labels from 1.
            random.randint(0, 256, (count, 3, 96, 96), dtype=np.uint8).tofile(
                folder / f"{split}_X.bin"
            )
            if split != "unlabeled":
                (np.arange(count, dtype=np.uint8) % 2 + 1).tofile(folder / f"{split}_y.bin")
        text(folder / "class_names.txt", ["airplane", "bird"])
        for table in ("train_list", "test_list"):
            names = [name for name, _ in getattr(datasets.STL10, table)]
            files = [[name, _md5(folder / name)] for name in names]
            self._patch.setattr(datasets.STL10, table, files)

    def food101(self) -> None:
        folder = self.root / "food-101"
        for split, numbers in (("train", range(10)), ("test", range(10, 13))):
            names = {food: [f"{food}/{n}" for n in numbers] for food in ("apple_pie", "waffles")}
            for files in names.values():
                for number, name in enumerate(files):
                    picture(folder / "images" / f"{name}.jpg", number)
            text(folder / "meta" / f"{split}.json", [json.dumps(names)])

    def pets(self) -> None:
        folder = self.root / "oxford-iiit-pet"
        pets = (("Abyssinian", 1, 1), ("american_bulldog", 2, 2))  # name, class, cat or dog
        for split, numbers in (("trainval", range(1, 11)), ("test", range(11, 15))):
            lines = []
            for name, label, kind in pets:
                for number in numbers:
                    picture(folder / "images" / f"{name}_{number}.jpg", number)
                    lines.append(f"{name}_{number} {label} {kind} 1")
            text(folder / "annotations" / f"{split}.txt", lines)

    def flowers102(self) -> None:
        folder = self.root / "flowers-102"
        for number in range(1, 13):
            picture(folder / "jpg" / f"image_{number:05d}.jpg", number)
        labels = np.array([[1, 102, 77] * 4], dtype=np.uint8)
        ids = {
            "trnid": np.array([[9, 2, 1]], dtype=np.uint16),
            "valid": np.array([[4, 5, 6]], dtype=np.uint16),
            "tstid": np.array([[7, 8, 3, 10, 11, 12]], dtype=np.uint16),
        }
        savemat(folder / "imagelabels.mat", {"labels": labels})
        savemat(folder / "setid.mat", ids)
        checksums = {
            key: (name, _md5(folder / name) if name.endswith(".mat") else md5)
            for key, (name, md5) in datasets.Flowers102._file_dict.items()
        }
        self._patch.setattr(datasets.Flowers102, "_file_dict", checksums)

    def caltech101(self) -> None:
        folder = self.root / "caltech101"
        for name, count in (("BACKGROUND_Google", 2), ("Faces", 34), ("accordion", 31)):
            for number in range(1, count + 1):
                picture(folder / "101_ObjectCategories" / name / f"image_{number:04d}.jpg", number)
        (folder / "Annotations" / "Faces_2").mkdir(parents=True)
        savemat(
            folder / "Annotations" / "Faces_2" / "annotation_0001.mat", {"obj_contour": np.eye(2)}
        )

    def cars(self) -> None:
        folder = self.root / "stanford_cars"
        (folder / "devkit").mkdir(parents=True)
        kind = np.dtype([("class", object), ("fname", object)])
        lists = (
            ("cars_train", folder / "devkit" / "cars_train_annos.mat", 20),
            ("cars_test", folder / "cars_test_annos_withlabels.mat", 6),
        )
        for name, file, count in lists:
            cars = [(np.uint8(n % 2 + 1), f"{n + 1:05d}.jpg") for n in range(count)]
            for number, (_, car) in enumerate(cars):
                picture(folder / name / car, number)
            savemat(file, {"annotations": np.array([cars], dtype=kind)})
        names = np.array([["AM General Hummer SUV 2000", "Acura RL Sedan 2012"]], dtype=object)
        savemat(folder / "devkit" / "cars_meta.mat", {"class_names": names})

    def aircraft(self) -> None:
        folder = self.root / "fgvc-aircraft-2013b" / "data"
        variants = ["707-320", "Boeing 717"]  # a name may hold a space
        text(folder / "variants.txt", variants)
        for part, split in enumerate(("train", "val", "test")):
            names = [f"{part}{number:06d}" for number in range(4)]
            for number, name in enumerate(names):
                picture(folder / "images" / f"{name}.jpg", number)
            lines = [f"{name} {variants[number % 2]}" for number, name in enumerate(names)]
            text(folder / f"images_variant_{split}.txt", lines)

    def dtd(self) -> None:
        folder = self.root / "dtd" / "dtd"
        for part, split in enumerate(("train", "val", "test")):
            lines = [
                f"{t}/{t}_{part}{n:03d}.jpg" for t in ("banded", "zigzagged") for n in range(5)
            ]
            for number, line in enumerate(lines):
                picture(folder / "images" / line, number)
            text(folder / "labels" / f"{split}1.txt", lines)

    def sun397(self, *, official: bool = False) -> None:
        folder = self.root / "SUN397"
        classes = ["/a/abbey", "/a/apartment_building/outdoor"]
        text(folder / "ClassName.txt", classes)
        lines = [f"{place}/sun_{number:03d}.jpg" for place in classes for number in range(103)]
        for number, line in enumerate(lines):
            picture(folder / line[1:], number, side=(8, 6))
        if official:
            text(folder / "Training_01.txt", lines[3:13] + lines[110:120])
            text(folder / "Testing_01.txt", lines[20:25] + lines[130:135])

    def mit67(self) -> None:
        folder = self.root / "mit67"
        names = [f"{room}/{room}_{n}.jpg" for room in ("bakery", "bar") for n in range(12)]
        for number, name in enumerate(names):
            picture(folder / "Images" / name, number)
        text(folder / "TrainImages.txt", names[2:10] + names[14:22])
        text(folder / "TestImages.txt", names[:2] + names[12:14])

    def folder(self, name: str, classes: Sequence[str], count: int) -> None:
        """Write class folders under the root's folder ``name``."""
        for label in classes:
            for number in range(count):
                file = self.root / name / label / f"{number}.png"
                picture(file, number, side=(12, 9))

    def cub200(self, *, classes: int = 2) -> None:
        folder = self.root / "CUB_200_2011"
        birds = [f"{number:03d}.Albatross" for number in range(1, classes + 1)]
        names = [f"{bird}/{n:04d}.jpg" for bird in birds for n in range(10)]
        for number, name in enumerate(names):
            picture(folder / "images" / name, number)
        # Ids in another order than the pictures' names: they must be looked up.
        ids = {name: len(names) - row for row, name in enumerate(names)}
        text(folder / "images.txt", [f"{number} {name}" for name, number in ids.items()])
        boxes = [f"{number} {number % 7}.0 3.0 20.0 15.0" for number in ids.values()]
        boxes[-1] = f"{ids[names[-1]]} 30.0 20.0 11.0 11.0"  # a pixel over the picture's edge
        text(folder / "bounding_boxes.txt", boxes)
        sides = [f"{ids[name]} {int(row % 10 < 6)}" for row, name in enumerate(names)]
        text(folder / "train_test_split.txt", sides)


@pytest.fixture
def formats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Formats:
    """Writes data sets in their own formats under ``formats.root``."""
    return Formats(tmp_path, monkeypatch)
