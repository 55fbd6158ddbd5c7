"""Replay on masks and boxes: they go where the pixels go, and keep their values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import kornia.enhance
import kornia.geometry.transform as warp
import pytest
import torch
from torch import Tensor, nn

from augself_loss import Field, ImageError, PipelineError, RegressionEncoder
from augself_loss.recording.kornia import KorniaRecorder

Images = Callable[..., Tensor]
Build = Callable[[], nn.Module]
MEAN, STD = torch.full((3,), 0.5), torch.full((3,), 0.2)


def colours() -> list[nn.Module]:
    return [
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.3),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0)),
        K.RandomSolarize((0.3, 0.8)),
        K.RandomErasing(p=0.5),
        K.Normalize(MEAN, STD),
    ]


STEPS: dict[str, Build] = {
    "flip": lambda: K.RandomHorizontalFlip(p=0.5),
    "vertical": lambda: K.RandomVerticalFlip(p=0.5),
    "turn": lambda: K.RandomRotation90((-3, 3), p=0.8),
    "quarter": lambda: K.RandomRotation((90.0, 90.0), p=0.5),
    "angle": lambda: K.RandomRotation(30.0, p=0.8),
    "slice": lambda: K.RandomResizedCrop((20, 20), (0.3, 1.0)),
    "resample": lambda: K.RandomResizedCrop((20, 20), (0.3, 1.0), cropping_mode="resample"),
    "resize": lambda: K.Resize((24, 24)),
}
PIPELINES: dict[str, Callable[[], nn.Module]] = {
    **STEPS,
    "SimCLR": lambda: K.AugmentationSequential(STEPS["slice"](), STEPS["flip"](), *colours()),
    "plain": lambda: nn.Sequential(STEPS["flip"](), STEPS["resample"](), *colours()),
    "turned": lambda: K.ImageSequential(STEPS["turn"](), STEPS["vertical"](), STEPS["slice"]()),
    "crop, then turn": lambda: K.ImageSequential(
        STEPS["flip"](), STEPS["slice"](), STEPS["turn"](), STEPS["vertical"]()
    ),
    "nested": lambda: K.ImageSequential(
        K.AugmentationSequential(STEPS["vertical"](), K.RandomInvert()), STEPS["slice"]()
    ),
    "plain in Kornia's": lambda: K.ImageSequential(nn.Sequential(STEPS["flip"]())),
    "resized": lambda: nn.Sequential(STEPS["flip"](), K.Resize((40, 44)), STEPS["slice"]()),
    "longest": lambda: nn.Sequential(K.LongestMaxSize(48), STEPS["flip"](), nn.Identity()),
    "angle, then flip": lambda: K.ImageSequential(STEPS["angle"](), STEPS["flip"]()),
    "enhanced": lambda: nn.Sequential(kornia.enhance.Normalize(MEAN, STD), STEPS["flip"]()),
}


def source(batch: int, height: int = 32, width: int = 32) -> tuple[Tensor, Tensor]:
    """Images of blocks, and the masks of their class ids; a block's ids say where it lies."""
    rows, columns = torch.arange(height) * 4 // height, torch.arange(width) * 4 // width
    ids = (rows[:, None] * 4 + columns + 1).expand(batch, height, width)
    return ids[:, None].expand(-1, 3, -1, -1) / 20.0, ids


@pytest.mark.parametrize("name", PIPELINES)
def test_masks_keep_their_ids_and_lie_where_the_pixels_do(name: str) -> None:
    geometry = PIPELINES[name]()
    recorder = KorniaRecorder(geometry)
    images, ids = source(6)
    for _ in range(4):
        view, record = recorder(images)
        masks = recorder.replay(ids, record, kind="mask")
        assert masks.dtype == torch.int64
        assert masks.shape == (6, *view.shape[-2:])
        assert set(masks.unique().tolist()) <= {0, *range(1, 17)}
        if any(isinstance(m, K.ColorJitter | kornia.enhance.Normalize) for m in geometry.modules()):
            continue  # the view's values say no more where they lie
        if any(isinstance(m, K.RandomInvert) for m in geometry.modules()):
            view = torch.where(record["invert"].view(-1, 1, 1, 1) == 1, 1 - view, view)
        exact = (view[:, 0] * 20 - masks).abs() < 0.02
        assert exact.float().mean() > 0.5  # at the edges of blocks images are interpolated


