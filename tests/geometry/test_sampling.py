"""View 1, sampled where view 2's pixels lie in it, is view 2: as far as both show it."""

from __future__ import annotations

from collections.abc import Callable

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import default_collate
from torchvision.transforms import v2

from augself_loss.errors import RecordError
from augself_loss.geometry import Pixels, between, grid, overlap
from augself_loss.parameters import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.torchvision import TorchvisionRecorder

SIZE = (120, 150)
ALIGNED = ONLY_APPLIED_ROWS
"""Before 0.9 Kornia warps otherwise than it says, but for aligned corners."""
LINEAR = v2.InterpolationMode.BILINEAR
KORNIA: dict[str, tuple[Callable[[], list[nn.Module]], Pixels]] = {
    "slice": (
        lambda: [K.RandomResizedCrop((60, 48), (0.3, 1.0)), K.RandomHorizontalFlip()],
        Pixels(SIZE, (60, 48), "kornia"),
    ),
    "slice, half pixels": (
        lambda: [K.RandomResizedCrop((60, 48), (0.3, 1.0), align_corners=False)],
        Pixels(SIZE, (60, 48), "kornia", by_centres=False),
    ),
    "resample": (
        lambda: [
            K.RandomVerticalFlip(),
            K.RandomResizedCrop((60, 48), (0.3, 1.0), cropping_mode="resample"),
            K.RandomRotation(20.0, p=0.7),
        ],
        Pixels(SIZE, (60, 48), "kornia"),
    ),
    "everything": (
        lambda: [
            K.RandomResizedCrop((60, 60), (0.3, 1.0)),
            K.RandomRotation90((0, 3)),
            K.RandomAffine(20.0, (0.1, 0.1), (0.9, 1.3), 8.0, align_corners=ALIGNED),
            K.RandomHorizontalFlip(),
            K.RandomPerspective(0.3, p=0.7, align_corners=ALIGNED),
        ],
        Pixels(SIZE, (60, 60), "kornia", order=("affine", "perspective")),
    ),
}
TORCHVISION: dict[str, tuple[list[object], Pixels]] = {
    "crop and flips": (
        [
            v2.RandomResizedCrop((60, 48), (0.3, 1.0), antialias=False),
            v2.RandomHorizontalFlip(),
            v2.RandomVerticalFlip(),
        ],
        Pixels(SIZE, (60, 48), "torchvision"),
    ),
    "everything": (
        [
            v2.RandomResizedCrop((60, 48), (0.3, 1.0), antialias=False),
            v2.RandomRotation((90, 90), expand=True),
            v2.RandomHorizontalFlip(),
            v2.RandomPerspective(0.3, 0.7),
            v2.RandomAffine(20, (0.1, 0.1), (0.9, 1.3), (-8, 8), LINEAR),
        ],
        Pixels(
            SIZE,
            (48, 60),
            "torchvision",
            order=("flip", "vertical_flip", "perspective", "affine"),
        ),
    ),
}


def waves(batch: int) -> Tensor:
    """Smooth pictures, which interpolation hardly changes, and ones, ``(B, 3, H, W)``."""
    rows, columns = (torch.linspace(0, side / 20, side) for side in SIZE)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    phase = torch.arange(batch)[:, None, None] * 0.7
    channels = [(x + y + phase).sin() / 2 + 0.5, (2 * y - x - phase).cos() / 2 + 0.5]
    return torch.stack([*channels, torch.ones(batch, *SIZE)], dim=1)


def solid(view: Tensor) -> Tensor:
    """Where nothing within two pixels was mixed with what lies beyond the picture."""
    return (functional.avg_pool2d(view[:, 2:], 5, 1, 2) > 0.9999).float()


def agree(view1: Tensor, view2: Tensor, record1: Record, record2: Record, pixels: Pixels) -> None:
    size = (view2.shape[-2], view2.shape[-1])
    places, seen = grid(record1, record2, pixels, size=size)
    sampled, kept = (
        functional.grid_sample(of, places, align_corners=False) for of in (view1, solid(view1))
    )
    compare = seen & (kept[:, 0] > 0.9999) & (solid(view2)[:, 0] > 0)
    assert compare.float().mean() > 0.1
    assert not bool(((kept[:, 0] > 0.9999) & (solid(view2)[:, 0] > 0) & ~seen).any())
    assert (sampled - view2).abs().amax(1)[compare].max() < 0.02
    assert (view1 - view2).abs().amax(1)[compare].mean() > 0.1
    # Where both show the picture and no padding, and nowhere else, but for the rims of warps.
    inside = (sampled[:, 2] > 0.5) & (view2[:, 2] > 0.5)
    assert (inside != seen).float().mean() < 0.03
    share = overlap(record1, record2, pixels).share2
    assert (share - inside.flatten(1).float().mean(1)).abs().max() < 0.05


@pytest.mark.parametrize("name", KORNIA)
def test_kornia(name: str) -> None:
    build, pixels = KORNIA[name]
    recorder = KorniaRecorder(K.AugmentationSequential(*build()))
    (view1, record1), (view2, record2) = recorder(waves(12)), recorder(waves(12))
    agree(view1, view2, record1, record2, pixels)


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision(name: str) -> None:
    steps, pixels = TORCHVISION[name]
    recorder = TorchvisionRecorder(v2.Compose(steps))
    pairs = [(recorder(image), recorder(image)) for image in waves(12)]
    (view1, record1), (view2, record2) = default_collate(pairs)
    agree(view1, view2, record1, record2, pixels)


