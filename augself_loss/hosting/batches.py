"""Where in a batch the views are: at an index, a key, a path of them, or the batch itself."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from augself_loss.errors import RecordError
from augself_loss.recording.multiview import MultiViewRecorder, is_packed

At: TypeAlias = "int | str | Sequence[int | str] | None"
"""An index, a key, a path of them from the outside in, or ``None`` for the batch itself."""

RAN_OUT = (
    "one loader of a CombinedLoader has no more batches. Let every loader return one in each "
    "step: mode='max_size_cycle' (Lightning's default) or 'min_size'."
)


@dataclass(frozen=True)
class Place:
    """Reads and replaces what is at one place of a batch; the given batch stays as it is.

    Args:
        at: an index, a key, a path of them from the outside in, or ``None`` for the batch itself.

    Example:
        >>> place = Place("image")
        >>> place.put({"image": 1, "label": 2}, 3)
        {'image': 3, 'label': 2}
        >>> Place(("unlabelled", 0)).put({"labelled": 1, "unlabelled": [2, 3]}, 4)
        {'labelled': 1, 'unlabelled': [4, 3]}
    """

    at: At = 0

    @property
    def steps(self) -> tuple[int | str, ...]:
        """The path from the batch to the place."""
        if self.at is None:
            return ()
        return (self.at,) if isinstance(self.at, (int, str)) else tuple(self.at)

    def get(self, batch: Any) -> Any:
        """Return what is there.

        Raises:
            RecordError: nothing is.
        """
        here = batch
        for number, step in enumerate(self.steps):
            try:
                here = here[step]
            except (KeyError, IndexError, TypeError) as error:
                raise self._missing(number, here) from error
        if here is None and self.steps:
            raise self._missing(len(self.steps), here)
        return here

    def views(self, batch: Any, hint: str = "") -> Sequence[Tensor]:
        """Return the views and their packed records that are there.

        Args:
            batch: of recorded images.
            hint: what else the host's users may have to look at.

        Raises:
            RecordError: something else is.
        """
        views = self.get(batch)
        if isinstance(views, Tensor) or not isinstance(views, Sequence):
            raise RecordError(
                f"AugSelf expected a list of views and their records at {self.at!r} of the "
                f"batch, found {type(views).__name__}. Pass the recorder to the data set as its "
                f"transform, or set on_device=True for Kornia{hint}."
            )
        return views

    def put(self, batch: Any, views: Any) -> Any:
        """Return the batch with other views in the place; what holds them is copied, step by step.

        Args:
            batch: lists, tuples, named tuples and mappings.
            views: what is to be there.
        """
        return _put(batch, self.steps, views)

    def _missing(self, number: int, here: Any) -> RecordError:
        """Say at which step the path ends, and what is there."""
        where = f" at {self.steps[:number]}" if number else ""
        expected = f"AugSelf expected the views at {self.at!r} of the batch, found"
        if here is None and number:
            return RecordError(f"{expected} None{where}: {RAN_OUT}")
        found: Any = type(here).__name__
        if isinstance(here, Mapping):
            found = list(here)
        elif isinstance(here, (list, tuple)):
            found = f"{found} of {len(here)}"
        return RecordError(
            f"{expected} {found}{where}. Say where they are: images='image', "
            "images=('unlabelled', 0) for a nested batch, or images=None if the batch itself "
            "holds the views."
        )

    def stripped(self, batch: Any, third: int | None = None) -> Any:
        """Take the records off a batch for evaluation, where it has some.

        Args:
            batch: any batch.
            third: which of the recorded views goes with them, the objective's own.
        """
        try:
            views = self.get(batch)
        except RecordError:
            return batch
        recorded = isinstance(views, (list, tuple)) and len(views) > 0 and is_packed(views[-1])
        if not recorded:
            return batch
        return self.put(batch, [view for i, view in enumerate(views[:-1]) if i != third])

    def augmented(self, batch: Any, recorder: MultiViewRecorder, dtype: torch.dtype) -> Any:
        """Replace images by their views and records, where the images are.

        Args:
            batch: the batch, on the device.
            recorder: of Kornia's pipelines.
            dtype: what uint8 images are brought to.

        Raises:
            RecordError: no tensor of images there, or a recorder that works image by image.
        """
        images = self.get(batch)
        if not isinstance(images, Tensor):
            raise RecordError(
                f"AugSelf expected a tensor of images at {self.at!r} of the batch, to augment on "
                f"the device, found {type(images).__name__}. Say where the images are: "
                "images='image'."
            )
        _check_batches(recorder, images)
        if images.dtype == torch.uint8:
            images = (images / 255).to(dtype)
        with torch.no_grad():
            return self.put(batch, recorder(images))


def _check_batches(recorder: MultiViewRecorder, images: Tensor) -> None:
    """Refuse a recorder that augments one image after the other, in the data set.

    Raises:
        RecordError: it is one.
    """
    alone = [one for one in recorder.recorders if not getattr(one, "takes_batches", True)]
    if alone:
        name, plain = type(alone[0]).__name__, type(recorder) is MultiViewRecorder
        transform = "MultiViewRecorder(recorder)" if plain else "the recorder"
        raise RecordError(
            f"AugSelf expected views and their records, found images {tuple(images.shape)}: this "
            f"batch has no records, and {name} augments image by image. Give its data set "
            f"{transform} as the transform; in validation, call your model without views()."
        )


def _put(batch: Any, steps: Sequence[int | str], views: Any) -> Any:
    if not steps:
        return views
    step: Any = steps[0]
    inner = _put(batch[step], steps[1:], views) if len(steps) > 1 else views
    if isinstance(batch, Mapping):
        replaced: Any = copy.copy(batch)
        replaced[step] = inner
        return replaced
    entries = list(batch)
    entries[step] = inner
    if isinstance(batch, tuple):
        return type(batch)(*entries) if hasattr(batch, "_fields") else tuple(entries)
    return entries
