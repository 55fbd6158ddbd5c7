"""Runs a pipeline of callables that a walk has made to note what they do, and settles the notes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from augself_loss.encoders import Encoder
from augself_loss.encoders.in_place import Starts
from augself_loss.parameters import Layout, Record
from augself_loss.recording.catalogue import Catalogue, Host, layout_of, unite
from augself_loss.recording.follow import together
from augself_loss.recording.forms import RecordForm
from augself_loss.recording.journal import Journal
from augself_loss.recording.names import check_ignore
from augself_loss.recording.notes import Note, running
from augself_loss.recording.plan import check_plan, leaves
from augself_loss.recording.reported import Apply, check_one_view, check_register
from augself_loss.recording.rows import Row, write
from augself_loss.recording.straight import settles_as_read
from augself_loss.recording.walk import Walk


class CallableRecorder:
    """What recorders of pipelines of callables share, image by image.

    Args:
        transform: the pipeline.
        encoders: encoders for augmentations of your own, or replacements for built-in ones.
        register: for any other random callable: the callable or its class → ``(encoder, apply)``,
            where ``apply(callable, image)`` returns the view and the encoder's columns, ``None``
            if it was not applied. It must be a module-level function to pass to workers.
        ignore: callables or classes whose randomness is not recorded, and your own that draw
            nothing; a function also stands for the ``Lambda`` that calls it.
        wrappers: your own classes that only run another pipeline, once per image → name of the
            attribute that holds it, e.g. ``{MyTransform: "transform"}``.
        types: types to record even if this pipeline never applies them (as the identity), so that
            two different pipelines give records with the same entries.
        still: callables that, as built, are never applied; changing them later is refused.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.
        form: what its rows of numbers are shown as.

    Raises:
        PipelineError: an unknown random transform, an order that no record can express, a
            ``register`` of another form, or an ``ignore`` that leaves nothing to record.
    """

    library: ClassVar[Host] = "torchvision"
    """Under whose names the encoders read what transforms drew."""
    wiring: ClassVar[type[Walk]]
    """What walks the pipeline; a host with transforms of its own has one that knows them."""
    takes_batches: ClassVar[bool] = False
    """Whether it can augment a whole batch, as recorders of batches do; they need not say so."""
    writes_rows: ClassVar[bool] = True
    """Whether a call is :meth:`noted` and :meth:`settle`, no more: rows then say all of it."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if vars(cls).keys() & {"__call__", "settle"} and "noted" not in vars(cls):
            cls.writes_rows = False

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
        registered, encoders, types = check_register(register), tuple(encoders), list(types)
        own = [*encoders, *(encoder for encoder, _ in registered.values())]
        self._catalogue = Catalogue(self.library, own)
        ignored = check_ignore(ignore, by_name=self.wiring.by_name)
        wiring = self.wiring(
            self._catalogue, encoders, registered, ignored, wrappers or {}, tuple(still)
        )
        self.transform, plan = wiring.wire(transform)
        wiring.check_something(plan, types)
        check_plan(plan)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, types)
        self.encoders: tuple[Encoder, ...] = tuple(found.values())
        self._known, self._watches = found, together(wiring.watches)
        self._straight = settles_as_read(plan)
        self.form = RecordForm(self.layout)

    def __call__(self, image: Any, *more: Any) -> tuple[Any, Record]:
        """Augment one image.

        Args:
            image: what the pipeline takes.
            *more: the rest of the sample.

        Returns:
            The view and its record, entries ``(columns,)`` float32 without a batch axis, which
            ``default_collate`` makes ``(B, columns)``.

        Raises:
            ImageError: it is no image for this pipeline.
            PipelineError: several views, or the pipeline was changed so that its records would be
                wrong.
        """
        view, notes = self.noted(image, *more)
        return view, self.settle(notes)

    def noted(self, image: Any, *more: Any) -> tuple[Any, Sequence[Note]]:
        """Augment one image, and leave what was noted to :meth:`settle` or :meth:`write`.

        Args:
            image: what the pipeline takes.
            *more: the rest of the sample.

        Returns:
            The view, and the notes of the steps that made it.

        Raises:
            ImageError, PipelineError: as a call does.
        """
        given = (image, *more) if more else image
        self.check(given)
        self.follow()
        notes: list[Note] = []
        outer, running.notes = running.notes, notes  # as `logged` does, in a third of its time
        try:
            view = self.transform(image, *more)
        finally:
            running.notes = outer
        return check_one_view(view, given, "The pipeline"), notes

    def check(self, image: Any) -> None:
        """Refuse anything but an image for the pipeline; here nothing is refused.

        Args:
            image: what the recorder was given.
        """

    def follow(self) -> None:
        """Check that records can still express the pipeline.

        Raises:
            PipelineError: it was changed so that they cannot.
        """
        for watch in self._watches:
            watch.check(self._known)

    def fill(self, row: Row, *image: Any, **data: Any) -> Any:
        """Augment one image, and write its record into a row of :attr:`form`.

        Args:
            row: the identity.
            *image: as for a call.
            **data: as for a call.

        Returns:
            The view.

        Raises:
            ImageError, PipelineError: as a call does.
        """
        view, notes = self.noted(*image, **data)
        self.write(notes, row, self.form.starts)
        return view

    def settle(self, notes: Iterable[Note]) -> Record:
        """Make the record of a view from what was noted while it was made.

        Args:
            notes: as :meth:`noted` returns them.

        Returns:
            Record, entries ``(columns,)`` float32.
        """
        row, record = self.form.take()
        self.write(notes, row, self.form.starts)
        return record

    def write(self, notes: Iterable[Note], row: Row, starts: Starts) -> None:
        """Write the record of a view into a row, of which it may be a part.

        Args:
            notes: as :meth:`noted` returns them.
            row: the identity, to be overwritten with the record.
            starts: where its entries begin.

        Raises:
            PipelineError: a reader returned other columns than its encoder has.
        """
        if self._straight:
            for scribe, drawn, image in notes:
                scribe.write(row, starts, drawn, image)
            return
        journal = Journal(self.layout, self._catalogue)
        for scribe, drawn, image in notes:
            step, entries = scribe.told(drawn, image)
            self._catalogue.check(step, entries)
            journal.add(step, entries)
        write(row, starts, journal.settle())
