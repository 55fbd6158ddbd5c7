"""Where a view lies in its source: what was recorded is what the pixels show."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import kornia.augmentation as K  # noqa: N812
import kornia.geometry.transform as warp
import pytest
import torch
from torch import Tensor, nn

from augself_loss import PipelineError, Record
from augself_loss.recording.kornia import KorniaRecorder

Images = Callable[..., Tensor]
Misplaced = Callable[[Tensor, Record], Tensor]

FLIP, VERTICAL, TURN = "flip", "vertical", "turn"
CROPS: dict[str, Callable[[], nn.Module]] = {
    "slice": lambda: K.RandomResizedCrop((24, 24), (0.2, 0.8), cropping_mode="slice"),
    "resample": lambda: K.RandomResizedCrop((24, 24), (0.2, 0.8), cropping_mode="resample"),
    "random": lambda: K.RandomCrop((22, 22), padding=(1, 4, 2, 3)),
    "centre": lambda: K.CenterCrop((22, 22)),
}


def build(name: str) -> nn.Module:
    steps: dict[str, Callable[[], nn.Module]] = {
        FLIP: lambda: K.RandomHorizontalFlip(p=0.5),
        VERTICAL: lambda: K.RandomVerticalFlip(p=0.5),
        TURN: lambda: K.RandomRotation90((-3, 3), p=0.8),
        "quarter": lambda: K.RandomRotation((90.0, 90.0), p=0.5),
        **CROPS,
    }
    return steps[name]()


def orders(*names: str) -> list[tuple[str, ...]]:
    return list(itertools.permutations(names))


EXACT = {FLIP, VERTICAL, TURN, "quarter", "random", "centre"}


@pytest.mark.parametrize(
    "steps",
    [
        *orders(FLIP, VERTICAL, "slice"),
        *orders(FLIP, VERTICAL, "resample"),
        *orders(FLIP, VERTICAL, "random"),
        *orders(FLIP, "centre"),
        ("slice",),
        (FLIP, "slice", VERTICAL, "resample", FLIP),  # crop of a crop
        (VERTICAL, "random", FLIP, "centre"),
    ],
    ids="-".join,
)
def test_record_is_where_the_view_lies(
    steps: tuple[str, ...], ramps: Images, misplaced: Misplaced
) -> None:
    height, width = 36, 48
    recorder = KorniaRecorder(K.AugmentationSequential(*map(build, steps)))
    view, record = recorder(ramps(12, height, width))
    # Resizing puts pixels where its own convention wants them: up to one source pixel away.
    tolerance = 1e-5 if EXACT.issuperset(steps) else 1.05 / height
    assert misplaced(view, record).max() < tolerance


@pytest.mark.parametrize("mode", ["slice", "resample"])
def test_resized_crops_show_their_box_from_edge_to_edge(mode: str, ramps: Images) -> None:
    """Exactly: the view's outermost pixels are those of the box, the others lie evenly between."""
    height, width, size = 36, 48, 24
    recorder = KorniaRecorder(K.AugmentationSequential(build(FLIP), build(mode), build(VERTICAL)))
    view, record = recorder(ramps(12, height, width))
    scale = torch.tensor([height, width, height, width])
    for i, box in enumerate((record["crop"] * scale).round().int().tolist()):
        top, left, box_height, box_width = box
        x = (left + 0.5 + torch.linspace(0, box_width - 1, size)) / width
        y = (top + 0.5 + torch.linspace(0, box_height - 1, size)) / height
        x = x.flip(0) if record["flip"][i] == 1 else x
        y = y.flip(0) if record["vertical_flip"][i] == 1 else y
        assert torch.allclose(view[i, 0], x.expand(size, size), atol=1e-4)
        assert torch.allclose(view[i, 1], y[:, None].expand(size, size), atol=1e-4)


@pytest.mark.parametrize(
    "steps",
    [
        *orders(FLIP, TURN, "slice", VERTICAL),
        *orders(FLIP, TURN),
        *orders(FLIP, "quarter", "random"),
        (TURN, FLIP, TURN, "centre", FLIP, TURN),
        ("slice", TURN, "resample", TURN),
    ],
    ids="-".join,
)
def test_record_is_where_the_view_lies_after_quarter_turns(
    steps: tuple[str, ...], ramps: Images, misplaced: Misplaced
) -> None:
    recorder = KorniaRecorder(nn.Sequential(*map(build, steps)))
    view, record = recorder(ramps(16, 40, 40))
    assert record["rotation"].unique().numel() > 1
    # Kornia resamples where it turns: an exact turn moves no pixel, and blurs by rounding.
    tolerance = 1e-3 if EXACT.issuperset(steps) else 1.05 / 40
    assert misplaced(view[:, :, 1:-1, 1:-1], cut(record, view)).max() < tolerance


