"""What a record does not say of its views: sizes in pixels, and how a library counts pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, get_args

from torch import Tensor

from augself_loss.encoders import Encoder, default_encoders
from augself_loss.encoders.base import Value
from augself_loss.encoders.maps import Library
from augself_loss.errors import RecordError

Size: TypeAlias = tuple[int, int] | Tensor
"""Height and width in pixels, of all images or, as ``(B, 2)``, of each."""


@dataclass(frozen=True, eq=False)
class Pixels:
    """What records of a pipeline do not say: sizes in pixels, and how its library counts them.

    ``KorniaRecorder.pixels`` makes it of a pipeline.

    Args:
        source: height and width of the images that the pipeline is given, or ``(B, 2)``, each's.
        view: height and width of the views, likewise.
        library: the pipeline's: ``"kornia"``, ``"torchvision"`` or ``"albumentations"``.
        by_centres: whether crops are resized so that the centres of their outermost pixels
            become those of the view, and not edge to edge. By default as the libraries do it:
            Kornia does, the others do not. Kornia goes edge to edge too where a crop slices
            (``cropping_mode="slice"``) with ``align_corners=False`` or nearest pixels.
        warped: size of the image that rotations by an angle, affine and perspective maps worked
            on, where a resize came after them. By default the view's.
        order: types in the pipeline's order, where it is not in the record: of several warps
            (``angle``, ``affine``, ``perspective``); of torchvision's ``perspective`` and flips.
        encoders: encoders of types of your own.

    Attributes:
        types: record entry → the encoder that it is of.

    Raises:
        RecordError: a size that is none, another library, or a type twice in the order.

    Example:
        >>> pixels = Pixels(source=(48, 64), view=(32, 32), library="torchvision")
    """

    source: Size
    view: Size
    library: Library
    by_centres: bool | None = None
    warped: Size | None = None
    order: Sequence[str] = ()
    encoders: Sequence[Encoder] = ()
    types: Mapping[str, Encoder] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.library not in get_args(Library):
            raise RecordError(
                f"library expected one of {get_args(Library)}, found {self.library!r}. Name the "
                "library whose pipeline made the views."
            )
        check_size("source", self.source)
        check_size("view", self.view)
        if self.warped is not None:
            check_size("warped", self.warped)
        if isinstance(self.order, str) or len(set(self.order)) < len(self.order):
            raise RecordError(
                f"order expected names of types, each once, found {self.order!r}. Write e.g. "
                "('angle', 'perspective')."
            )
        known = default_encoders(self.encoders).values()
        types = {entry: encoder for encoder in known for entry in encoder.fields}
        object.__setattr__(self, "types", types)
        sized = self.view if self.warped is None else self.warped
        if self.centred and not isinstance(sized, Tensor) and 1 in sized:
            raise RecordError(
                f"Pixels expected views of more than one pixel, found {sized}, which cannot be "
                "resized between pixel centres. Pass by_centres=False."
            )

    @property
    def centred(self) -> bool:
        """Whether crops are resized from centre to centre."""
        return self.library == "kornia" if self.by_centres is None else self.by_centres

    def before(self, name: str) -> tuple[str, ...]:
        """List the types of which it was said that they were applied before another."""
        earlier = self.order[: self.order.index(name)] if name in self.order else ()
        return tuple(earlier)


def check_size(name: str, size: Size) -> None:
    """Refuse what is no height and width; numbers in tensors are not looked at.

    Raises:
        RecordError: it is none.
    """
    if isinstance(size, Tensor):
        fits = size.ndim == 2 and size.shape[-1] == 2
        found = f"a tensor {tuple(size.shape)}"
    else:
        whole = isinstance(size, (tuple, list)) and all(type(side) is int for side in size)
        fits, found = whole and len(size) == 2 and min(size) > 0, repr(size)
    if not fits:
        raise RecordError(
            f"{name} expected height and width in pixels, e.g. (224, 224), or a tensor (B, 2), "
            f"found {found}. Pass images.shape[-2:]."
        )


def sides(size: Size, like: Tensor) -> tuple[Value, Value]:
    """Read a size as height and width: numbers, or ``(B,)`` tensors beside an entry of a record.

    Raises:
        RecordError: sizes of another number of images.
    """
    if not isinstance(size, Tensor):
        return float(size[0]), float(size[1])
    if len(size) != len(like):
        raise RecordError(
            f"Pixels expected a size for each of {len(like)} views, found {len(size)}. Pass one "
            "(height, width) for all, or a tensor with one row per view."
        )
    height, width = size.to(like, non_blocking=True).unbind(-1)
    return height, width