@pytest.mark.parametrize(
    "dtype",
    [torch.uint8, torch.bool, torch.int32, torch.int64, torch.float32, torch.float64],
)
@pytest.mark.parametrize("channels", [None, 1, 5])
def test_masks_of_any_form_and_dtype(dtype: torch.dtype, channels: int | None) -> None:
    recorder = KorniaRecorder(PIPELINES["SimCLR"]())
    images, ids = source(4)
    _, record = recorder(images)
    masks = (ids % 2 if dtype == torch.bool else ids).to(dtype)
    given = masks if channels is None else masks[:, None].expand(-1, channels, -1, -1)
    moved = recorder.replay(given, record, kind="mask")
    assert moved.dtype == dtype
    assert moved.shape == (4, *given.shape[1:-2], 20, 20)
    expected = recorder.replay(masks.long(), record, kind="mask")
    assert torch.equal((moved if channels is None else moved[:, -1]).long(), expected)


def test_large_class_ids_are_kept() -> None:
    recorder = KorniaRecorder(PIPELINES["turned"]())
    images, ids = source(2)
    _, record = recorder(images)
    large = ids + 2**40
    moved = recorder.replay(large, record, kind="mask")
    assert set(moved.unique().tolist()) <= {0, *large.unique().tolist()}


@pytest.mark.parametrize("name", ["flip", "vertical", "turn", "turned", "crop, then turn"])
def test_masks_of_exact_moves_are_the_views(name: str) -> None:
    """Flips and quarter turns interpolate nothing: masks are bit for bit the moved ids."""
    recorder = KorniaRecorder(PIPELINES[name]())
    images, ids = source(8)
    view, record = recorder(images)
    masks = recorder.replay(ids, record, kind="mask")
    if view.shape[-1] == 32:
        torch.testing.assert_close(view[:, 0] * 20, masks.float(), atol=1e-3, rtol=0)


def extent(views: Tensor) -> Tensor:
    """Find the box of what is lit: left, top, right, bottom, ``(B, 4)``."""
    found = []
    for view in views:
        rows, columns = (view[0] > 0.5).nonzero().unbind(-1)
        found.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    return torch.tensor(found).float()


@pytest.mark.parametrize("name", [*STEPS, "turned", "crop, then turn", "resized", "longest",
                                  "nested", "angle, then flip"])  # fmt: skip
@pytest.mark.parametrize("size", [(32, 32), (32, 40)])
def test_boxes_lie_where_the_pixels_do(name: str, size: tuple[int, int]) -> None:
    if size[0] != size[1] and ("turn" in name or name == "quarter"):
        return  # quarter turns are for squares
    height, width = size
    boxes = torch.tensor([[[10.0, 12.0, 22.0, 18.0]]]).repeat(6, 1, 1)
    images = torch.zeros(6, 3, height, width)
    images[:, :, 12:18, 10:22] = 1.0
    recorder = KorniaRecorder(PIPELINES[name](), check_images=False)
    checked = 0
    for _ in range(6):
        view, record = recorder(images)
        moved = recorder.replay(boxes, record, kind="boxes", size=size)
        assert moved.shape == (6, 1, 4)
        inverted = any(isinstance(m, K.RandomInvert) for m in recorder.pipeline.modules())
        for one, box in zip(view, moved[:, 0], strict=True):
            lit = one if not inverted or one.mean() < 0.5 else 1 - one
            if not (lit > 0.5).any() or (lit > 0.5).all():
                continue
            # A corner of a turned box is thinner than a pixel is wide.
            near = 2.0 if "angle" in name else 1.6
            assert (extent(lit[None])[0] - box).abs().max() <= near
            checked += 1
    assert checked > 10


