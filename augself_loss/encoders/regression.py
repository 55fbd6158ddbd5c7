"""Types whose target is a difference of numbers, read by a tanh output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.encoders.base import Encoder, Kind
from augself_loss.errors import EncoderError, NothingVariesError
from augself_loss.parameters import Range

LARGEST = 1e15
"""No range reaches further: records are float32, and so are the squares of differences."""
NARROWEST = 1e-5
"""Width of the narrowest range, as a fraction of its values: float32 tells them apart no better."""


def as_range(value: float | Range | None, centre: float, name: str) -> Range | None:
    """Read a sampling range the way users write it: a half-width around ``centre`` or a pair.

    Raises:
        EncoderError: not finite or too large, negative half-width, or high below low.
    """
    if value is None:
        return None
    limits = _numbers(value)
    if len(limits) == 1 and limits[0] >= 0:
        low, high = centre - limits[0], centre + limits[0]
        limits = [max(low, 0.0) if centre > 0 else low, high]
    if len(limits) != 2 or not -LARGEST <= limits[0] <= limits[1] <= LARGEST:
        raise EncoderError(
            f"{name} expected a half-width >= 0 or a range (low, high) within {-LARGEST:g} … "
            f"{LARGEST:g} with low <= high, found {value!r}."
        )
    return limits[0], limits[1]


def _numbers(value: Any) -> list[float]:
    """List a half-width's one number or a range's two; nothing if it is neither."""
    try:
        if isinstance(value, Real):
            return [float(value)]
        numbers = [] if isinstance(value, str) else [float(number) for number in value]
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return []
    return numbers if len(numbers) == 2 else []


def as_fixed(value: float | Range) -> Range:
    """Read a single number as the range that holds nothing else."""
    return (value, value) if isinstance(value, (int, float, Real)) else value


def least_span(limits: Range, identity: float) -> float:
    """Width that a range must pass, with the identity inside, for float32 records to tell it."""
    return max(NARROWEST * max(abs(limits[0]), abs(limits[1]), abs(identity)), 1 / LARGEST)


def is_narrow(limits: Range, identity: float) -> bool:
    """Whether a range, with the identity inside, is too narrow for records to tell."""
    width = max(limits[1], identity) - min(limits[0], identity)
    return not width > least_span(limits, identity)


def telling(ranges: Sequence[Range | None], identity: Sequence[float]) -> tuple[Range | None, ...]:
    """Leave out of a pipeline's ranges those that never vary, and the narrow ones beside others.

    One narrow column must not hide that another varies. Where all are narrow they stay, so that
    the encoder refuses them by name.
    """
    moving = tuple(
        None if limits is None or tuple(limits) == (at, at) else limits
        for limits, at in zip(ranges, identity, strict=True)
    )
    wide = tuple(
        None if limits is None or is_narrow(limits, at) else limits
        for limits, at in zip(moving, identity, strict=True)
    )
    return wide if any(wide) else moving


def short_way(offset: Tensor, turn: float) -> Tensor:
    """Take a difference on a circle the short way round: at most half a ``turn``."""
    return offset - turn * (offset / turn).round()


def masked_mean(elements: Tensor, visible: Tensor | None) -> Tensor:
    """Average elements over those that can be seen; 0 where none can."""
    if visible is None:
        return elements.mean()
    mask = visible.to(elements.dtype)
    return (elements * mask).sum() / mask.sum().clamp_min(1)


class RegressionEncoder(Encoder):
    """A type whose parameters are numbers: target ``(ω_a − ω_b) / span``, loss MSE after tanh.

    The span of a column is the width of its sampling range *with the identity inside*, so that
    every difference lies in [−1, 1], which tanh can reach. Columns whose range is ``None`` never
    vary and have no output.

    Args:
        *ranges: per column ``(low, high)``, a half-width around the identity, or ``None``.

    Raises:
        EncoderError: no column varies, or a given range has zero width.

    Reference:
        Lee et al., NeurIPS 2021, section 3.2: L_a is the mean squared error of tanh(φ_a).
    """

    kind: Kind = "regression"
    circles: Mapping[int, float] = {}
    """Columns that lie on a circle → one full turn; their differences go the short way round."""

    def __init__(self, *ranges: float | Range | None) -> None:
        if len(ranges) != len(self.columns):
            raise EncoderError(
                f"{type(self).__name__} expected {len(self.columns)} ranges for {self.columns}, "
                f"found {len(ranges)}."
            )
        self.ranges = tuple(
            as_range(limits, identity, f"{type(self).__name__}({column})")
            for column, identity, limits in zip(self.columns, self.identity, ranges, strict=True)
        )
        self.validate()

    def span(self, column: int) -> float:
        """Width by which a column's difference is divided."""
        limits, identity = self.ranges[column], self.identity[column]
        return max(limits[1], identity) - min(limits[0], identity) if limits else 0.0

    @property
    def varying(self) -> tuple[int, ...]:
        """Indices of the columns that vary, in order: the target's columns."""
        return tuple(i for i, limits in enumerate(self.ranges) if limits is not None)

    @property
    def width(self) -> int:
        """Number of varying columns."""
        return len(self.varying)

    def validate(self) -> None:
        """Refuse a range of zero width and an encoder without any range."""
        for i in self.varying:
            limits = self.ranges[i] or (self.identity[i],) * 2
            if not self.span(i) > least_span(limits, self.identity[i]):
                never = limits == (self.identity[i],) * 2
                raise (NothingVariesError if never else EncoderError)(
                    f"{type(self).__name__} expected a range of {self.columns[i]} that varies, "
                    f"found {self.ranges[i]}, of zero width or nearly. Pass "
                    f"{self.columns[i]}=None to leave the column out of the target."
                )
        if not self.varying:
            raise NothingVariesError(
                f"{type(self).__name__} expected a range for at least one of {self.columns}, "
                "found none: nothing would vary. Leave this type out of the loss."
            )

    def scaled(self, offsets: Sequence[Tensor]) -> Tensor:
        """Divide the varying columns by their spans and stack them, ``(B, width)``."""
        if len(self.columns) == 1:
            return offsets[0].unsqueeze(-1) / self.span(0)
        chosen = [offsets[i] for i in self.varying]
        # A device is given one kernel for all columns, each with a number of its own.
        return torch.stack(torch._foreach_div(chosen, [self.span(i) for i in self.varying]), dim=-1)

    def absolute(self, record: Mapping[str, Tensor]) -> Tensor:
        """Describe one view: ``(ω − identity) / span``, ``(B, width)``."""
        columns = record[self.name].unbind(-1)
        return self.scaled([c - i for c, i in zip(columns, self.identity, strict=True)])

    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make ω_diff = (ω_a − ω_b) / span, ``(B, width)`` in [−1, 1]."""
        offsets = (record_a[self.name] - record_b[self.name]).unbind(-1)
        return self.scaled(self.shortened(offsets))

    def shortened(self, offsets: Sequence[Tensor]) -> Sequence[Tensor]:
        """Take differences the short way round where a range spans more than half a turn."""
        wide = {i: turn for i, turn in self.circles.items() if self.span(i) > turn / 2}
        if not wide:
            return offsets
        return [short_way(o, wide[i]) if i in wide else o for i, o in enumerate(offsets)]

    def loss(self, prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Mean squared error between ``tanh(prediction)`` and the target, elementwise."""
        read = torch.tanh(prediction)
        if visible is None:
            return functional.mse_loss(read, target)
        return masked_mean(functional.mse_loss(read, target, reduction="none"), visible)

    def readout(self, prediction: Tensor) -> Tensor:
        """Apply tanh: the output in the target's units."""
        return torch.tanh(prediction)
