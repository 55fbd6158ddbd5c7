"""Records as data: exchange parts of one for another's, and compute how two differ.

Pure functions. To resample a part, exchange it for that of a record just drawn:
``exchanged(record, recorder.draw(images), recorder.encoders, ["color"])``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.encoders import Encoder
from augself_loss.errors import EncoderError, RecordError
from augself_loss.parameters import Record


def exchanged(
    record: Record,
    other: Record,
    encoders: Iterable[Encoder],
    types: Sequence[str] | None = None,
) -> Record:
    """Exchange some types of a record for another record's: the same crop, another colour.

    All entries of a type go together, a jitter's order with its factors. Replay the result on the
    images of either record.

    Args:
        record: entries ``(B, columns)``; it stays as it is.
        other: of as many images, from the same recorder.
        encoders: the recorder's, ``recorder.encoders``.
        types: names of those to exchange; default: all of ``encoders``.

    Returns:
        A new record, its entries in the first one's order.

    Raises:
        EncoderError: a type without an encoder.
        RecordError: a record that lacks one of the type's entries, or is of another batch.

    Example:
        >>> from augself_loss import BlurEncoder, FlipEncoder
        >>> one = {"flip": torch.zeros(1, 1), "blur": torch.zeros(1, 1)}
        >>> two = {"flip": torch.ones(1, 1), "blur": torch.ones(1, 1)}
        >>> exchanged(one, two, [FlipEncoder(), BlurEncoder()], ["blur"])
        {'flip': tensor([[0.]]), 'blur': tensor([[1.]])}
    """
    new = dict(record)
    for encoder in of_types(encoders, types):
        _check_alike("exchanged", encoder.fields, record, other)
        new.update((entry, other[entry]) for entry in encoder.fields)
    return new


def difference(
    encoders: Iterable[Encoder],
    record1: Record,
    record2: Record,
    types: Sequence[str] | None = None,
) -> Tensor:
    """Compute how two views differ: AugSelf's ω_diff, view 1's parameters minus view 2's.

    For methods whose direction is "2 − 1", exchange the records. Anything on or off is 1 where both
    views have it or neither; classes (a rotation's quarters) are one-hot.

    Args:
        encoders: the recorder's, ``recorder.encoders``; without a preset, in the library's own
            units.
        record1: entries ``(B, columns)``.
        record2: entries of the same images' other views.
        types: names of the types, in this order; default: all of ``encoders``.

    Returns:
        ``(B, P)`` float, type by type.

    Raises:
        EncoderError: a type without an encoder.
        RecordError: a record that lacks an entry, or is of another batch.

    Example:
        >>> from augself_loss import BlurEncoder
        >>> strong, weak = {"blur": torch.tensor([[2.0]])}, {"blur": torch.tensor([[0.0]])}
        >>> difference([BlurEncoder((0.1, 2.0))], strong, weak)
        tensor([[1.]])
    """
    parts = []
    for encoder in of_types(encoders, types):
        _check_alike("difference", (encoder.name, *encoder.frame), record1, record2)
        parts.append(as_columns(encoder, encoder.difference(record1, record2)))
    return torch.cat(parts, dim=-1)


def as_columns(encoder: Encoder, described: Tensor) -> Tensor:
    """Write what an encoder said as float columns: classes as one-hot vectors.

    Args:
        encoder: whose words they are.
        described: what its ``absolute`` or ``difference`` returned.

    Returns:
        ``(B, width)`` float.
    """
    if encoder.kind != "classes":
        return described
    return functional.one_hot(described, encoder.width).float()


def of_types(encoders: Iterable[Encoder], types: Sequence[str] | None) -> list[Encoder]:
    """Choose encoders by their types' names.

    Args:
        encoders: of the recorder.
        types: names, in the order wanted; ``None`` for all.

    Raises:
        EncoderError: a type that no encoder is of, or none at all.
    """
    known: Mapping[str, Encoder] = {encoder.name: encoder for encoder in encoders}
    wanted = list(known) if types is None else [types] if isinstance(types, str) else list(types)
    absent = [name for name in wanted if name not in known]
    if absent or not wanted or isinstance(types, str):
        raise EncoderError(
            f"types expected names from the record, {list(known)}, found "
            f"{absent or types or 'none'}."
        )
    return [known[name] for name in wanted]


def _check_alike(name: str, entries: Iterable[str], one: Record, other: Record) -> None:
    """Refuse records of which one lacks an entry, or holds it for other images."""
    for entry in entries:
        for held in (one, other):
            if entry not in held:
                raise RecordError(
                    f"{name} expected the entry '{entry}' in both records, found {list(held)}. "
                    "Take the encoders and both records from the same recorder."
                )
        if one[entry].shape != other[entry].shape:
            raise RecordError(
                f"{name} expected records of the same batch, found '{entry}' as "
                f"{tuple(one[entry].shape)} and {tuple(other[entry].shape)}."
            )
