"""Runs a pipeline of callables that a walk has made to note what they do, and settles the notes."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step, Value
from augself_loss.errors import PipelineError
from augself_loss.parameters import Layout, Record
from augself_loss.recording.catalogue import Catalogue, Host, layout_of, unite
from augself_loss.recording.follow import together
from augself_loss.recording.journal import Journal
from augself_loss.recording.notes import IDLE, Entry, logged
from augself_loss.recording.plan import check_plan, leaves
from augself_loss.recording.reported import Apply, as_given, check_one_view
from augself_loss.recording.straight import Row, settles_as_read
from augself_loss.recording.walk import Walk


class CallableRecorder:
    """What recorders of pipelines of callables share, image by image.

    Args:
        transform: the pipeline.
        encoders: encoders of augmentations of your own, or replacements of built-in ones.
        register: for any other random callable: the callable or its class → ``(encoder, apply)``,
            where ``apply(callable, image)`` returns the view and the encoder's columns, ``None``
            if it was not applied. It must be a module-level function to pass to workers.
        ignore: callables or classes whose randomness shall not be recorded.
        wrappers: your own classes that only run another pipeline, once per image → name of the
            attribute that holds it, e.g. ``{MyTransform: "transform"}``.
        types: types to record even if this pipeline never applies them (as the identity), so that
            two different pipelines give records with the same entries.
        still: callables that are never applied as they are built; changing them later is refused.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: a random transform that is not known, or an order that no record can tell.
    """

    library: ClassVar[Host] = "torchvision"
    """Under whose names the encoders read what transforms drew."""
    wiring: ClassVar[type[Walk]]
    """What walks the pipeline; a host with transforms of its own has one that knows them."""

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        wrappers: Mapping[type, str] | None = None,
        types: Iterable[str] = (),
        still: Iterable[Any] = (),
    ) -> None:
        registered, encoders = dict(register or {}), tuple(encoders)
        own = [*encoders, *(encoder for encoder, _ in registered.values())]
        self._catalogue = Catalogue(self.library, own)
        wiring = self.wiring(
            self._catalogue, encoders, registered, tuple(ignore), wrappers or {}, tuple(still)
        )
        self.transform, plan = wiring.wire(transform)
        check_plan(plan)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, list(types))
        self.encoders: tuple[Encoder, ...] = tuple(found.values())
        self._known, self._watches = found, together(wiring.watches)
        self._widths = [field.width for field in self.layout.values()]
        self._row = Row(self.layout) if settles_as_read(plan) else None

    def __call__(self, image: Any, *more: Any) -> tuple[Any, Record]:
        """Augment one image.

        Args:
            image: what the pipeline takes.
            *more: what else of a sample the pipeline takes, beside the image.

        Returns:
            The view and its record, entries ``(columns,)`` float32 without a batch axis, which
            ``default_collate`` makes ``(B, columns)``.

        Raises:
            ImageError: it is no image for this pipeline.
            PipelineError: several views, or a pipeline that was changed so that its records would
                not be true.
        """
        given = as_given((image, *more))
        self.check(given)
        self.follow()
        with logged() as steps:
            view = self.transform(image, *more)
        return check_one_view(view, given, "The pipeline"), self.settle(steps)

    def check(self, image: Any) -> None:
        """Refuse what is no image for the pipeline; here nothing is.

        Args:
            image: what the recorder was given.
        """

    def follow(self) -> None:
        """Look whether the pipeline is still one that the records can tell.

        Raises:
            PipelineError: it was changed so that they could not.
        """
        for watch in self._watches:
            watch.check(self._known)

    def settle(self, steps: Iterable[Entry]) -> Record:
        """Make the record of a view from the steps that were noted while it was made.

        Args:
            steps: as :func:`~augself_loss.recording.notes.logged` collected them.

        Returns:
            Record, entries ``(columns,)`` float32.
        """
        if not self.layout:
            for step, reported in steps:
                if reported is IDLE:
                    self._check_idle(step)
            return {}
        values = self._journalled(steps) if self._row is None else self._as_read(steps, self._row)
        # Through a buffer: torch.tensor looks at every number of a list to find its type and shape.
        flat = torch.frombuffer(array("f", values), dtype=torch.float32)
        # torch.split would first look, in Python, at what it is given.
        return dict(zip(self.layout, flat.split_with_sizes(self._widths), strict=True))

    def _as_read(self, steps: Iterable[Entry], row: Row) -> list[Value]:
        """List the record's columns where nothing changes what a step wrote."""
        values = row.identity.copy()
        for _, entries in self._told(steps):
            row.write(values, entries)
        return values

    def _journalled(self, steps: Iterable[Entry]) -> list[Value]:
        """List the record's columns where later steps may change what earlier ones wrote."""
        journal = Journal(self.layout, self._catalogue)
        for step, entries in self._told(steps):
            journal.add(step, entries)
        return [float(value) for entry in journal.settle().values() for value in entry]

    def _told(self, steps: Iterable[Entry]) -> Iterator[tuple[Step, Mapping[str, Columns]]]:
        """List what every step that acted tells of the view; refuse those that should not have."""
        for step, reported in steps:
            if reported is IDLE:
                self._check_idle(step)
            else:
                yield step, self._catalogue.read(step) if reported is None else reported

    def _check_idle(self, step: Step) -> None:
        """Refuse what a transform did that, as it was built, should have done nothing."""
        name = self._catalogue.type_of(step)
        columns = self._catalogue.read(step)[name]
        identity = self._catalogue.encoders[name].identity
        if any(v is not None and v != i for v, i in zip(columns, identity, strict=True)):
            raise PipelineError(
                f"'{step.name}' was built so that it never changes a view, and found to set "
                f"'{name}' to {columns}. Convert the images to uint8 before it, or leave it out of "
                f"the record with ignore=[{step.name}]."
            )