CROPS: tuple[Record, Record] = (
    {"crop": torch.tensor([[0.0, 0.0, 1.0, 0.5]])},
    {"crop": torch.tensor([[0.0, 0.25, 1.0, 0.5]])},
)


@pytest.mark.parametrize("resolution", [1, 2, 7, 56])
def test_a_map_is_sampled_as_its_image_is(resolution: int) -> None:
    """The places of a coarse map lie evenly from edge to edge, as its image's pixels do."""
    pixels = Pixels((64, 64), (56, 56), "torchvision")
    places, seen = grid(*CROPS, pixels, size=(resolution, resolution))
    centres = (torch.arange(resolution) + 0.5) / resolution * 2 - 1
    expected_x = centres + 1  # view 2 begins in the middle of view 1
    assert torch.allclose(places[0, 0, :, 0], expected_x, atol=1e-6)
    assert torch.allclose(places[0, :, 0, 1], centres, atol=1e-6)
    assert torch.equal(seen[0, 0], expected_x <= 1)


def test_the_grid_is_the_map_between_the_views() -> None:
    record1 = {"angle": torch.tensor([[20.0]]), "crop": torch.tensor([[0.1, 0.2, 0.5, 0.5]])}
    record2 = {"angle": torch.tensor([[-10.0]]), "crop": torch.tensor([[0.2, 0.1, 0.4, 0.6]])}
    small, large = Pixels((90, 70), (20, 30), "kornia"), Pixels((90, 70), (40, 50), "kornia")
    places, _ = grid(record1, record2, small, large, size=(40, 50))
    rows, columns = torch.meshgrid(torch.arange(40.0), torch.arange(50.0), indexing="ij")
    points = torch.stack([columns, rows, torch.ones(40, 50)])
    there = torch.einsum("ij,jhw->hwi", between(record2, record1, large, small)[0], points)
    expected = (2 * there[..., :2] + 1) / torch.tensor([30, 20]) - 1
    assert torch.allclose(places[0], expected, atol=1e-4)


def test_padding_is_not_seen() -> None:
    """Two views show the same black rim; neither shows the picture there."""
    padded = {"crop": torch.tensor([[-0.5, 0.0, 2.0, 1.0]])}
    _, seen = grid(padded, padded, Pixels((8, 8), (8, 8), "torchvision"), size=(8, 1))
    assert seen[0, :, 0].tolist() == [False] * 2 + [True] * 4 + [False] * 2


def test_a_warp_brings_in_padding_from_beyond_its_image() -> None:
    """A crop that was moved to the right shows black there, though its source goes on."""
    moved = {
        "crop": torch.tensor([[0.25, 0.25, 0.5, 0.5]]),
        "affine": torch.tensor([[0.0, 0.5, 0.0, 1.0, 1.0, 0.0, 0.0]]),
    }
    whole = {"crop": torch.tensor([[0.0, 0.0, 1.0, 1.0]])}
    pixels = Pixels((16, 16), (8, 8), "torchvision")
    _, seen = grid(whole, moved, pixels, size=(1, 8))
    assert seen[0, 0].tolist() == [False] * 4 + [True] * 4
    _, seen = grid(moved, whole, pixels, size=(2, 8))
    assert seen[0, 0].tolist() == [False, False, True, True] + [False] * 4
    found = overlap(whole, moved, pixels)
    assert (found.share1.item(), found.share2.item()) == pytest.approx((0.125, 0.5))
    assert found.boxes2[0].tolist() == pytest.approx([4, 0, 8, 8])


def test_nothing_is_seen_beyond_the_horizon() -> None:
    """A strong perspective maps points of one view to behind the other: they are no places."""
    moves = torch.tensor([[0.45, 0.0, -0.45, 0.0, 0.0, 0.0, 0.0, 0.0]])
    record1 = {"perspective": moves, "angle": torch.zeros(1, 1)}
    record2 = {"perspective": moves * 0, "angle": torch.tensor([[0.0]])}
    pixels = Pixels((32, 32), (32, 32), "kornia", order=("angle", "perspective"))
    for one, other in ((record1, record2), (record2, record1)):
        places, seen = grid(one, other, pixels, size=(64, 64))
        assert torch.isfinite(places).all()
        assert seen.any()
        assert bool((places[seen].abs() <= 1).all())


@pytest.mark.parametrize("size", [(0, 4), (4,), 4, (2.0, 2.0), torch.tensor([[4, 4]])])
def test_a_size_that_is_none(size: object) -> None:
    with pytest.raises(RecordError, match="size expected"):
        grid(*CROPS, Pixels((8, 8), (8, 8), "torchvision"), size=size)  # type: ignore[arg-type]


def test_a_quarter_turn_moves_places_as_rot90_does() -> None:
    still, turned = {"rotation": torch.zeros(1, 1)}, {"rotation": torch.ones(1, 1)}
    places, seen = grid(still, turned, Pixels((9, 9), (9, 9), "kornia"), size=(9, 9))
    image = torch.rand(1, 1, 9, 9)
    sampled = functional.grid_sample(image, places, align_corners=False)
    assert torch.allclose(sampled, torch.rot90(image, 1, (-2, -1)), atol=1e-5)
    assert seen.all()
