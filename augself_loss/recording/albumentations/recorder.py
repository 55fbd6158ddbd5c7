"""Records what an albumentations pipeline did to an image, in DataLoader workers too."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from augself_loss.parameters import Record
from augself_loss.recording.albumentations.images import check_image
from augself_loss.recording.albumentations.replay import replay
from augself_loss.recording.albumentations.wiring import Wiring
from augself_loss.recording.notes import Note, logged
from augself_loss.recording.recorder import CallableRecorder


class AlbumentationsRecorder(CallableRecorder):
    """Runs an albumentations pipeline and returns its result with the view's record.

    Views, masks, boxes and generators are bit for bit those of the pipeline alone. The recorder
    works on twins of the pipeline's transforms, which share their attributes and generators: a
    probability, limit or seed that you change in place holds from the next call on. Other steps, or
    a range wider than the encoders were built for, are then refused. It pickles with the pipeline,
    and so passes to DataLoader workers.

    Args:
        transform: ``Compose``, ``Sequential``, ``OneOf``, ``SomeOf``, ``OneOrOther``,
            ``RandomOrder``, ``ReplayCompose``, nested as you like, or a single transform.
        encoders: encoders for augmentations of your own (subclasses of ``BasicTransform``, read
            under ``albumentations``), or replacements for built-in ones.
        register: for any other random callable: it or its class → ``(encoder, apply)``, where
            ``apply(callable, data)`` calls it as ``callable(**data)`` and returns the data and the
            encoder's columns, ``None`` if it was not applied.
        ignore: transforms or classes whose randomness is not recorded.
        types: types to record even if this pipeline never applies them (as the identity), so that
            two different pipelines give records with the same entries.
        still: transforms that, as built, are never applied; changing them is refused.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: an unknown random transform, one without randomness (Normalize, Resize) that
            is applied at random, or an order that no record can express.

    Example:
        >>> import albumentations as A, numpy as np
        >>> recorder = AlbumentationsRecorder(A.Compose([A.HorizontalFlip(p=1.0)]))
        >>> data, record = recorder(image=np.zeros((8, 8, 3), np.uint8))
        >>> sorted(data), record
        (['image'], {'flip': tensor([1.])})
    """

    library = "albumentations"
    wiring = Wiring

    def __call__(self, *image: Any, **data: Any) -> tuple[Any, Record]:
        """Augment one image and what belongs to it.

        Args:
            *image: the image alone, as hosts and ``MultiViewRecorder`` pass it, or
            **data: what the pipeline takes: ``image=``, ``mask=``, ``bboxes=``, …

        Returns:
            What the pipeline returns, a dict (for an image alone: the view alone), and the view's
            record, entries ``(columns,)`` float32 without a batch axis.

        Raises:
            ImageError: it is no NumPy image.
            PipelineError: the pipeline was changed so that its records would be wrong.
        """
        result, notes = self.noted(*image, **data)
        return result, self.settle(notes)

    def noted(self, *image: Any, **data: Any) -> tuple[Any, Sequence[Note]]:
        """Augment one image, and leave what was noted to be settled.

        Args:
            *image: the image alone, or
            **data: what the pipeline takes.

        Returns:
            What the pipeline returns, for an image alone the view, and the notes.

        Raises:
            ImageError, PipelineError: as a call does.
        """
        if image:
            (data["image"],) = image
        self.check(data.get("image"))
        self.follow()
        with logged() as notes:
            result = self.transform(**data)
        return result["image"] if image else result, notes

    def replay(self, record: Record, *image: Any, **data: Any) -> Any:
        """Apply a record again, to this or another image and to what belongs to it.

        Colours match up to the record's float32; boxes, flips and turns match exactly on images of
        the recorded size. Ignored transforms draw anew.

        Args:
            record: what this recorder returned for one image, or a copy with a part exchanged.
            *image: the image alone, or
            **data: what the pipeline takes.

        Returns:
            What the pipeline returns; for an image alone the view.

        Raises:
            PipelineError: a type whose record is incomplete (which of several kernels, a
                transposition), several steps recorded as one, or a drawn order.
            RecordError: the record lacks an entry, or holds several samples.
            ImageError: it is no NumPy image.

        Example:
            >>> import albumentations as A, numpy as np
            >>> recorder = AlbumentationsRecorder(A.RandomCrop(2, 2, p=1.0))
            >>> picture = np.arange(16, dtype=np.uint8).reshape(4, 4)
            >>> view, record = recorder(picture)
            >>> bool((recorder.replay(record, picture) == view).all())
            True
        """
        if image:
            (data["image"],) = image
        self.check(data.get("image"))
        self.follow()
        result = replay(self.transform, record, self.layout, self._catalogue)(**data)
        return result["image"] if image else result

    def check(self, image: Any) -> None:
        """Refuse anything but a NumPy image (H, W) or (H, W, C)."""
        check_image(image, "AlbumentationsRecorder")
