"""A new geometric type is one encoder: its role in the frame is read off it, and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss.encoders import BinaryEncoder, RegressionEncoder, applied
from augself_loss.encoders.base import Columns, Draft, Motion, Step, Value
from augself_loss.encoders.maps import Canvas, as_matrix
from augself_loss.errors import ImageError, PipelineError, RecordError
from augself_loss.geometry import Pixels, grid, matrix
from augself_loss.recording.kornia import KorniaRecorder

SIDE = 16
IMAGES = torch.rand(12, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))


class RandomHalfTurn(K.GeometricAugmentationBase2D):
    """Turns images upside down."""

    def compute_transformation(self, input: Tensor, **_: Any) -> Tensor:  # noqa: A002
        """Say nothing: what reads the pipeline shall not need it."""
        return torch.eye(3).expand(len(input), 3, 3)

    def apply_transform(self, input: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: A002
        """Turn by two quarters."""
        return torch.rot90(input, 2, (-2, -1))


class HalfTurnEncoder(BinaryEncoder):
    """1 where a view stands upside down."""

    name = "half_turn"
    columns = ("half_turn",)
    moves: Motion | None = "turn"
    settles = True

    def act(self, draft: Draft, step: Step, entry: str, columns: Columns, gate: Value) -> None:
        """Turn the view; twice is not at all."""
        (before,), now = draft.written(entry) or (0.0,), columns[0] * gate
        draft.rewrite(entry, (before + now - 2 * before * now,), 1.0)
        draft.turn(2 * now, step)

    def undo(self, record: Mapping[str, Tensor], canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Turn once more."""
        sign = 1 - 2 * record["half_turn"].squeeze(-1)
        return as_matrix(sign, 0.0, 0.0, 0.0, sign, 0.0)

    kornia = {"RandomHalfTurn": applied("half_turn")}
    kornia_writers = {"RandomHalfTurn": lambda _entries, _step: {}}


class RandomWave(RandomHalfTurn):
    """Stands for any map of the pixels."""


class WaveEncoder(RegressionEncoder):
    """A map of the pixels, recorded as it was applied."""

    name = "wave"
    columns = ("wave",)
    identity = (0.0,)
    moves: Motion | None = "warp"
    kornia = {"RandomWave": applied("wave")}

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))


def recorder(*steps: nn.Module) -> KorniaRecorder:
    pipeline = K.AugmentationSequential(*steps)
    return KorniaRecorder(pipeline, encoders=[HalfTurnEncoder(), WaveEncoder()])


@pytest.mark.parametrize("crop_first", [True, False])
def test_a_crop_is_where_the_pixels_are_from(crop_first: bool) -> None:
    steps = [RandomHalfTurn(p=0.5), K.RandomCrop((7, 7))]
    torch.manual_seed(0)
    views, record = recorder(*reversed(steps) if crop_first else steps)(IMAGES)
    assert 0 < record["half_turn"].sum() < len(IMAGES)
    boxes = (record["crop"] * SIDE).round().int().tolist()
    for image, view, (top, left, height, width), turned in zip(
        IMAGES, views, boxes, record["half_turn"], strict=True
    ):
        part = image[:, top : top + height, left : left + width]
        shown = torch.rot90(part, 2, (-2, -1)) if turned else part
        assert torch.equal(view, shown)


@pytest.mark.parametrize("crop_first", [True, False])
def test_its_map_says_where_each_pixel_is_from(crop_first: bool) -> None:
    steps = [RandomHalfTurn(p=0.5), K.RandomCrop((7, 7))]
    recording = recorder(*reversed(steps) if crop_first else steps)
    views, record = recording(IMAGES)
    pixels = recording.pixels((SIDE, SIDE))
    whole = Pixels((SIDE, SIDE), (SIDE, SIDE), "kornia")
    still = {"flip": torch.zeros(len(IMAGES), 1)}
    places, seen = grid(still, record, whole, pixels, size=(7, 7))
    sampled = torch.nn.functional.grid_sample(IMAGES, places, align_corners=False)
    assert torch.allclose(sampled, views, atol=1e-4)
    assert seen.all()
    with pytest.raises(RecordError, match="WaveEncoder expected a method undo"):
        matrix({"wave": torch.zeros(1, 1)}, pixels)


def test_a_flip_comes_before_or_after() -> None:
    torch.manual_seed(1)
    views, record = recorder(
        RandomHalfTurn(p=0.5), K.RandomHorizontalFlip(p=0.5), RandomHalfTurn(p=0.5)
    )(IMAGES)
    for image, view, flip, turned in zip(
        IMAGES, views, record["flip"], record["half_turn"], strict=True
    ):
        shown = image.flip(-1) if flip else image
        assert torch.equal(view, torch.rot90(shown, 2, (-2, -1)) if turned else shown)


def test_it_is_replayed() -> None:
    recording = recorder(RandomHalfTurn(p=0.5), K.RandomResizedCrop((7, 7)))
    views, record = recording(IMAGES)
    assert torch.equal(recording.replay(IMAGES, record), views)


@pytest.mark.parametrize("step", [RandomHalfTurn(), RandomWave()], ids=["turn", "warp"])
def test_an_erased_box_does_not_survive_it(step: nn.Module) -> None:
    with pytest.raises(PipelineError, match="'erasing' would no longer hold"):
        recorder(K.RandomErasing(p=1.0), step)
    recorder(step, K.RandomErasing(p=1.0))


def test_the_order_of_maps_must_be_known() -> None:
    steps = RandomWave(), K.RandomRotation(30.0)
    with pytest.raises(PipelineError, match="drawn at random"):
        KorniaRecorder(K.ImageSequential(*steps, random_apply=2), encoders=[WaveEncoder()])
    recorder(*steps)


def test_what_moves_pixels_only_may_be_given_other_values() -> None:
    recorder(RandomHalfTurn(p=1.0))(IMAGES * 4 - 2)
    with pytest.raises(ImageError, match="expected images in"):
        recorder(RandomHalfTurn(p=1.0), K.RandomGamma((0.5, 1.5)))(IMAGES * 4 - 2)
