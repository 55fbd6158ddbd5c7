"""Applies a record again through the albumentations pipeline that it was recorded from."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from torch import Tensor

from augself_loss.encoders.base import Step, Value
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Layout, Record
from augself_loss.recording.albumentations.images import seen
from augself_loss.recording.albumentations.library import A
from augself_loss.recording.albumentations.taps import Reported, Tap, refilled
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.names import name_of
from augself_loss.recording.twins import ORIGINAL
from augself_loss.recording.unsettle import Unsettled

Run: TypeAlias = Callable[..., Any]


def replay(twin: Any, record: Record, layout: Layout, catalogue: Catalogue) -> Run:
    """Build what runs a pipeline with the parameters of a record.

    Args:
        twin: the wired pipeline.
        record: what its recorder said.
        layout: the record's entries.
        catalogue: the encoders that read the pipeline.

    Returns:
        What takes the data that the pipeline takes.

    Raises:
        RecordError: the record lacks an entry, or is a batch's.
        PipelineError: a step that cannot be replayed, or several that are recorded as one.
    """
    one = _one(record, layout)
    found = list(_leaves(twin, None))
    steps = [leaf.step for leaf in found]
    unsettled = Unsettled(one, layout, catalogue, steps)
    again = iter([_Again(leaf, catalogue, *_given(unsettled, leaf)) for leaf in found])
    return _rebuilt(twin, again, outermost=True)


class _Leaf(NamedTuple):
    """A recorded transform, and how it is applied at random, for messages."""

    transform: Any
    step: Step
    at_random: str | None


class _Again:
    """A transform with the parameters of a record.

    Args:
        leaf: it.
        catalogue: writes its entries back.
        entries: what the record says of it.
        applied: whether it was.
    """

    def __init__(
        self,
        leaf: _Leaf,
        catalogue: Catalogue,
        entries: Mapping[str, tuple[float, ...]],
        applied: bool,
    ) -> None:
        self.leaf, self.catalogue = leaf, catalogue
        self.entries, self.applied = entries, applied

    def __call__(self, force_apply: bool = False, **data: Any) -> Any:  # noqa: ARG002
        """Apply it, where it was."""
        if not self.applied:
            return data
        step = Step(self.leaf.step.name, {}, self.leaf.step.config, *seen(data["image"], "Replay"))
        written = self.catalogue.write(self.entries, step)
        return self.leaf.transform.apply_with_params(
            _params(self.leaf.transform, written, data), **data
        )


class _All:
    """A container's children, one after the other: each knows whether it was applied."""

    def __init__(self, container: Any, children: Sequence[Run]) -> None:
        self.container, self.children = container, children

    def __call__(self, force_apply: bool = False, **data: Any) -> Any:  # noqa: ARG002
        """Run them."""
        for child in self.children:
            data = self.container.check_data_post_transform(child(**data))
        return data


def _nothing(force_apply: bool = False, **data: Any) -> Any:  # noqa: ARG001
    return data


def _rebuilt(twin: Any, again: Iterator[_Again], *, outermost: bool = False) -> Run:
    """Put what replays in the place of what was recorded."""
    if isinstance(twin, Tap):
        return _nothing if twin.idle else next(again)
    if type(twin) is A.NoOp:  # its p draws, though nothing comes of it
        return _nothing
    if not isinstance(twin, A.BaseCompose):
        return twin  # type: ignore[no-any-return]
    children = [_rebuilt(child, again) for child in twin.transforms]
    if outermost and isinstance(twin, A.Compose):  # it looks at boxes before and after
        refill = refilled(getattr(twin, ORIGINAL), children)
        return lambda **data: A.Compose.__call__(refill, force_apply=True, **data)
    return _All(twin, children)


def _leaves(twin: Any, at_random: str | None) -> Iterator[_Leaf]:
    """List the recorded transforms in the pipeline's order."""
    if isinstance(twin, Reported):
        raise PipelineError(
            f"'{name_of(twin.transform)}' expected an encoder that can replay it, found none. "
            "Give it an encoder that writes its parameters, or leave it out of the record with "
            f"ignore=[{name_of(twin.transform)}]."
        )
    if isinstance(twin, Tap):
        random = at_random or (None if twin.p >= 1 else f"p={twin.p}")  # type: ignore[attr-defined]
        if not twin.idle:
            original = getattr(twin, ORIGINAL)
            yield _Leaf(original, Step(type(twin).__name__, {}, vars(original), (0, 0)), random)
    elif isinstance(twin, A.BaseCompose):
        name, count = type(twin).__name__, len(twin.transforms)
        if name == "RandomOrder" and count > 1:
            raise PipelineError(
                "replay expected steps in a fixed order, found a RandomOrder, whose order the "
                "record does not hold. Use a container with a fixed order."
            )
        chooses = count > 1 and name in ("OneOf", "OneOrOther", "SomeOf")
        sometimes = twin.p < 1 and name != "OneOrOther"
        inner = at_random or (f"a {name} around it" if chooses or sometimes else None)
        for child in twin.transforms:
            yield from _leaves(child, inner)


def _given(unsettled: Unsettled, leaf: _Leaf) -> tuple[dict[str, tuple[float, ...]], bool]:
    """Ask the record what a transform did; refuse what could not be written back."""
    unsettled.catalogue.writer(leaf.step)
    _, entries, gate = unsettled.next(leaf.step, at_random=leaf.at_random)
    numbers = {entry: tuple(float(v) for v in columns) for entry, columns in entries.items()}
    return numbers, bool(gate > 0.5)


def _params(transform: Any, written: Mapping[str, Value], data: Mapping[str, Any]) -> Any:
    """Let albumentations draw parameters of the right form, and overwrite those that are known.

    Where not all are parameters they are attributes to draw by: of a blur σ is known, which is
    none, and its kernel follows from it.
    """
    drawing = copy.copy(transform)
    drawing.set_random_seed(0)  # its own: nobody's generator is touched
    drawn = _drawn(drawing, data)
    if written.keys() <= drawn.keys():
        return {**drawn, **{name: _like(value, drawn[name]) for name, value in written.items()}}
    vars(drawing).update(written)
    return _drawn(drawing, data)


def _drawn(transform: Any, data: Mapping[str, Any]) -> dict[str, Any]:
    params = transform.update_transform_params(params=transform.get_params(), data=data)
    return {**params, **transform.get_params_dependent_on_data(params=params, data=data)}


def _like(value: Value, drawn: Any) -> Any:
    return np.asarray(value, dtype=drawn.dtype) if isinstance(drawn, np.ndarray) else value


def _one(record: Record, layout: Layout) -> Record:
    """Give one sample's record the axis of a batch of one.

    Raises:
        RecordError: an entry is missing, or holds several samples.
    """
    for name, field in layout.items():
        found: Tensor | None = record.get(name)
        if found is None:
            raise RecordError(
                f"replay expected the entry '{name}', found {sorted(record)}. Pass a record of "
                "the same recorder."
            )
        if found.numel() != field.width:
            raise RecordError(
                f"replay expected '{name}' of one sample, with shape ({field.width},), found "
                f"{tuple(found.shape)}. Take one sample of the batch: {{name: entry[i] for name, "
                "entry in record.items()}."
            )
    return {name: record[name].reshape(1, -1) for name in layout}
