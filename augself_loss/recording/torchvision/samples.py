"""Which part of a v2 sample is its image, beside masks, boxes and labels: its record is that one's.

torchvision draws once for a whole sample. It takes as images what is marked as such (PIL images,
``tv_tensors.Image``), or else the first plain tensor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL.Image import Image
from torch import Tensor
from torch.utils._pytree import tree_flatten
from torchvision import tv_tensors

from augself_loss.errors import ImageError

EXPLICIT = (Image, tv_tensors.Image, tv_tensors.Video)
ONCE_PER_IMAGE = "torchvision would augment all of them alike. Call the recorder once per image."


def is_sample(given: Any) -> bool:
    """Whether this is several things in one, as v2's transforms take them."""
    return isinstance(given, (list, tuple, dict))


def parts_of(sample: Any) -> list[Any]:
    """List what is in a sample, at any depth, in the order in which v2 looks at it."""
    parts: list[Any] = tree_flatten(sample)[0]
    return parts


def image_in(parts: Sequence[Any], where: str) -> Any:
    """Find the one image among the parts of a sample.

    Args:
        parts: as :func:`parts_of` lists them.
        where: who was given them, for the message.

    Returns:
        The image, as it is.

    Raises:
        ImageError: none or several, or plain tensors of which v2 would take another.
    """
    explicit = [part for part in parts if isinstance(part, EXPLICIT)]
    if len(explicit) > 1:
        raise ImageError(
            f"{where} expected one image, found a sample with {len(explicit)}: {ONCE_PER_IMAGE}"
        )
    if explicit:
        return explicit[0]
    plain = [part for part in parts if is_plain(part)]
    if not plain:
        kinds = [type(part).__name__ for part in parts]
        raise ImageError(
            f"{where} expected a sample with a PIL image or tensor, found {kinds}: torchvision "
            "may pass other types on unchanged, even NumPy arrays. Convert it first: v2.ToImage()."
        )
    first, *others = plain
    if any(other.ndim >= 3 for other in others):
        shapes = [tuple(part.shape) for part in plain]
        raise ImageError(
            f"{where} expected one image, found a sample with {len(plain)} plain tensors, "
            f"{shapes}: torchvision would augment only the first. Wrap each tensor: "
            "tv_tensors.Image(image), tv_tensors.Mask(mask)."
        )
    return first


def is_plain(part: Any) -> bool:
    """Whether this is a tensor that says nothing of what it is."""
    return isinstance(part, Tensor) and not isinstance(part, tv_tensors.TVTensor)
