"""A record as one vector per view: what projectors and predictors are conditioned on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Recorded
from augself_loss.errors import FeatureError, LossError, RecordError
from augself_loss.parameters import Record, identity_record, is_dense_float
from augself_loss.records import as_columns

ORDER = "color_order"
"""The entry that holds in which order a jitter's four steps ran."""


@dataclass(frozen=True)
class Condition:
    """Turns a record into ``(B, P)``, type by type: applied flags, the jitter's order, the values.

    Args:
        encoders: the pipeline's, ``recorder.encoders``.
        types: which of them, in this order; default all.
        frame: ``view``: a crop's place as the flipped view shows it; ``source``: in the image.
        scale: ``range``: in the encoder's units, classes as one-hot vectors; ``none``: as recorded.
        applied: types that get a flag in front, 1 where the entry is not the identity.
        flags_only: types of which only the flag is taken.
        order: put the jitter's order, four numbers 0 to 3, in front of its factors.

    Raises:
        LossError: no encoders, types that are no list, or a type without an encoder.

    Example:
        >>> from augself_loss import CropEncoder, FlipEncoder
        >>> condition = Condition([CropEncoder(), FlipEncoder()])
        >>> record = {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]]), "flip": torch.ones(1, 1)}
        >>> condition(record)
        tensor([[0.5000, 0.7500, 1.0000, 0.5000, 1.0000]])
        >>> condition.width
        5
    """

    encoders: Sequence[Encoder]
    types: Sequence[str] = ()
    frame: Literal["view", "source"] = "view"
    scale: Literal["range", "none"] = "range"
    applied: Collection[str] = ()
    flags_only: Collection[str] = ()
    order: bool = False
    _known: Mapping[str, Encoder] = field(init=False, repr=False, default_factory=dict)

    def __post_init__(self) -> None:
        known = by_name(self.encoders)
        for name in ("types", "applied", "flags_only"):
            if isinstance(getattr(self, name), str):
                raise LossError(
                    f"Condition expected {name} as a list of names, found "
                    f"{getattr(self, name)!r}: write ['{getattr(self, name)}']."
                )
        types = tuple(self.types) or tuple(known)
        unknown = [n for n in (*types, *self.applied, *self.flags_only) if n not in known]
        if unknown or not types:
            raise LossError(
                f"Condition expected types from {list(known)}, found {unknown or 'none'}. Pass "
                "the recorder's encoders: Condition(recorder.encoders)."
            )
        object.__setattr__(self, "types", types)
        object.__setattr__(self, "_known", {name: known[name] for name in types})

    @property
    def width(self) -> int:
        """Columns P."""
        identities = {
            entry: torch.tensor([spec.identity])
            for encoder in self.encoders
            for entry, spec in encoder.fields.items()
        }
        for encoder in self.encoders:
            for name in encoder.frame:
                identities.setdefault(name, torch.zeros(1, 1))
        return self(identities).shape[1]

    def __call__(self, record: Record) -> Tensor:
        """Describe one view.

        Args:
            record: entries ``(B, columns)``.

        Returns:
            ``(B, P)`` float.

        Raises:
            RecordError: an entry is missing.
        """
        wanted = [*self.types, *([ORDER] if self.order and "color" in self.types else [])]
        missing = [name for name in wanted if name not in record]
        if missing:
            raise RecordError(
                f"Condition expected the entry '{missing[0]}', found {list(record)}. Take the "
                "encoders and the record from the same recorder."
            )
        seen = in_view_frame(record) if self.frame == "view" else record
        return torch.cat([part for name in self.types for part in self._parts(name, seen)], dim=-1)

    def check_recorder(self, recorder: Recorded) -> None:
        """Refuse a recorder that does not record what is described.

        Raises:
            RecordError: an entry is missing.
        """
        self(identity_record(recorder.layout, 1))

    def _parts(self, name: str, record: Record) -> Iterable[Tensor]:
        encoder, entry = self._known[name], record[name]
        if name in self.applied or name in self.flags_only:
            identity = torch.stack([entry.new_full((), value) for value in encoder.identity])
            yield (entry != identity).any(dim=-1, keepdim=True).to(entry.dtype)
        if name in self.flags_only:
            return
        if self.order and name == "color":
            yield record[ORDER]
        if self.scale == "none":
            yield entry
        else:
            yield as_columns(encoder, encoder.absolute(record)).to(entry.dtype)


