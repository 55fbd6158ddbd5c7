"""Pictures that lie in memory as one tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar, cast, overload

import torch
from torch import Tensor
from torch.utils.data import Dataset

Row_co = TypeVar("Row_co", covariant=True)


class InMemory(Dataset[Row_co], Generic[Row_co]):
    """A data set over one tensor: its rows one by one, or the tensor itself where that is faster.

    Args:
        images: uint8 ``(N, 3, S, S)``.
        labels: int64 ``(N,)``; with them a row is (picture, class), without them the picture.

    Raises:
        ValueError: if ``images`` is not of that kind or ``labels`` has another length.
    """

    @overload
    def __init__(self: InMemory[Tensor], images: Tensor, labels: None = None) -> None: ...

    @overload
    def __init__(self: InMemory[tuple[Tensor, int]], images: Tensor, labels: Tensor) -> None: ...

    def __init__(self, images: Tensor, labels: Tensor | None = None) -> None:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(
                f"Pictures must be uint8 (N, 3, S, S), found {images.dtype} {tuple(images.shape)}."
            )
        if labels is not None and labels.shape != images.shape[:1]:
            raise ValueError(
                f"Expected one label for each of {len(images)} pictures, "
                f"found labels of shape {tuple(labels.shape)}."
            )
        self.images = images
        self.labels = labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Row_co:
        if self.labels is None:
            return cast("Row_co", self.images[row])
        return cast("Row_co", (self.images[row], int(self.labels[row])))

    def __getitems__(self, rows: Sequence[int]) -> list[Row_co]:
        """Several rows at once, as a DataLoader asks for a batch."""
        index = torch.as_tensor(rows)
        pictures = self.images[index].unbind()
        if self.labels is None:
            return cast("list[Row_co]", list(pictures))
        return cast("list[Row_co]", list(zip(pictures, self.labels[index].tolist(), strict=True)))
