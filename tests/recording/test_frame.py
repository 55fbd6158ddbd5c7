"""Frames and boxes against brute force: tiny images, flipped and turned pixel by pixel."""

from __future__ import annotations

from typing import TypeAlias

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from augself_loss.recording.frame import Box, Frame, choose, inside

SIDE = 12
Move: TypeAlias = tuple[str, int]

moves = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["horizontal", "vertical"]), st.integers(0, 1)),
        st.tuples(st.just("turn"), st.integers(0, 3)),
    ),
    max_size=8,
)


@st.composite
def pixel_boxes(draw: st.DrawFn) -> tuple[int, int, int, int]:
    """Top, left, height, width in pixels, inside a square image."""
    height, width = draw(st.integers(1, SIDE)), draw(st.integers(1, SIDE))
    top, left = draw(st.integers(0, SIDE - height)), draw(st.integers(0, SIDE - width))
    return top, left, height, width


def numbered(height: int = SIDE, width: int = SIDE) -> Tensor:
    return torch.arange(height * width).reshape(height, width)


def moved(image: Tensor, steps: list[Move]) -> Tensor:
    for kind, amount in steps:
        if kind == "turn":
            image = torch.rot90(image, amount)
        elif amount:
            image = image.flip(1 if kind == "horizontal" else 0)
    return image


def framed(steps: list[Move]) -> Frame:
    frame = Frame()
    for kind, amount in steps:
        if kind == "turn":
            frame.turn(float(amount))
        else:
            frame.flip(*(float(amount * (kind == axis)) for axis in ("horizontal", "vertical")))
    return frame


def fractions(box: tuple[int, int, int, int]) -> Box:
    top, left, height, width = box
    return top / SIDE, left / SIDE, height / SIDE, width / SIDE


def pixels(image: Tensor, box: Box) -> Tensor:
    top, left, height, width = (round(float(value) * SIDE) for value in box)
    return image[top : top + height, left : left + width]


@given(moves)
def test_a_frame_is_its_canonical_form(steps: list[Move]) -> None:
    """Flips first and turns then amount to whatever was done in whatever order."""
    frame = framed(steps)
    canonical = [
        ("horizontal", int(frame.horizontal)),
        ("vertical", int(frame.vertical)),
        ("turn", int(frame.turns)),
    ]
    assert torch.equal(moved(numbered(), canonical), moved(numbered(), steps))


@given(moves, pixel_boxes())
def test_to_source_finds_the_same_pixels(steps: list[Move], box: tuple[int, int, int, int]) -> None:
    frame = framed(steps)
    seen = pixels(moved(numbered(), steps), fractions(box))
    source = pixels(numbered(), frame.to_source(fractions(box)))
    assert torch.equal(moved(source, steps), seen)


@given(moves, pixel_boxes())
def test_from_source_is_its_inverse(steps: list[Move], box: tuple[int, int, int, int]) -> None:
    frame = framed(steps)
    there = frame.from_source(frame.to_source(fractions(box)))
    back = frame.to_source(frame.from_source(fractions(box)))
    assert there == pytest.approx(fractions(box))
    assert back == pytest.approx(fractions(box))


@given(pixel_boxes(), moves, st.data())
def test_a_box_inside_a_box(
    outer: tuple[int, int, int, int], steps: list[Move], data: st.DataObject
) -> None:
    """Crop, flip and turn, crop again: one box of the source holds the same pixels."""
    view = moved(pixels(numbered(), fractions(outer)), steps)
    rows, columns = view.shape
    box_height, box_width = data.draw(st.integers(1, rows)), data.draw(st.integers(1, columns))
    top = data.draw(st.integers(0, rows - box_height))
    left = data.draw(st.integers(0, columns - box_width))
    seen = view[top : top + box_height, left : left + box_width]
    given_box = (top / rows, left / columns, box_height / rows, box_width / columns)
    box = inside(fractions(outer), framed(steps).to_source(given_box))
    assert torch.equal(moved(pixels(numbered(), box), steps), seen)


@given(st.lists(moves, min_size=1, max_size=5), st.data())
def test_a_batch_gives_each_sample_what_it_gets_alone(
    samples: list[list[Move]], data: st.DataObject
) -> None:
    longest = max(len(steps) for steps in samples)
    kinds = [data.draw(st.sampled_from(["horizontal", "vertical", "turn"])) for _ in range(longest)]
    # One kind of step per place, as in a pipeline; the amount differs by sample, 0 is "skipped".
    rows = [
        [
            (kind, amount if kind == "turn" else amount % 2)
            for kind, (_, amount) in zip(kinds, steps + [("turn", 0)] * longest, strict=False)
        ]
        for steps in samples
    ]
    batch = Frame()
    for place, kind in enumerate(kinds):
        amounts = torch.tensor([float(row[place][1]) for row in rows])
        if kind == "turn":
            batch.turn(amounts)
        else:
            batch.flip(*(amounts * float(kind == axis) for axis in ("horizontal", "vertical")))
    boxes = [fractions(data.draw(pixel_boxes())) for _ in samples]
    columns = torch.tensor(boxes).unbind(-1)
    for convert in ("to_source", "from_source"):
        together = getattr(batch, convert)(columns)
        for i, (row, box) in enumerate(zip(rows, boxes, strict=True)):
            alone = getattr(framed(row), convert)(box)
            assert [float(value[i]) for value in together] == pytest.approx(list(alone), abs=1e-6)


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_choose_is_exact(there: float, otherwise: float) -> None:
    assert choose(1.0, there, otherwise) == there
    assert choose(0.0, there, otherwise) == otherwise
    a, b = torch.tensor([there]), torch.tensor([otherwise])
    gates = torch.tensor([1.0, 0.0])
    assert torch.equal(choose(gates, a, b), torch.cat([a, b]))


def test_a_frame_that_was_never_turned_knows_it() -> None:
    frame = Frame()
    frame.flip(torch.ones(2), 0.0)
    assert not frame.turned
    frame.turn(torch.zeros(2))  # it might have been
    assert frame.turned