def test_boxes_of_exact_moves_by_hand() -> None:
    recorder = KorniaRecorder(
        K.ImageSequential(K.RandomHorizontalFlip(p=1.0), K.RandomResizedCrop((10, 10)))
    )
    record = {"flip": torch.ones(1, 1), "crop": torch.tensor([[0.5, 0.25, 0.5, 0.5]])}
    boxes = torch.tensor([[[4.0, 10.0, 12.0, 30.0], [16.0, 0.0, 20.0, 5.0]]])
    moved = recorder.replay(boxes, record, kind="boxes", size=(20, 20))
    # Mirrored: (8, 10, 16, 30); the source's box 0.25 … 0.75 is 0.25 … 0.75 of the mirror too.
    assert moved.tolist() == [[[3.0, 0.0, 10.0, 10.0], [0.0, 0.0, 0.0, 0.0]]]


def test_erased_pixels_keep_their_ids_and_boxes() -> None:
    recorder = KorniaRecorder(K.ImageSequential(K.RandomErasing(p=1.0)))
    images, ids = source(4)
    _, record = recorder(images)
    assert torch.equal(recorder.replay(ids, record, kind="mask"), ids)
    boxes = torch.tensor([[[1.0, 2.0, 3.0, 4.0]]]).repeat(4, 1, 1)
    assert torch.equal(recorder.replay(boxes, record, kind="boxes", size=(32, 32)), boxes)


class RandomShift(nn.Module):
    """Somebody's own module: whether it moves pixels is not known."""

    def forward(self, images: Tensor) -> Tensor:
        self._params = {
            "shift": torch.rand(len(images)),
            "batch_prob": torch.ones(len(images)),
            "forward_input_shape": torch.tensor(images.shape),
        }
        return images


class ShiftEncoder(RegressionEncoder):
    name = "shift"
    columns = ("shift",)
    identity = (0.0,)
    kornia = {"RandomShift": lambda step: {"shift": (step.params["shift"],)}}

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))


