"""What builders hand over: rows to pretrain on, finished sets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from transfer.data.building.pictures import Pixels

Columns: TypeAlias = dict[str, list[Any]]
"""What is known of every row, by name."""


class Row(NamedTuple):
    """A picture to pretrain on: whose it is and what it shows, as far as the package says."""

    picture: Pixels
    source: str
    name: str
    family: str
    kind: str


@dataclass(frozen=True)
class Built:
    """A finished set.

    Args:
        images: uint8 ``(N, 3, S, S)``, ``S`` the side at which pictures are stored.
        labels: class of every row.
        classes: names of the classes.
        columns: what else is known of every row: split, fold, group, vendor, name, box, …
    """

    images: npt.NDArray[np.uint8]
    labels: list[int]
    classes: list[str]
    columns: Columns = field(default_factory=dict)


def built(
    pictures: list[Pixels], kinds: list[str], classes: list[str], **columns: list[Any]
) -> Built:
    """Stack the pictures of a set whose classes are given by name."""
    number = {name: index for index, name in enumerate(classes)}
    return Built(np.stack(pictures), [number[kind] for kind in kinds], classes, columns)
