"""Pairs of records written by hand: the ends of every range, the identity, and what wraps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from vectors import Json, compared, computed, to_source, written

from augself_loss import ColorEncoder, CropEncoder
from augself_loss.encoders import AngleEncoder, Encoder, RegressionEncoder, default_encoders

Rows: TypeAlias = Mapping[str, Sequence[float]]
PIXELS = {"source": [48, 64], "view": [24, 32], "library": "torchvision"}
WHOLE, STILL = (0.0, 0.0, 1.0, 1.0), (0.0,)
BOXES: tuple[tuple[float, ...], ...] = (
    WHOLE, (0.0, 0.0, 0.25, 0.25), (0.75, 0.75, 0.25, 0.25), (0.2, 0.6, 0.5, 0.3),
)  # fmt: skip


def by_hand() -> Iterator[Json]:
    """List the vectors that no library draws."""
    for encoder in default_encoders().values():
        if not isinstance(encoder, CropEncoder):
            yield from _ends(encoder)
    yield from _crops()
    yield from _turns()
    yield from _grey()


def _ends(encoder: Encoder) -> Iterator[Json]:
    """Compare the ends of the ranges with each other and with the identity."""
    low, high = (
        [i if r is None else r[end] for i, r in zip(encoder.identity, encoder.ranges, strict=True)]
        for end in (0, 1)
    )
    same = encoder.identity
    for one, other in ((low, high), (high, low), (same, same), (high, same), (same, high)):
        yield _vector([encoder], {encoder.name: one}, {encoder.name: other})


def _crops() -> Iterator[Json]:
    """Compare boxes, of mirrored views too, inside of the image and beyond it."""
    inside, beyond = CropEncoder(reach=0.0), CropEncoder()
    for one, other in zip(BOXES, (*BOXES[1:], BOXES[0]), strict=True):
        for flip, vertical in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)):
            first = {"crop": one, "flip": (flip,), "vertical_flip": (vertical,)}
            yield _vector([inside], first, {"crop": other, "flip": STILL, "vertical_flip": STILL})
    for one, other in (((-0.5, -0.25, 0.75, 0.5), (1.0, 0.8, 0.5, 0.7)), ((-1, -1, 3, 3), WHOLE)):
        for flip in (0.0, 1.0):
            yield _vector([beyond], {"crop": one, "flip": (flip,)}, {"crop": other, "flip": STILL})


def _turns() -> Iterator[Json]:
    """Compare what lies on a circle: quarter turns, hues half a turn apart, angles."""
    quarters = default_encoders()["rotation"]
    for one in range(4):
        for other in range(4):
            yield _vector([quarters], {"rotation": (one,)}, {"rotation": (other,)})
    hue, angle = ColorEncoder(None, None, None, 0.5), AngleEncoder(180.0)
    yield _vector([hue], {"color": (1, 1, 1, 0.45)}, {"color": (1, 1, 1, -0.45)})
    yield _vector([angle], {"angle": (170.0,)}, {"angle": (-170.0,)})


def _grey() -> Iterator[Json]:
    """Compare colours where one view has lost them."""
    one, other = (1.4, 0.6, 1.2, 0.05), (0.8, 1.1, 0.7, -0.1)
    for grey in ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0)):
        first, second = (
            {"color": factors, "grayscale": (lost,)}
            for factors, lost in zip((one, other), grey, strict=True)
        )
        yield _vector([default_encoders()["color"]], first, second)


def _vector(encoders: Sequence[Encoder], record1: Rows, record2: Rows) -> Json:
    one, two = written(record1), written(record2)
    placed = {"crop", "flip", "vertical_flip"} & record1.keys()
    ranges = {e.name: written(e.ranges) for e in encoders if isinstance(e, RegressionEncoder)}
    return {
        "record": one, "matrix": computed(to_source(one, PIXELS)) if placed else None,
        "pixels": PIXELS if placed else None, "ranges": ranges,
        "pair": {"record": two, **compared(encoders, one, two)},
    }  # fmt: skip
