"""Says which records features have: those of the views that the taps' calls were given."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from augself_loss.errors import FeatureError
from augself_loss.hosting.marks import Images
from augself_loss.hosting.matching import Matcher, searches
from augself_loss.hosting.tap_calls import Call, Seen, is_alike
from augself_loss.parameters import Record, side_by_side


class Whose:
    """Follows features back to their calls, these to their views, and returns the views' records.

    It remembers how it found rows and images by their bits, as its matchers do.
    """

    def __init__(self) -> None:
        self._features, self._images = Matcher(), Matcher()

    def __call__(
        self,
        features: Tensor,
        calls: Sequence[tuple[Call, Seen]],
        views: Sequence[Tensor],
        records: Sequence[Record],
    ) -> Record:
        """Find the record of features.

        Args:
            features: ``(N, …)``, what calls returned: one call's rows in their order; or any rows
                of several calls, concatenated, cast, in whatever order.
            calls: the taps' calls of the step, with the images that they were given.
            views: the step's views.
            records: theirs.

        Returns:
            One record of N rows.

        Raises:
            FeatureError: rows that no call returned, or a call whose images are no views.
        """
        packed = [_packed(record) for record in records]
        for alone in searches() if packed else ():
            rows = self._rows(features, calls, views, packed, alone=alone)
            if rows is not None:
                widths = [entry.shape[-1] for entry in records[0].values()]
                return dict(zip(records[0], torch.split(rows, widths, dim=-1), strict=True))
        raise FeatureError(_unknown(features, calls))

    def _rows(
        self,
        features: Tensor,
        calls: Sequence[tuple[Call, Seen]],
        views: Sequence[Tensor],
        packed: Sequence[Tensor],
        *,
        alone: bool,
    ) -> Tensor | None:
        for which, (call, seen) in enumerate(calls):
            part = _part_of(call.output, features)
            if part is not None:
                rows = self._of_images(which, seen, views, packed, alone=alone)
                return None if rows is None else rows[part]
        flat = features.detach().flatten(1)
        found: list[tuple[Tensor, Images]] = []
        for which, (call, seen) in enumerate(calls):
            like = call.feature.detach().flatten(1).to(flat.dtype)
            fits = like.shape[1] == flat.shape[1]
            rows = self._of_images(which, seen, views, packed, alone=alone) if fits else None
            if rows is not None:
                found.append((rows, Images(like)))
        return self._features.find(flat, found, alone=alone) if found else None

    def _of_images(
        self,
        which: int,
        seen: Seen,
        views: Sequence[Tensor],
        packed: Sequence[Tensor],
        *,
        alone: bool,
    ) -> Tensor | None:
        """Find the records of images: of a view, of several in any order, or of one normalized."""
        if seen.views:
            return packed[seen.views[0]]
        alike = [i for i, view in enumerate(views) if is_alike(seen.images, view)]
        if not alike:
            return None
        form = seen.images.dtype
        known = [(packed[i], Images(views[i].to(form).reshape(-1, *seen.images.shape[1:])))
                 for i in alike]  # fmt: skip
        rows = self._images.find(seen.images, known, which, alone=alone)
        if rows is not None:
            return rows
        parts = torch.split(seen.images, len(views[alike[0]]))
        found = [
            next((i for i in alike if self._images.is_only(views, i, part, (which, place))), None)
            for place, part in enumerate(parts)
        ]
        return None if None in found else torch.cat([packed[i] for i in found if i is not None])


def _packed(record: Record) -> Tensor:
    """Put a record's entries side by side, ``(B, P)``."""
    whole = side_by_side(list(record.values()))
    return torch.cat(list(record.values()), dim=-1) if whole is None else whole


def _part_of(output: Tensor, features: Tensor) -> slice | None:
    """Say which rows of an output features are, where they lie in its memory."""
    one, other = output.detach().flatten(1), features.detach().flatten(1)
    if one.shape[1] != other.shape[1] or one.dtype != other.dtype or one.numel() == 0:
        return None
    if one.untyped_storage().data_ptr() != other.untyped_storage().data_ptr():
        return None
    step, rest = one.stride(0), other.storage_offset() - one.storage_offset()
    if one.stride() != other.stride() or step == 0 or rest % step or rest < 0:
        return None
    first = rest // step
    return slice(first, first + len(other)) if first + len(other) <= len(one) else None


def _unknown(features: Tensor, calls: Sequence[tuple[Call, Seen]]) -> str:
    taps = sorted({call.tap for call, _ in calls})
    known = [tuple(call.output.shape) for call, _ in calls]
    found = f"calls of {taps} with {known}" if calls else "no tap call with known views"
    shape = tuple(features.shape)
    return (
        f"ConditionedProjector expected features that a tap returned, found {shape}; "
        f"{found}. Tap every network whose features are projected, also the momentum encoder "
        "(taps=('backbone', 'backbone_momentum')), and only flatten, cast or concatenate its "
        "output. Otherwise call projector(features, record) yourself."
    )
