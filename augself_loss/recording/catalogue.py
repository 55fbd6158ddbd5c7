"""Which encoder reads which transform, and what a pipeline's record will hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, TypeAlias

from augself_loss.encoders import Encoder, default_encoders
from augself_loss.encoders.base import Columns, Reader, Step, Value, Writer
from augself_loss.errors import EncoderError, NothingVariesError, PipelineError
from augself_loss.parameters import Layout
from augself_loss.recording.rows import misfit

Host: TypeAlias = Literal["kornia", "torchvision", "albumentations"]


class Catalogue:
    """The encoders that read one host's transforms.

    Args:
        host: whose transforms are read.
        own: a user's own encoders; they come before the built-in ones.

    Attributes:
        encoders: type → its encoder.
        owners: record entry → the encoder that says how its steps combine.
        columns: record entry → names of its columns.
    """

    def __init__(self, host: Host, own: Iterable[Encoder] = ()) -> None:
        own = list(own)
        self.host = host
        self._own = own
        self.encoders = default_encoders(own)
        self.owners = {
            **{entry: encoder for encoder in self.encoders.values() for entry in encoder.extras},
            **self.encoders,
        }
        self.columns: dict[str, tuple[str, ...]] = {
            entry: field.columns
            for encoder in self.encoders.values()
            for entry, field in encoder.fields.items()
        }
        self._readers: dict[str, list[Encoder]] = {}
        for encoder in [*own, *self.encoders.values()]:
            for transform in getattr(encoder, host):
                self._readers.setdefault(transform, []).append(encoder)

    def knows(self, transform: str, *, own: bool = False) -> bool:
        """Whether some encoder, or one of the user's ``own``, reads the transform of this name."""
        readers = self._readers.get(transform, ())
        return any(encoder in self._own for encoder in readers) if own else bool(readers)

    def read(self, step: Step) -> Mapping[str, Columns]:
        """Read a step into record entries.

        Raises:
            PipelineError: no encoder takes it, or its reader returns what is no entry of a record.
        """
        reader: Reader = getattr(self.reading(step), self.host)[step.name]
        entries = reader(step)
        self.check(step, entries)
        return entries

    def check(self, step: Step, entries: Mapping[str, Columns]) -> None:
        """Look at what a step's reader returned; every image asks.

        Args:
            step: the step.
            entries: what was read.

        Raises:
            PipelineError: no dict, an entry that no encoder has, or more or fewer columns than it
                has.
        """
        if not isinstance(entries, Mapping):
            raise PipelineError(
                f"Expected the reader of '{step.name}' to return a dict, found a "
                f"{type(entries).__name__}. Return the encoder's name with a tuple of its columns: "
                "{'blur': (sigma,)}."
            )
        for entry, columns in entries.items():
            names = self.columns.get(entry)
            if names is None:
                raise PipelineError(
                    f"'{step.name}' expected entries that an encoder has, found '{entry}', which "
                    "would not be recorded. Let its reader return entries of its encoder's name, "
                    "or of the encoder's extras."
                )
            if not isinstance(columns, (tuple, list)) or len(columns) != len(names):
                raise misfit(step.name, entry, columns, names)

    def write(self, entries: Mapping[str, Columns], step: Step) -> Mapping[str, Value]:
        """Write record entries back as the parameters of a step, for replay.

        Raises:
            PipelineError: the type cannot be replayed.
        """
        return self.writer(step)(entries, step)

    def writer(self, step: Step) -> Writer:
        """Find what writes a step's entries back.

        Raises:
            PipelineError: the type cannot be replayed.
        """
        writers: Mapping[str, Writer] = getattr(self.reading(step), f"{self.host}_writers", {})
        if step.name not in writers:
            raise PipelineError(
                f"'{step.name}' cannot be replayed: the record does not hold all its parameters. "
                f"Leave it out of the record with ignore=[{step.name}]."
            )
        return writers[step.name]

    def encoder(self, step: Step) -> Encoder | None:
        """Find the encoder of a transform and build it from the transform's own ranges.

        ``step.params`` is empty here: nothing was sampled yet. A user's own encoder is taken as it
        is. ``None`` says that the transform, as it is built, can never change a view.

        Raises:
            PipelineError: no encoder takes it, or no record can tell what it does.
        """
        encoder = self.reading(step)
        encoder.check_step(step)
        return encoder if encoder in self._own else self.built(step)

    def built(self, step: Step) -> Encoder | None:
        """Build the encoder of a transform from the transform's own ranges, whoever's it is."""
        encoder = self.reading(step)
        try:
            return getattr(encoder, f"from_{self.host}")(step)  # type: ignore[no-any-return]
        except NothingVariesError:
            return None
        except EncoderError as error:
            raise PipelineError(
                f"'{step.name}' cannot be recorded with its settings: {error} Widen its range, "
                "take it out of the pipeline, or leave it out of the record with "
                f"ignore=[{step.name}]."
            ) from error

    def type_of(self, step: Step) -> str:
        """Name the type of a transform's step."""
        return self.reading(step).name

    def by_size(self, step: Step) -> bool:
        """Whether a transform is drawn, or read, by the size of its image."""
        return self.reading(step).by_size

    def reading(self, step: Step) -> Encoder:
        """Find the encoder that reads a step, in ranges of its own.

        Raises:
            PipelineError: no encoder takes it.
        """
        for encoder in self._readers.get(step.name, ()):
            if encoder.takes(step):
                return encoder
        raise PipelineError(
            f"'{step.name}' expected an encoder that reads it with these settings, found none: "
            f"{dict(step.config)}. Pass one, encoders=[MyEncoder(...)], or leave it out of the "
            f"record with ignore=[{step.name}]."
        )


def unite(encoders: Iterable[Encoder]) -> dict[str, Encoder]:
    """Keep one encoder per type; where a type comes twice, its ranges hold both."""
    united: dict[str, Encoder] = {}
    for encoder in encoders:
        known = united.get(encoder.name)
        united[encoder.name] = encoder if known is None else known.union(encoder)
    return united


def layout_of(
    encoders: Mapping[str, Encoder], catalogue: Catalogue, extra: Sequence[str]
) -> Layout:
    """Lay out a pipeline's record: its types, what their targets read, and the ``extra`` ones.

    Raises:
        PipelineError: ``extra`` names a type that no encoder knows.
    """
    unknown = [name for name in extra if name not in catalogue.encoders]
    if unknown:
        raise PipelineError(
            f"types expected names from {sorted(catalogue.encoders)}, found {unknown}. For your "
            "own augmentation pass its encoder: encoders=[MyEncoder(...)]."
        )
    wanted = {*encoders, *extra}
    wanted |= {entry for name in wanted for entry in catalogue.encoders[name].frame}
    return {
        entry: field
        for name, default in catalogue.encoders.items()
        if name in wanted
        for entry, field in encoders.get(name, default).fields.items()
    }
