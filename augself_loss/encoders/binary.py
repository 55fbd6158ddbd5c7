"""Types that are applied or not: the target says whether two views agree."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.encoders.base import Encoder, Kind, Reader
from augself_loss.encoders.in_place import Image, InPlace, Params, Row, Starts
from augself_loss.encoders.regression import masked_mean


class BinaryEncoder(Encoder):
    """A type that is applied or not: target 1 where both views are the *same*, else 0.

    Reference:
        Lee et al., NeurIPS 2021, section 3.2 (flip): binary cross-entropy on the logit.
    """

    kind: Kind = "binary"
    identity = (0.0,)

    def __init__(self) -> None:
        self.ranges = ((0.0, 1.0),)

    @property
    def width(self) -> int:
        """One logit."""
        return 1

    def absolute(self, record: Mapping[str, Tensor]) -> Tensor:
        """Describe one view: 1 where applied, ``(B, 1)``."""
        return record[self.name]

    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make ω_diff: 1 where the two views are the same, else 0, ``(B, 1)``."""
        return 1 - (record_a[self.name] - record_b[self.name]).abs()

    def loss(self, prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Binary cross-entropy with logits."""
        elements = functional.binary_cross_entropy_with_logits(
            prediction, target.to(prediction.dtype), reduction="none"
        )
        return masked_mean(elements, visible)

    def readout(self, prediction: Tensor) -> Tensor:
        """Probability that the two views are the same."""
        return torch.sigmoid(prediction)


def applied(name: str) -> Reader:
    """Make the reader of a transform that has no parameter but whether it was applied."""

    def place(row: Row, starts: Starts, params: Params, image: Image) -> None:  # noqa: ARG001
        row[starts[name]] = 1.0

    return InPlace(place, **{name: 1})
