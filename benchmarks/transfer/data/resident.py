"""Batches of pictures that all lie on the device: no workers, and no copy in a step."""

from __future__ import annotations

from collections.abc import Iterator, Sized

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from transfer.data.errors import DataError
from transfer.data.memory import InMemory


class Resident:
    """Batches in a sampler's order, as a ``DataLoader`` that drops the last would give them.

    Args:
        pictures: uint8 pictures in memory, with their classes.
        batch: pictures a batch.
        sampler: order of an epoch. Lightning tells it the epoch.
        device: where all pictures go at once: of 80 pixels, 19 KB each.

    Raises:
        DataError: pictures that do not lie in memory, or have no classes.

    Example:
        >>> from torch.utils.data.distributed import DistributedSampler
        >>> pictures = InMemory(torch.zeros(8, 3, 4, 4, dtype=torch.uint8), torch.arange(8))
        >>> order = DistributedSampler(pictures, 1, 0, seed=0)
        >>> batches = Resident(pictures, 4, order, torch.device("cpu"))
        >>> [tuple(images.shape) for images, labels in batches]
        [(4, 3, 4, 4), (4, 3, 4, 4)]
    """

    def __init__(
        self,
        pictures: Dataset[tuple[Tensor, int]],
        batch: int,
        sampler: Sampler[int],
        device: torch.device,
    ) -> None:
        if not isinstance(pictures, InMemory) or pictures.labels is None:
            raise DataError(
                "pictures in memory, with classes, to put onto the device",
                type(pictures).__name__,
                "Leave resident=True away: these are read from a disk.",
            )
        assert isinstance(sampler, Sized)
        self.images, self.labels = pictures.images.to(device), pictures.labels.to(device)
        self.batch, self.sampler = batch, sampler
        self._count = len(sampler) // batch

    def __len__(self) -> int:
        """How many whole batches an epoch has."""
        return self._count

    def __iter__(self) -> Iterator[list[Tensor]]:
        """Take an epoch's batches, in the sampler's order."""
        order = torch.tensor(list(self.sampler)).to(self.images.device)
        for rows in torch.split(order, self.batch)[: self._count]:
            yield [self.images[rows], self.labels[rows]]
