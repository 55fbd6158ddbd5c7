"""One labelled set to test on: how it is read, and what the paper's protocol does with it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from transfer.data.errors import DataError, contents
from transfer.data.reading import Resized, Source
from transfer.data.sets import Fold, Task
from transfer.data.splits import per_class


@dataclass(frozen=True)
class Entry:
    """How one set on a disk becomes a ``Task``.

    Args:
        name: as in tables.
        folder: where it is under the folder of all sets.
        read: from the folder of all sets, and whether to download, to what lies there.
        layout: what its folder should hold, for the error.
        val: fraction of each class of ``train`` to choose the regularization on, where the set has
            no such split itself; about the share that the paper's released code takes.
        metric: how the paper scores it.
        lives_on: what one must know of a picture to solve it.
        few_shot: run episodes on it.
        linear: evaluate a linear classifier on it: one of the paper's eleven.
        whole: show the whole picture, squashed into a square, instead of its centre.
        downloads: torchvision can fetch it.
    """

    name: str
    folder: str
    read: Callable[[Path, bool], Source]
    layout: str
    val: float = 0.2
    metric: Literal["accuracy", "mean_per_class"] = "accuracy"
    lives_on: str = "category"
    few_shot: bool = False
    linear: bool = True
    whole: bool = False
    downloads: bool = False

    def absent(self, path: Path, *, download: bool) -> str | None:
        """Why the set cannot be had: ``None`` if it is there or can be fetched."""
        if (path / self.folder).exists() or (download and self.downloads):
            return None
        cannot = "; torchvision cannot fetch it" if download and not self.downloads else ""
        return f"no {path / self.folder}{cannot}"

    def task(self, path: Path, size: int, *, download: bool) -> Task:
        """Read labels and splits, and a few pictures to see that they are there.

        Args:
            path: folder of all sets.
            size: side of the task's pictures in pixels.
            download: fetch what is not there.

        Raises:
            DataError: the folder is there but is not what it should be.
        """
        try:
            source = self.read(path, download)
            pictures = Resized(source.pictures, size, whole=self.whole)
            for rows in source.splits.values():
                _ = pictures[int(rows[0])], pictures[int(rows[-1])]
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            raise DataError(
                f"{self.name} as {path / self.folder}/{self.layout}",
                contents(path / self.folder),
                f"Its reader said: {error} Complete the folder, or move it away to go on without "
                f"{self.name}.",
            ) from error
        return Task(
            name=self.name,
            pictures=pictures,
            labels=source.labels,
            classes=source.classes,
            folds=(self._fold(source),),
            metric=self.metric,
            lives_on=self.lives_on,
            boxes=source.boxes if self.whole else None,
            few_shot=self.few_shot,
            linear=self.linear,
        )

    def _fold(self, source: Source) -> Fold:
        train, test = source.splits["train"], source.splits["test"]
        if "val" in source.splits:
            return Fold(train, source.splits["val"], test)
        val, fit = per_class(source.labels, train, self.val, seed=0)
        assert not torch.isin(val, test).any()
        return Fold(fit, val, test)
