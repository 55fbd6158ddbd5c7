"""Where in a host's batch the views are: at an index, at a key, or the batch itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import RecordError
from augself_loss.recording.multiview import MultiViewRecorder, is_packed


@dataclass(frozen=True)
class Place:
    """Reads and replaces what is at one place of a batch; the given batch stays as it is.

    Args:
        at: an index, a key, or ``None`` for the batch itself.

    Example:
        >>> place = Place("image")
        >>> place.put({"image": 1, "label": 2}, 3)
        {'image': 3, 'label': 2}
    """

    at: int | str | None = 0

    def get(self, batch: Any) -> Any:
        """Return what is there.

        Raises:
            RecordError: nothing is.
        """
        if self.at is None:
            return batch
        try:
            return batch[self.at]
        except (KeyError, IndexError, TypeError) as error:
            found = list(batch) if isinstance(batch, dict) else type(batch).__name__
            raise RecordError(
                f"AugSelf expected the views at {self.at!r} of the batch, found {found}. Say "
                "where they are: images='image', or images=None for the batch itself."
            ) from error

    def put(self, batch: Any, views: Any) -> Any:
        """Return the batch with other views in the place."""
        if self.at is None:
            return views
        if isinstance(batch, dict):
            return {**batch, self.at: views}
        entries: Any = list(batch)
        entries[self.at] = views
        if isinstance(batch, tuple):
            return type(batch)(*entries) if hasattr(batch, "_fields") else tuple(entries)
        return entries

    def stripped(self, batch: Any) -> Any:
        """Take the records off a batch for evaluation, where it has some."""
        try:
            views = self.get(batch)
        except RecordError:
            return batch
        recorded = isinstance(views, (list, tuple)) and len(views) > 0 and is_packed(views[-1])
        return self.put(batch, list(views[:-1])) if recorded else batch

    def augmented(self, batch: Any, recorder: MultiViewRecorder, dtype: torch.dtype) -> Any:
        """Replace images by their views and records, where the images are.

        Args:
            batch: the batch, on the device.
            recorder: of Kornia's pipelines.
            dtype: what uint8 images are brought to.

        Raises:
            RecordError: no tensor of images there.
        """
        images = self.get(batch)
        if not isinstance(images, Tensor):
            raise RecordError(
                f"Augmentation on the device expected a tensor of images at {self.at!r} of the "
                f"batch, found {type(images).__name__}. Say where they are: images='image'."
            )
        if images.dtype == torch.uint8:
            images = (images / 255).to(dtype)
        with torch.no_grad():
            return self.put(batch, recorder(images))