REFUSED: dict[str, tuple[Build, dict[str, Any], str]] = {
    "own": (RandomShift, {"encoders": [ShiftEncoder()]}, "'RandomShift' cannot be replayed on"),
    "ignored": (
        K.RandomElasticTransform,
        {"ignore": [K.RandomElasticTransform]},
        "'RandomElasticTransform' cannot be replayed on masks or boxes",
    ),
    "Resize of pixels": (lambda: warp.Resize((8, 8)), {}, "Use kornia.augmentation.Resize"),
    "affine": (lambda: K.RandomAffine(10.0), {}, "'RandomAffine' cannot be replayed"),
    "perspective": (K.RandomPerspective, {}, "'RandomPerspective' cannot be replayed"),
    "random crop": (lambda: K.RandomCrop((8, 8)), {}, "'RandomCrop' cannot be replayed"),
    "crop with p": (
        lambda: K.RandomResizedCrop((8, 8), p=0.999), {}, "to be applied always, found p=0.999"
    ),
    "drawn": (
        lambda: K.ImageSequential(K.RandomVerticalFlip(), K.RandomInvert(), random_apply=1),
        {},
        "random_apply cannot be replayed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_moves_that_are_not_known_are_refused(case: str) -> None:
    build, more, message = REFUSED[case]
    recorder = KorniaRecorder(nn.Sequential(K.RandomHorizontalFlip(), build()), **more)
    images, ids = source(2)
    _, record = recorder(images)
    boxes = torch.zeros(2, 1, 4)
    for things, how in ((ids, {"kind": "mask"}), (boxes, {"kind": "boxes", "size": (32, 32)})):
        with pytest.raises(PipelineError, match=message):
            recorder.replay(things, record, **how)  # type: ignore[arg-type]


def test_ignored_noise_leaves_masks_alone() -> None:
    noise = K.RandomGaussianNoise(p=1.0)
    recorder = KorniaRecorder(nn.Sequential(noise, K.RandomHorizontalFlip(p=1.0)), ignore=[noise])
    images, ids = source(2)
    _, record = recorder(images)
    assert torch.equal(recorder.replay(ids, record, kind="mask"), ids.flip(-1))


MASKS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "class ids": (lambda ids: ids[:, None].float(), "integers from 1 to 16"),
    "class ids in three channels": (
        lambda ids: ids[:, None].expand(-1, 3, -1, -1).float(),
        "integers from 1 to 16",
    ),
    "few class ids": (lambda ids: (ids[:, None] % 3).float(), "integers from 0 to 2"),
    "int64": (lambda ids: ids[:, None], "found torch.int64"),
    "uint8": (lambda ids: ids[:, None].byte(), "found torch.uint8"),
    "no channel": (lambda ids: ids.float(), r"found \(4, 32, 32\)"),
}


@pytest.mark.parametrize("case", MASKS)
@pytest.mark.parametrize("after", [False, True])
def test_what_is_plainly_no_image_is_refused(case: str, after: bool) -> None:
    """Also after images were replayed: what comes next may be their masks."""
    spoil, message = MASKS[case]
    recorder = KorniaRecorder(nn.Sequential(STEPS["flip"](), STEPS["slice"]()))
    images, ids = source(4)
    view, record = recorder(images)
    if after:
        assert torch.equal(recorder.replay(images, record), view)
    with pytest.raises(ImageError, match=f"{message}.*kind='mask'"):
        recorder.replay(spoil(ids), record)


def test_black_and_white_images_are_images() -> None:
    recorder = KorniaRecorder(nn.Sequential(STEPS["flip"](), STEPS["slice"]()))
    images, ids = source(4)
    _, record = recorder(images)
    recorder.replay((ids[:, None] % 2).float(), record)
    recorder.replay(images * 4 - 2, record)  # normalized, through a pipeline that moves pixels


BOXES: dict[str, tuple[Any, Any, str]] = {
    "no size": (torch.zeros(4, 2, 4), None, r"expected size=\(height, width\)"),
    "corners": (torch.zeros(4, 2, 4, 2), (32, 32), r"found \(4, 2, 4, 2\)"),
    "a list": ([torch.zeros(2, 4)] * 4, (32, 32), "found list"),
    "xywh": (torch.tensor([[[10.0, 10.0, 5.0, 5.0]]] * 4), (32, 32), "right < left"),
}


@pytest.mark.parametrize("case", BOXES)
def test_bad_boxes_are_refused(case: str) -> None:
    boxes, size, message = BOXES[case]
    recorder = KorniaRecorder(STEPS["flip"]())
    _, record = recorder(source(4)[0])
    with pytest.raises(ImageError, match=message):
        recorder.replay(boxes, record, kind="boxes", size=size)


def test_bad_masks_and_kinds_are_refused() -> None:
    recorder = KorniaRecorder(STEPS["flip"]())
    images, ids = source(4)
    _, record = recorder(images)
    with pytest.raises(ImageError, match=r"expected masks .*found \(32, 32\)"):
        recorder.replay(ids[0], record, kind="mask")
    with pytest.raises(ImageError, match="kind expected 'image', 'mask' or 'boxes'"):
        recorder.replay(images, record, kind="keypoints")  # type: ignore[arg-type]


def test_the_random_state_and_the_steps_stay_as_they_were() -> None:
    pipeline = K.AugmentationSequential(STEPS["flip"](), STEPS["slice"](), K.RandomInvert(p=1.0))
    recorder = KorniaRecorder(pipeline)
    images, ids = source(4)
    view, record = recorder(images)
    state = torch.get_rng_state()
    recorder.replay(ids, record, kind="mask")
    recorder.replay(torch.zeros(4, 1, 4), record, kind="boxes", size=(32, 32))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(recorder.replay(images, record), view)
    assert isinstance(recorder.layout["flip"], Field)
