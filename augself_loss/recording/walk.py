"""Walks a pipeline of callables, of any library: what is left out, registered, or read by a table.

A library's own walk (:mod:`~augself_loss.recording.torchvision.wiring`) says what else it knows.
A host with transforms of its own gives a table of :class:`Reading` to a subclass of that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, Literal, NamedTuple

from augself_loss.encoders import Encoder
from augself_loss.errors import NothingVariesError, PipelineError
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.follow import Children, Settings, Watch
from augself_loss.recording.names import is_listed, name_of
from augself_loss.recording.plan import NOTHING, Branch, Leaf, Node
from augself_loss.recording.presets import acts_as
from augself_loss.recording.refusing import Refusing
from augself_loss.recording.reported import Apply, Reported, Size
from augself_loss.recording.twins import held_by, refilled


class Reading(NamedTuple):
    """How transforms of one class are read that say nothing of what they do.

    Args:
        encoder: transform → its encoder, with its ranges, or those of all that it may do; none
            where it never acts.
        apply: runs it and reports its columns.
    """

    encoder: Callable[[Any], Encoder | Sequence[Encoder] | None]
    apply: Apply


class Walk(Refusing, ABC):
    """Makes of a pipeline one that notes what it does, and follows its changes.

    Args:
        catalogue: the encoders that read the library's own transforms.
        own: a user's own encoders.
        register: callables or classes → how the user wants them read.
        ignore: callables or classes that the user leaves out of the record.
        wrappers: classes that only run another pipeline → attribute that holds it.
        still: callables that never act as they are built.

    Attributes:
        watches: what of the pipeline may change, to be looked at before every call.
        ignored: the outermost parts that the user leaves out of the record.
    """

    readings: ClassVar[Mapping[type, Reading]] = {}
    """A host's own transforms → how they are read."""
    chances: ClassVar[tuple[str, ...]] = ("prob",)
    """Their attributes that say how likely they act: one of chance 0 never does."""

    def __init__(
        self,
        catalogue: Catalogue,
        own: Iterable[Encoder],
        register: Mapping[Any, tuple[Encoder, Apply]],
        ignore: tuple[Any, ...],
        wrappers: Mapping[type, str],
        still: tuple[Any, ...] = (),
    ) -> None:
        self.catalogue, self.own = catalogue, tuple(own)
        self.register, self.ignore, self.wrappers = register, ignore, wrappers
        self.still = still
        self.watches: list[Watch] = []
        self.ignored: list[Any] = []
        self._random: list[str] = []

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return what notes what the transform does, and the plan of what it holds.

        Raises:
            PipelineError: no record can tell what it does.
        """
        if self.is_ignored(transform):
            self.ignored.append(transform)
            return transform, NOTHING
        if self.is_still(transform):
            return self._left_still(transform)
        registered = self.registered(transform)
        if registered is not None:
            encoder, apply = registered
            return self._reported(transform, [encoder], apply)
        kind = self.listed(transform)
        if kind is not None:
            encoders = self._encoders_of(transform, kind)
            if not encoders:
                return self._left_still(transform)
            return self._reported(transform, encoders, _Listed(type(self), kind))
        return self.wire_known(transform)

    @abstractmethod
    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire a transform that the library itself knows, or refuse it.

        Raises:
            PipelineError: it is not known, or no record can tell what it does.
        """

    def is_ignored(self, transform: Any) -> bool:
        """Whether the user leaves a transform out of the record."""
        return is_listed(transform, self.ignore)

    def is_still(self, transform: Any) -> bool:
        """Whether a transform never acts as it is built, though the library would record it."""
        return any(transform is one for one in self.still)

    def registered(self, transform: Any) -> tuple[Encoder, Apply] | None:
        """Find how the user wants a transform read."""
        named = (own for key, own in self.register.items() if is_listed(transform, (key,)))
        return next(named, None)

    def listed(self, transform: Any) -> type | None:
        """Find the class in :attr:`readings` whose code a transform runs."""
        kind: type | None = acts_as(transform, self.readings.__contains__)
        return kind

    @staticmethod
    @abstractmethod
    def size_of(image: Any, /) -> Size:
        """Height and width of what a transform is given."""

    def check_always(self, name: str) -> None:
        """Refuse a transform without randomness of its own that a container applies at random.

        Raises:
            PipelineError: some container around it does.
        """
        if self._random:
            raise PipelineError(
                f"Expected '{name}' to be applied always, found it applied at random by "
                f"'{self._random[-1]}', which no record entry holds. Move it outside, register "
                f"how to run and read it ({self.registering.format(name=name)}), or leave it out "
                f"of the record with {self.ignoring.format(name=name)}."
            )

    def wire_children(
        self,
        container: Any,
        attribute: str,
        kind: Literal["sequence", "one_of", "order"],
        *,
        at_random: bool = False,
    ) -> tuple[Any, Node]:
        """Wire what a container holds, and follow what becomes of it.

        Args:
            container: it stays as it is; a twin of it holds what is wired.
            attribute: where it holds its children.
            kind: how it runs them, see :class:`~augself_loss.recording.plan.Branch`.
            at_random: whether it leaves some of them out at times.

        Raises:
            PipelineError: no record can tell what some child does.
        """
        children = held_by(container, attribute)
        self.watches.append(Children(container, attribute, children))
        with self.inside(name_of(container) if at_random else None):
            wired = [self.wire(child) for child in children]
        plan = Branch(kind, [plan for _, plan in wired])
        return refilled(container, attribute, [child for child, _ in wired]), plan

    @contextmanager
    def inside(self, name: str | None) -> Iterator[None]:
        """Wire what a container of this name applies at random; ``None`` if it always does."""
        self._random += [] if name is None else [name]
        yield
        if name is not None:
            self._random.pop()

    def settings(
        self, transform: Any, encoder: Encoder | None, catalogue: Catalogue | None
    ) -> Settings:
        """Watch how a transform is built."""
        return Settings(transform, encoder, catalogue)

    def _left_still(self, transform: Any) -> tuple[Any, Node]:
        self.watches.append(self.settings(transform, None, None))
        return transform, NOTHING

    def _encoders_of(self, transform: Any, kind: type) -> Sequence[Encoder]:
        """Build the encoders of a listed transform; none where it never changes a view."""
        chances = [getattr(transform, name, None) for name in self.chances]
        if any(isinstance(chance, (int, float)) and chance <= 0 for chance in chances):
            return ()
        try:
            built = self.readings[kind].encoder(transform)
        except NothingVariesError:
            return ()
        return [built] if isinstance(built, Encoder) else built or ()

    def _reported(
        self, transform: Any, encoders: Sequence[Encoder], apply: Apply
    ) -> tuple[Any, Node]:
        leaves = [Leaf(name_of(transform), encoder) for encoder in encoders]
        return self.reporting(transform, encoders, apply), Branch("sequence", leaves)

    def reporting(self, transform: Any, encoders: Sequence[Encoder], apply: Apply) -> Any:
        """Make what runs a transform by the function that is known for it, and notes it."""
        return Reported(transform, encoders, apply, type(self).size_of)


class _Listed:
    """Runs a transform as a table says; it pickles by the table's name, and so may hold lambdas."""

    def __init__(self, table: type[Walk], kind: type) -> None:
        self.table, self.kind = table, kind

    def __call__(self, transform: Any, image: Any) -> Any:
        return self.table.readings[self.kind].apply(transform, image)
