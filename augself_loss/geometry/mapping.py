"""From a view's pixels to its source's, and to another view's."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from augself_loss.encoders.maps import inverse, product
from augself_loss.geometry.pixels import Pixels
from augself_loss.geometry.placing import both, in_pixels, placed


def matrix(record: Mapping[str, Tensor], pixels: Pixels) -> Tensor:
    """Map pixels of views to pixels of their sources.

    A point of the view outside of its source shows padding. What acts on values only is passed by.

    Args:
        record: view record, entries ``(B, columns)`` of float32 or float64.
        pixels: the sizes and the library.

    Returns:
        ``(B, 3, 3)``, on points (x, y, 1) in pixels. Where ``perspective`` is recorded the result
        is to be divided by its third coordinate.

    Raises:
        RecordError: an entry of a type that is not known, an order that is not told, other dtypes,
            or sizes of another number of images.

    Example:
        >>> record = {"crop": torch.tensor([[0.5, 0.0, 0.5, 1.0]]), "flip": torch.ones(1, 1)}
        >>> pixels = Pixels(source=(8, 8), view=(4, 4), library="torchvision")
        >>> matrix(record, pixels) @ torch.tensor([0.0, 0.0, 1.0])  # centre of the first pixel
        tensor([[6.5000, 4.0000, 1.0000]])
    """
    to_source = placed(record, pixels).to_source
    return in_pixels(to_source, pixels.view, pixels.source)


def between(
    record1: Mapping[str, Tensor],
    record2: Mapping[str, Tensor],
    pixels: Pixels,
    pixels2: Pixels | None = None,
) -> Tensor:
    """Map pixels of view 1 to pixels of view 2, through the source that both were made of.

    Args:
        record1: record of view 1, entries ``(B, columns)``.
        record2: record of view 2.
        pixels: the sizes and the library.
        pixels2: those of view 2, where they differ, e.g. of a smaller crop. Its source is the same.

    Returns:
        ``(B, 3, 3)``, on points (x, y, 1) in pixels.

    Raises:
        RecordError: as :func:`matrix` does; batches or sources that differ.

    Example:
        >>> left = {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]])}
        >>> right = {"crop": torch.tensor([[0.0, 0.5, 1.0, 0.5]])}
        >>> pixels = Pixels(source=(8, 8), view=(8, 4), library="torchvision")
        >>> between(left, right, pixels) @ torch.tensor([0.0, 0.0, 1.0])
        tensor([[-4.,  0.,  1.]])
    """
    second = pixels if pixels2 is None else pixels2
    first, other = both(record1, record2, pixels, second)
    mapped = product(inverse(other.to_source), first.to_source)
    return in_pixels(mapped, pixels.view, second.view)
