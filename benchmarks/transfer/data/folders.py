"""Sets that are a folder of class folders: MIT67, FC100, Plant Disease, or a user's own."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from torchvision.datasets import ImageFolder

from transfer.data.entries import Entry
from transfer.data.errors import DataError, contents
from transfer.data.listings import listed
from transfer.data.reading import Source, classes_of, drawn, joined, labels_of

SPLITS = {"train": ("train",), "val": ("val", "valid", "validation"), "test": ("test",)}
"""Split → names that its sub-folder may have."""


class ClassFolders(ImageFolder):  # type: ignore[misc]
    """torchvision's ImageFolder of some of the sub-folders.

    Args:
        folder: holds a folder of pictures for each class.
        names: the classes, in the order of their labels; ``None`` for all sub-folders, sorted.
        without: sub-folders that are no classes.

    Raises:
        DataError: a class folder is missing or empty.
    """

    def __init__(
        self, folder: Path, names: Collection[str] | None = None, without: Collection[str] = ()
    ) -> None:
        self._names, self._without = names, without
        try:
            super().__init__(folder)
        except FileNotFoundError as error:
            raise DataError(
                f"a folder of pictures for each class in {folder}",
                contents(folder),
                f"{error} Put the pictures there.",
            ) from error

    def find_classes(self, directory: str | Path) -> tuple[list[str], dict[str, int]]:
        """Name the classes, and number them."""
        inside = {entry.name for entry in Path(directory).iterdir() if entry.is_dir()}
        names = sorted(inside - set(self._without)) if self._names is None else list(self._names)
        if missing := [name for name in names if name not in inside]:
            raise DataError(
                f"a folder for each of {len(names)} classes in {directory}",
                f"{len(missing)} missing: {', '.join(missing[:3])}",
                "Complete the folder, or correct the list of classes.",
            )
        if not names:
            raise FileNotFoundError("There is no class folder.")
        return names, {name: label for label, name in enumerate(names)}

    @property
    def files(self) -> list[str]:
        """Path of every row inside the folder, with ``/``."""
        return [Path(file).relative_to(self.root).as_posix() for file, _ in self.samples]


def split_folders(folder: Path) -> dict[str, Path]:
    """Find the sub-folders of a folder's splits: split → sub-folder, of those that are there."""
    return {
        split: folder / name
        for split, names in SPLITS.items()
        for name in names
        if (folder / name).is_dir()
    }


def read(folder: Path) -> Source:
    """Read class folders, or sub-folders ``train``, ``test`` and perhaps ``val`` of class folders.

    Where only ``train`` and ``val`` are there, ``val`` is tested on. Without sub-folders a seeded
    fifth of each class is.
    """
    splits = split_folders(folder)
    if "train" not in splits:
        return drawn(ClassFolders(folder), train=0.8)
    if "test" not in splits and "val" in splits:
        splits["test"] = splits.pop("val")
    return joined({split: ClassFolders(inside) for split, inside in splits.items()})


def _mit67(path: Path, download: bool) -> Source:  # noqa: ARG001
    """Its own two lists say which pictures of ``Images`` are in which split."""
    folder = path / "mit67"
    lists = {"train": folder / "TrainImages.txt", "test": folder / "TestImages.txt"}
    if not all(file.is_file() for file in lists.values()):
        return read(folder)
    pictures = ClassFolders(folder / "Images")
    rows = listed(pictures.files, lists)
    return Source(pictures, labels_of(pictures), classes_of(pictures), rows)


def _fc100(path: Path, download: bool) -> Source:  # noqa: ARG001
    """The 20 classes of ``test``: no picture of the others is in an episode."""
    folder = path / "fc100"
    test = folder / "test"
    return drawn(ClassFolders(test if test.is_dir() else folder), train=0.8)


def _plant_disease(path: Path, download: bool) -> Source:  # noqa: ARG001
    """All pictures; episodes draw from both splits, as the paper's do."""
    return read(path / "plant_disease")


SETS = (
    Entry(
        name="mit67",
        folder="mit67",
        read=_mit67,
        layout="Images/<class>/*.jpg with TrainImages.txt and TestImages.txt, or {train,test}/"
        "<class>",
        val=1 / 8,
        lives_on="scene",
    ),
    Entry(
        name="fc100",
        folder="fc100",
        read=_fc100,
        layout="test/<class>/*.png of the 20 test classes",
        few_shot=True,
        linear=False,
    ),
    Entry(
        name="plant_disease",
        folder="plant_disease",
        read=_plant_disease,
        layout="{train,test}/<class>, or <class>",
        lives_on="color",
        few_shot=True,
        linear=False,
    ),
)
