"""Reads what timm adds to torchvision's transforms, as its ``create_transform`` builds them.

Known by name and module, so timm need not be installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torchvision.transforms.v2.functional import get_size

from augself_loss.encoders import CropEncoder, ErasingEncoder
from augself_loss.encoders.base import Columns
from augself_loss.encoders.boxes import fractions
from augself_loss.errors import ImageError, PipelineError
from augself_loss.recording.walk import Reading

TIMM_MODULES = "timm.data."
"""Where timm's transforms are defined."""
TIMM_UNSEEN = frozenset({"MaybePILToTensor", "MaybeToTensor", "ToTensor"})
"""timm's transforms that change no pixel."""

TIMM_MOVING = frozenset(
    {
        "AugMixAugment", "AutoAugment", "CenterCropOrPad", "RandAugment", "RandomCropOrPad",
        "RandomPad", "ResizeKeepRatio", "TrimBorder",
    }
)  # fmt: skip
"""timm's transforms that move pixels as no record tells."""


def is_timm(cls: type) -> bool:
    """Whether a class is timm's own."""
    return cls.__module__.startswith(TIMM_MODULES)


def _cropped(crop: Any, image: Any) -> tuple[Any, Columns]:
    """Run a crop, or a copy of it that keeps the box that it draws."""
    boxes: list[Columns] = []

    def noting(*args: Any) -> Columns:
        boxes.append(type(crop).get_params(*args))
        return boxes[-1]

    copied = object.__new__(type(crop))
    vars(copied).update(vars(crop), get_params=noting)
    view = copied(image)
    return view, _share(boxes[0], image)


class _Canvas:
    """Stands for an image that is erased in place, and keeps where."""

    def __init__(self, image: Tensor) -> None:
        self.image = image
        self.box: tuple[int, int, int, int] | None = None

    def __setitem__(self, where: Any, pixels: Any) -> None:
        self.image[where] = pixels
        _, rows, columns = where
        self.box = (rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start)


def _erased(erasing: Any, image: Any) -> tuple[Any, Columns | None]:
    if not isinstance(image, Tensor) or image.ndim != 3:
        raise ImageError(
            f"timm's RandomErasing expected an image (C, H, W), found {type(image).__name__}. Put "
            "it behind MaybeToTensor."
        )
    canvas = _Canvas(image)
    erasing._erase(canvas, *image.shape, image.dtype)
    if canvas.box is None or 0 in canvas.box[2:]:
        return image, None
    return image, _share(canvas.box, image)


def _share(box: Columns, image: Any) -> Columns:
    """Divide a box in pixels by its image's height and width."""
    height, width = get_size(image)
    return fractions(box, (height, width))


def _erasing_encoder(erasing: Any) -> ErasingEncoder | None:
    if erasing.probability <= 0:
        return None
    if erasing.max_count > 1:
        raise PipelineError(
            f"timm's RandomErasing expected max_count=1, found {erasing.max_count}: a record holds "
            "one box. Erase one, or leave it out of the record with ignore=[RandomErasing]."
        )
    return ErasingEncoder()


TIMM_READINGS: Mapping[str, Reading] = {
    "RandomErasing": Reading(_erasing_encoder, _erased),
    "RandomResizedCropAndInterpolation": Reading(lambda _: CropEncoder(reach=0), _cropped),
}
"""Class name → how its transforms are read."""