def by_name(encoders: object) -> dict[str, Encoder]:
    """List encoders by the names of their types.

    Raises:
        LossError: anything else, such as the recorder that has them.
    """
    given = list(encoders) if isinstance(encoders, Iterable) else []
    if not given or not all(isinstance(encoder, Encoder) for encoder in given):
        raise LossError(
            f"Expected a recorder's encoders, found {type(encoders).__name__}. Pass "
            "recorder.encoders."
        )
    return {encoder.name: encoder for encoder in given}


def described(condition: object) -> dict[str, str]:
    """Describe a condition for a checkpoint; one of the user's own class says nothing."""
    return {"condition": repr(condition)} if isinstance(condition, Condition) else {}


def check_is_condition(name: str, condition: object) -> None:
    """Refuse what is no condition, nor offers what one does.

    Args:
        name: the network's, for the message.
        condition: what was given as such.

    Raises:
        LossError: it is none.
    """
    if not (callable(condition) and hasattr(condition, "width")):
        raise LossError(
            f"{name} expected a Condition, found {type(condition).__name__}. Pass "
            "Condition(recorder.encoders); EquiMod's is EquiMod.describe(recorder.encoders)."
        )


def in_view_frame(record: Record) -> dict[str, Tensor]:
    """Give a view's crop as the view shows it: mirrored if the view is flipped.

    Args:
        record: entries ``(B, columns)``.

    Returns:
        The record, its ``crop`` (top, left, height, width) in the view's frame.
    """
    found = dict(record)
    if "crop" not in record:
        return found
    top, left, height, width = record["crop"].unbind(-1)
    if "flip" in record:
        left = torch.lerp(left, 1 - left - width, record["flip"].squeeze(-1))
    if "vertical_flip" in record:
        top = torch.lerp(top, 1 - top - height, record["vertical_flip"].squeeze(-1))
    found["crop"] = torch.stack([top, left, height, width], dim=-1)
    return found


def check_view(name: str, features: Tensor, dim: int, *, training: bool) -> None:
    """Refuse features of a view that a conditioned network cannot take.

    Args:
        name: the network's, for the message.
        features: ``(B, dim)``.
        dim: the width expected.
        training: whether batch norms look at the batch.

    Raises:
        FeatureError: another shape, a dtype that is not floating-point, or too few samples.
    """
    if features.ndim != 2 or features.shape[1] != dim:
        raise FeatureError(
            f"{name} expected features (B, {dim}), found {tuple(features.shape)}. Pool and "
            "flatten them first, or build it for their width."
        )
    if not is_dense_float(features):
        raise FeatureError(
            f"{name} expected floating-point features, found {features.dtype} ({features.layout})."
        )
    if len(features) < 1 + training:
        raise FeatureError(
            f"{name} expected at least {1 + training} samples, for its batch norms, found "
            f"{len(features)}. Drop the last batch (drop_last=True), or call .eval()."
        )


def check_condition(name: str, features: Tensor, condition: Tensor) -> None:
    """Refuse a condition of another batch or device than its view's features.

    Args:
        name: the network's, for the message.
        features: ``(B, D)``.
        condition: ``(B, P)``.

    Raises:
        FeatureError: it does not fit.
    """
    if len(condition) != len(features):
        raise FeatureError(
            f"{name} expected features and a record of the same batch, found {len(features)} and "
            f"{len(condition)} samples."
        )
    if condition.device != features.device:
        raise FeatureError(
            f"{name} expected features and a record on the same device, found {features.device} "
            f"and {condition.device}. Move the record with the batch."
        )