def cut(record: Record, view: Tensor) -> Record:
    """The record of a view without its outermost pixels, which a turn mixes with padding."""
    height, width = view.shape[-2:]
    box = record.get("crop", torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(view), 4))
    top, left, box_height, box_width = box.unbind(-1)
    step_y, step_x = box_height / height, box_width / width
    inner = (top + step_y, left + step_x, box_height - 2 * step_y, box_width - 2 * step_x)
    return {**record, "crop": torch.stack(inner, dim=-1)}


def test_a_crop_larger_than_the_image_shows_all_of_it(ramps: Images, misplaced: Misplaced) -> None:
    view, record = KorniaRecorder(K.RandomCrop((12, 40), cropping_mode="slice"))(ramps(4, 24, 30))
    assert torch.equal(record["crop"][:, [1, 3]], torch.tensor([[0.0, 1.0]]).expand(4, 2))
    assert misplaced(view, record).max() < 1.05 / 24


def test_padding_on_demand_reaches_over_the_border(ramps: Images, misplaced: Misplaced) -> None:
    view, record = KorniaRecorder(K.RandomCrop((30, 20), pad_if_needed=True))(ramps(8, 24, 24))
    assert record["crop"][:, 0].min() < 0
    assert torch.allclose(record["crop"][:, 2], torch.tensor(30 / 24))
    assert misplaced(view, record).max() < 1e-5


def test_resizing_keeps_the_fractions(ramps: Images, misplaced: Misplaced) -> None:
    steps = (build(FLIP), K.Resize((48, 60)), build("random"), K.Resize((20, 20)))
    view, record = KorniaRecorder(K.AugmentationSequential(*steps))(ramps(8, 24, 30))
    assert misplaced(view[:, :, 4:-4, 4:-4], cut4(record)).max() < 1.05 / 20


def cut4(record: Record) -> Record:
    """The record of the inner 12 of 20 pixels."""
    top, left, height, width = record["crop"].unbind(-1)
    inner = (top + height / 5, left + width / 5, height * 0.6, width * 0.6)
    return {**record, "crop": torch.stack(inner, dim=-1)}


@pytest.mark.parametrize("steps", [(TURN,), ("quarter", FLIP), (TURN, "slice")], ids="-".join)
def test_a_quarter_turn_needs_a_square_image(steps: tuple[str, ...], ramps: Images) -> None:
    recorder = KorniaRecorder(nn.Sequential(*map(build, steps)))
    recorder(ramps(2, 30, 30))
    with pytest.raises(PipelineError, match="square"):
        recorder(ramps(2, 30, 40))


def mirrored(images: Tensor, record: Record) -> Tensor:
    """Flip images as their record says: everything else is recorded as coming after."""
    rows = []
    for i, image in enumerate(images):
        row = image.flip(-1) if record["flip"][i] == 1 else image
        rows.append(row.flip(-2) if record["vertical_flip"][i] == 1 else row)
    return torch.stack(rows)


def between_flips(step: nn.Module, before: int) -> nn.Module:
    flips = [K.RandomHorizontalFlip(p=0.5), K.RandomVerticalFlip(p=0.5)]
    return K.AugmentationSequential(*flips[:before], step, *flips[before:])


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize("p", [0.5, 1.0])
def test_angle_turns_counter_clockwise(before: int, p: float, smooth: Images) -> None:
    images = smooth(12, 32, 40)
    step = K.RandomRotation(35.0, p=p)
    view, record = KorniaRecorder(between_flips(step, before))(images)
    expected = warp.rotate(mirrored(images, record), record["angle"][:, 0])
    assert (view - expected).abs().max() < 1e-4
    assert (record["angle"] == 0).any() == (p < 1)


