"""A record of torchvision's, replayed by Kornia, moves masks and boxes as v2 moved them."""

from __future__ import annotations

from typing import Any

import kornia
import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import tv_tensors
from torchvision.transforms import v2

from augself_loss.parameters import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

HEIGHT, WIDTH, VIEW = 40, 52, 24
BEFORE_0_9 = tuple(map(int, kornia.__version__.split(".")[:2])) < (0, 9)
CORNERS = torch.tensor([[5.0, 6, 20, 30], [30, 10, 50, 38], [0, 0, WIDTH, HEIGHT]])


def crop() -> list[Any]:
    return [v2.RandomResizedCrop(VIEW, scale=(0.2, 1.0))]


def cropped() -> list[nn.Module]:
    return [K.RandomResizedCrop((VIEW, VIEW))]


colours = [v2.ColorJitter(0.4, 0.4), v2.RandomGrayscale(), v2.GaussianBlur(3)]
PAIRS: dict[str, tuple[list[Any], list[nn.Module]]] = {
    "crop": (crop(), cropped()),
    "flips": (
        [*crop(), v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()],
        [*cropped(), K.RandomHorizontalFlip(), K.RandomVerticalFlip()],
    ),
    "flip first": (
        [v2.RandomHorizontalFlip(), *crop()], [K.RandomHorizontalFlip(), *cropped()]
    ),
    "in another order": (
        [v2.RandomHorizontalFlip(), *crop()], [*cropped(), K.RandomHorizontalFlip()]
    ),
    "colours beside": (
        [*crop(), v2.RandomHorizontalFlip(), *colours], [*cropped(), K.RandomHorizontalFlip()]
    ),
    "quarter turns": (
        [*crop(), v2.RandomApply([v2.RandomRotation((90, 90))])],
        [*cropped(), K.RandomRotation((90.0, 90.0))],
    ),
    "angles": ([*crop(), v2.RandomRotation(20)], [*cropped(), K.RandomRotation(20.0)]),
    "a crop of fixed size": (
        [v2.RandomCrop(VIEW), v2.RandomHorizontalFlip()], [*cropped(), K.RandomHorizontalFlip()]
    ),
}  # fmt: skip


def coordinates() -> Tensor:
    """Pixels say their x, their y and 1 (0 is what a turn leaves empty)."""
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    return torch.stack([x, y, torch.ones_like(x)]).float()


def boxes(clamping: str | None) -> Any:
    form = {"format": "XYXY", "canvas_size": (HEIGHT, WIDTH)}
    try:
        return tv_tensors.BoundingBoxes(CORNERS, **form, clamping_mode=clamping)  # type: ignore[call-overload]
    except TypeError:
        pytest.skip("this torchvision always clamps")


def augmented(recorder: TorchvisionRecorder, mask: Tensor, *more: Any) -> tuple[list[Any], Record]:
    image = tv_tensors.Image(torch.rand(3, HEIGHT, WIDTH))
    (_, *moved), record = recorder(image, tv_tensors.Mask(mask), *more)
    plain = [part.as_subclass(Tensor) for part in moved]
    return plain, {name: entry[None] for name, entry in record.items()}


@pytest.mark.parametrize("name", PAIRS)
def test_masks_match_within_a_pixel(name: str) -> None:
    steps, same_steps = PAIRS[name]
    recorder = TorchvisionRecorder(v2.Compose(steps))
    geometry = KorniaRecorder(K.AugmentationSequential(*same_steps))
    for _ in range(25):
        (moved,), record = augmented(recorder, coordinates())
        replayed = geometry.replay(coordinates()[None], record, kind="mask")[0]
        assert torch.equal(replayed[2], moved[2])
        # Before 0.9 Kornia rounds down like v2, so that a flip on the other side takes others.
        within = 2 if BEFORE_0_9 and name == "in another order" else 1
        assert (replayed - moved)[:2].abs().max() <= within


# A box that is not clamped is turned with its corners outside of the crop, and encloses more.
CLAMPED = [(n, c) for n in PAIRS for c in (None, "soft", "hard") if (n, c) != ("angles", None)]


@pytest.mark.parametrize(("name", "clamping"), CLAMPED)
def test_boxes_match(name: str, clamping: str | None) -> None:
    steps, same_steps = PAIRS[name]
    recorder = TorchvisionRecorder(v2.Compose(steps))
    geometry = KorniaRecorder(K.AugmentationSequential(*same_steps))
    for _ in range(25):
        (view, moved), record = augmented(recorder, coordinates(), boxes(clamping))
        height, width = view.shape[-2:]
        inside = torch.minimum(moved.clamp_min(0), torch.tensor([width, height, width, height]))
        size = (HEIGHT, WIDTH)
        (replayed,) = geometry.replay(CORNERS[None], record, kind="boxes", size=size)
        assert torch.allclose(replayed, inside, atol=1e-3)


def test_thin_masks_stay_whole_and_in_place() -> None:
    """Lines of one pixel, in crops that are enlarged: no line is lost or moved by a pixel more."""
    lines = torch.zeros(HEIGHT, WIDTH, dtype=torch.long)
    lines[::5], lines[:, 3::7] = 1, 2
    steps = [v2.RandomResizedCrop(48, scale=(0.05, 0.3)), v2.RandomHorizontalFlip()]
    recorder = TorchvisionRecorder(v2.Compose(steps))
    geometry = KorniaRecorder(
        K.AugmentationSequential(K.RandomResizedCrop((48, 48)), K.RandomHorizontalFlip())
    )
    for _ in range(25):
        (moved,), record = augmented(recorder, lines)
        (replayed,) = geometry.replay(lines[None], record, kind="mask")
        assert replayed.dtype == moved.dtype
        height, width = record["crop"][0, 2:] * torch.tensor([HEIGHT, WIDTH])
        near = int(48 / min(height, width)) + 1  # one pixel of the source, in the view's
        for label in (1, 2):
            one, other = (lines_of(label, mask) for mask in (moved, replayed))
            for these, those in ((one, other), (other, one)):
                wide = functional.max_pool2d(these, 2 * near + 1, 1, near)
                assert bool((those <= wide).all())


def lines_of(label: int, mask: Tensor) -> Tensor:
    return (mask == label).float()[None]


def test_a_batch_replays_as_its_samples_do() -> None:
    recorder = TorchvisionRecorder(v2.Compose([*crop(), v2.RandomHorizontalFlip()]))
    geometry = KorniaRecorder(K.AugmentationSequential(*cropped(), K.RandomHorizontalFlip()))
    records = [augmented(recorder, coordinates())[1] for _ in range(4)]
    batch = {name: torch.cat([record[name] for record in records]) for name in records[0]}
    masks = coordinates().expand(4, -1, -1, -1)
    together = geometry.replay(masks, batch, kind="mask")
    alone = [geometry.replay(masks[:1], record, kind="mask") for record in records]
    assert torch.equal(together, torch.cat(alone))
