"""What every encoder is: columns, identity, target, loss, and how to read it from a pipeline."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, Literal, Protocol, TypeAlias

import torch
from torch import Tensor
from typing_extensions import Self

from augself_loss.encoders.maps import Canvas
from augself_loss.encoders.step import Columns, Draft, Motion, Reader, Step, Value, Writer
from augself_loss.errors import EncoderError, RecordError
from augself_loss.parameters import Field, Layout, Range

__all__ = [
    "Columns",
    "Draft",
    "Encoder",
    "Kind",
    "Motion",
    "Preset",
    "Reader",
    "Recorded",
    "Step",
    "Value",
    "Writer",
]

Preset: TypeAlias = Literal["default", "paper"]
Kind: TypeAlias = Literal["regression", "binary", "classes"]


class Encoder(ABC):
    """Everything about one augmentation type. Subclass it to add an augmentation of your own.

    Attributes:
        name: the type's name, also that of its record entry, head and term.
        columns: names of the entry's columns.
        identity: per column, the value for "not applied".
        kind: ``regression``, ``binary`` or ``classes``: what the head predicts.
        extras: further entries that its steps record, for replay and not for the target.
        frame: further entries that the target reads, e.g. the flip for a crop.
        optional: further entries that it reads if a record has them; not applied is 0.
        moves: how its steps move pixels; ``None`` if they only change values.
        photometric: whether they change values; by default those that move nothing do.
        by_size: whether they are drawn, or read, by the size of their image.
        settles: whether several steps of one pipeline combine into one value, see :meth:`act`.
        not_before: types, or motions, that may not follow its steps, since they change its frame.
        order_matters: library → types whose order with it changes its map by part of a pixel.
        tells_applied: whether its entry differs from the identity whenever a step was applied.
        ranges: per column, the sampling range; ``None`` leaves the column out of the target.
        preset: ``paper`` for the released code's target, ``default`` for ours, ``None`` until a
            loss decides.
        kornia, torchvision, albumentations: class name of a transform → how to read a step of it.
        also: class name → further types that its steps have, e.g. flip for a transpose.
        kornia_writers, albumentations_writers: class name → how to write a step's parameters
            back, for replay.
    """

    name: str
    columns: tuple[str, ...]
    identity: tuple[float, ...]
    kind: Kind
    extras: Mapping[str, Field] = {}
    frame: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    moves: Motion | None = None
    by_size: bool = False
    settles: bool = False
    not_before: tuple[str, ...] = ()
    order_matters: Mapping[str, tuple[str, ...]] = {}
    tells_applied: bool = True
    preset: Preset | None = None

    kornia: ClassVar[Mapping[str, Reader]] = {}
    torchvision: ClassVar[Mapping[str, Reader]] = {}
    albumentations: ClassVar[Mapping[str, Reader]] = {}
    also: ClassVar[Mapping[str, tuple[str, ...]]] = {}
    kornia_writers: ClassVar[Mapping[str, Writer]] = {}
    albumentations_writers: ClassVar[Mapping[str, Writer]] = {}

    ranges: tuple[Range | None, ...]

    @property
    @abstractmethod
    def width(self) -> int:
        """Number of outputs that the head has for this type."""

    @abstractmethod
    def absolute(self, record: Mapping[str, Tensor]) -> Tensor:
        """Describe one view, in the target's units.

        Args:
            record: view record, entries ``(B, columns)``.

        Returns:
            ``(B, width)`` float, or ``(B,)`` class indices where ``kind`` is ``classes``.
        """

    @abstractmethod
    def difference(self, record_a: Mapping[str, Tensor], record_b: Mapping[str, Tensor]) -> Tensor:
        """Make the target ω_diff for the ordered pair a→b.

        Args:
            record_a: record of the first view, entries ``(B, columns)``.
            record_b: record of the second view.

        Returns:
            ``(B, width)`` float, or ``(B,)`` class indices where ``kind`` is ``classes``.
        """

    @abstractmethod
    def loss(self, prediction: Tensor, target: Tensor, visible: Tensor | None = None) -> Tensor:
        """Compare the head's output with the target.

        Args:
            prediction: the head's raw output, ``(B, width)``.
            target: what :meth:`difference` returned.
            visible: mask ``(B, width)`` from :meth:`visible`, or ``None`` for everything.

        Returns:
            Scalar, the mean over samples and columns.
        """

    @abstractmethod
    def readout(self, prediction: Tensor) -> Tensor:
        """Turn the head's raw output into the target's units (for plots and metrics)."""

    def visible(
        self,
        record_a: Mapping[str, Tensor],  # noqa: ARG002
        record_b: Mapping[str, Tensor],  # noqa: ARG002
    ) -> Tensor | None:
        """Say which columns of the target the views show at all (``None``: all)."""
        return None

    def mirror(self, columns: Columns, horizontal: Value, vertical: Value) -> Columns:  # noqa: ARG002
        """Rewrite an entry whose step came *before* a flip as if it had come after.

        ``horizontal`` and ``vertical`` are 1 where the later flip was applied, else 0.
        """
        return columns

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:
        """Apply to a record on its way what a step did to the view.

        Args:
            draft: the record.
            step: the step, for its name and the size of its image.
            entry: :attr:`name`, or one of :attr:`extras`.
            columns: what was read for it.
            gate: 1, or true, where the step was applied.
        """
        draft.write(entry, columns, step, gate)

    def settled(self, draft: Draft) -> Columns | None:  # noqa: ARG002
        """Read the entry off where the view ended up; ``None``: it stays as written."""
        return None

    def as_given(self, columns: Columns, before: Draft, after: Draft) -> Columns:  # noqa: ARG002
        """Convert an entry from the source's frame back to its step's, for replay.

        ``before`` is where the view lay when the step came, ``after`` what mirrored it later.
        """
        return self.mirror(columns, after.horizontal, after.vertical)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Map points of the view back to where they lay before this type's steps.

        Args:
            record: view record, entries ``(B, columns)``.
            canvas: sizes of the images before and after, and whose steps they were.

        Returns:
            ``(B, 3, 3)`` on points (x, y, 1) that run from −1 to 1 across an image, edge to edge.

        Raises:
            RecordError: the encoder does not define where its steps move pixels.
        """
        raise RecordError(
            f"'{self.name}' moves pixels, and {type(self).__name__} expected a method "
            "undo(record, canvas), found none. Add it, or leave the entry out of the record."
        )

    def turned_by(self, columns: Columns) -> Value | None:  # noqa: ARG002
        """Degrees, counter-clockwise, if all that its steps do is turn about the centre."""
        return None

    @property
    def photometric(self) -> bool:
        """Whether its steps change pixels' values, not only where they lie."""
        return self.moves is None

    @property
    def fields(self) -> dict[str, Field]:
        """Layout of the entries that this encoder's steps record, its own first."""
        return {self.name: Field(self.columns, self.identity, self.ranges), **self.extras}

    @classmethod
    def from_kornia(cls, step: Step) -> Self:  # noqa: ARG003
        """Build the encoder from the ranges of a Kornia augmentation (``step.config``)."""
        return cls()

    @classmethod
    def from_torchvision(cls, step: Step) -> Self:  # noqa: ARG003
        """Build the encoder from the ranges of a torchvision transform (``step.config``)."""
        return cls()

    @classmethod
    def from_albumentations(cls, step: Step) -> Self:  # noqa: ARG003
        """Build the encoder from the ranges of an albumentations transform (``step.config``)."""
        return cls()

    @classmethod
    def takes(cls, step: Step) -> bool:  # noqa: ARG003
        """Whether a transform that it reads is of this type as configured (``step.config``)."""
        return True

    @classmethod  # noqa: B027 - most transforms can be told
    def check_step(cls, step: Step) -> None:
        """Refuse a transform whose steps no record of this type can express (``step.config``).

        Raises:
            PipelineError: as configured, its record would not say what it does.
        """

    def under(self, preset: Preset) -> Self:
        """Return this encoder under a preset; one that was set explicitly stays."""
        if self.preset is not None:
            return self
        bound = copy.copy(self)
        bound.preset = preset
        bound.validate()
        return bound

    def union(self, other: Encoder) -> Self:
        """Widen the ranges to hold both encoders' (asymmetric pipelines, choices)."""
        if type(other) is not type(self):
            raise EncoderError(
                f"Expected encoders of one class, found {self!r} and {other!r}: rename one."
            )
        merged = copy.copy(self)
        merged.ranges = tuple(
            b if a is None else a if b is None else (min(a[0], b[0]), max(a[1], b[1]))
            for a, b in zip(self.ranges, other.ranges, strict=True)
        )
        return merged

    def holds(self, other: Encoder) -> bool:
        """Whether this encoder's targets are right for records of the other's pipeline."""
        return self.union(other).ranges == self.ranges

    def validate(self) -> None:  # noqa: B027 - most encoders have nothing to refuse
        """Refuse, with :class:`EncoderError`, ranges that cannot carry a target."""

    def check(self, record: Mapping[str, Tensor]) -> None:
        """Refuse values that this encoder's pipeline cannot have sampled. Reads them: a sync.

        Raises:
            RecordError: a value is not finite, or outside its range and not the identity.
        """
        entry = record[self.name]
        if not bool(torch.isfinite(entry).all()):
            raise RecordError(
                f"The record's '{self.name}' expected finite {self.columns}, found NaN or "
                "infinity. Check the pipeline that recorded it."
            )
        for column, identity, limits, values in zip(
            self.columns, self.identity, self.ranges, entry.unbind(-1), strict=True
        ):
            allowed = (identity, identity) if limits is None else limits
            slack = rounding(allowed)
            outside = (values < allowed[0] - slack) | (values > allowed[1] + slack)
            outside &= (values - identity).abs() > slack
            if bool(outside.any()):
                raise RecordError(
                    f"The record's '{self.name}' expected {column} in {limits}, the encoder's "
                    f"range, found {float(values[outside][0]):.4g}: another pipeline recorded it. "
                    "Build the loss with encoders=recorder.encoders, or widen the range."
                )

    def __repr__(self) -> str:
        ranges = [None if r is None else (r[0] + 0.0, r[1] + 0.0) for r in self.ranges]  # no -0.0
        inner = ", ".join(f"{c}={r}" for c, r in zip(self.columns, ranges, strict=True))
        return f"{type(self).__name__}({inner}, preset={self.preset!r})"


def rounding(limits: Range) -> float:
    """Tell how far off its range a value may lie for having been drawn in bfloat16 at the worst.

    Args:
        limits: the range.

    Example:
        >>> rounding((0.0, 256.0)), rounding((-0.01, 0.01))
        (1.0, 0.0001)
    """
    return max(1e-4, 2**-8 * max(map(abs, limits)))


class Recorded(Protocol):
    """Anything that tells which records to expect, as every recorder does.

    Attributes:
        layout: entries of its records.
        encoders: encoders of the recorded types, with the pipeline's ranges.
    """

    layout: Layout
    encoders: tuple[Encoder, ...]