def test_angle_has_the_sign_of_rot90(smooth: Images) -> None:
    images = smooth(1, 32, 32)
    view, record = KorniaRecorder(K.RandomRotation((89.999, 90.001), p=1.0))(images)
    assert record["angle"][0, 0] == pytest.approx(90, abs=0.01)
    assert (view - torch.rot90(images, 1, (-2, -1)))[..., 2:-2, 2:-2].abs().max() < 1e-2


@pytest.mark.parametrize("before", [0, 1, 2])
@pytest.mark.parametrize(
    "arguments",
    [
        {"degrees": 30.0},
        {"degrees": 0.0, "translate": (0.2, 0.3)},
        {"degrees": 0.0, "scale": (0.7, 1.3, 0.8, 1.5)},
        {"degrees": 0.0, "shear": (-15.0, 15.0, -10.0, 10.0)},
        {"degrees": 20.0, "translate": (0.1, 0.2), "scale": (0.7, 1.3), "shear": 10.0},
    ],
    ids="-".join,
)
def test_affine_record_gives_the_view(
    arguments: dict[str, object], before: int, smooth: Images
) -> None:
    images = smooth(12, 32, 40)
    step = K.RandomAffine(**arguments, p=0.5)
    view, record = KorniaRecorder(between_flips(step, before))(images)
    angle, move_x, move_y, *rest = record["affine"].unbind(-1)
    scale, shear = torch.stack(rest[:2], -1), [torch.deg2rad(s) for s in rest[2:]]
    centre = torch.tensor([[19.5, 15.5]]).expand(12, 2)
    # Kornia's affine matrix turns clockwise; the record turns the other way, like its rotation.
    move = torch.stack([move_x * 40, move_y * 32], -1)
    matrix = warp.get_affine_matrix2d(move, centre, scale, -angle, *shear)[:, :2]
    expected = warp.warp_affine(mirrored(images, record), matrix, (32, 40), align_corners=False)
    skipped = (record["affine"] == torch.tensor([0.0, 0, 0, 1, 1, 0, 0])).all(dim=-1)
    assert skipped.any()
    assert not skipped.all()
    assert torch.equal(view[skipped], mirrored(images, record)[skipped])
    assert (view - expected)[~skipped].abs().max() < 1e-3


def test_affine_angle_has_the_sign_of_rot90(smooth: Images) -> None:
    images = smooth(1, 32, 32)
    view, record = KorniaRecorder(K.RandomAffine((89.999, 90.001), p=1.0, align_corners=True))(
        images
    )
    k = round(record["affine"][0, 0].item() / 90)
    assert abs(k) == 1
    assert (view - torch.rot90(images, k, (-2, -1)))[..., 2:-2, 2:-2].abs().max() < 1e-2


@pytest.mark.parametrize("before", [0, 1, 2])
def test_perspective_record_gives_the_view(before: int, smooth: Images) -> None:
    images = smooth(12, 32, 40)
    view, record = KorniaRecorder(between_flips(K.RandomPerspective(0.4, p=0.5), before))(images)
    moves = record["perspective"].unflatten(-1, (4, 2)) * torch.tensor([40.0, 32.0])
    corners = torch.tensor([[0.0, 0.0], [39.0, 0.0], [39.0, 31.0], [0.0, 31.0]]).expand(12, 4, 2)
    matrix = warp.get_perspective_transform(corners, corners + moves)
    expected = warp.warp_perspective(
        mirrored(images, record), matrix, (32, 40), align_corners=False
    )
    skipped = (record["perspective"] == 0).all(dim=-1)
    assert skipped.any()
    assert not skipped.all()
    assert torch.equal(view[skipped], mirrored(images, record)[skipped])
    assert (view - expected)[~skipped].abs().max() < 1e-3


@pytest.mark.parametrize("before", [0, 1, 2])
def test_erasing_record_is_the_hole(before: int) -> None:
    view, record = KorniaRecorder(between_flips(K.RandomErasing(p=0.5), before))(
        torch.ones(12, 3, 24, 32)
    )
    skipped = record["erasing"][:, 2] == 0
    assert skipped.any()
    assert not record["erasing"][skipped].any()
    for hole, box in zip(view[:, 0] == 0, record["erasing"], strict=True):
        top, left, height, width = (box * torch.tensor([24, 32, 24, 32])).round().int().tolist()
        expected = torch.zeros(24, 32, dtype=torch.bool)
        expected[top : top + height, left : left + width] = True
        assert torch.equal(hole, expected)
