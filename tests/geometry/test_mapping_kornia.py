"""Records against Kornia's own ``transform_matrix``: each type, and pipelines drawn at random."""

from __future__ import annotations

import random
from collections.abc import Callable

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss.geometry import Pixels, between, matrix
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

Apart = Callable[[Tensor, Tensor, tuple[int, int]], Tensor]

pytestmark = pytest.mark.skipif(
    ONLY_APPLIED_ROWS, reason="before 0.9 Kornia's matrices are not those of its images"
)
WARPS = ("angle", "affine", "perspective")
CLOSE = 1e-3
BATCH = 6


class Drawn:
    """A pipeline drawn at random, of steps that a record can tell.

    Attributes:
        names: its steps.
        size: height and width of the images it is given.
        aligned: its ``align_corners``.
        crop: how its crop crops, ``""`` for none.
    """

    def __init__(self, seed: int) -> None:
        self.draw = random.Random(seed)
        self.crop = self.draw.choice(["", "slice", "resample", "random"])
        self.aligned = self.draw.random() < 0.5
        self.size, self.cut = (self.side(24, 90), self.side(24, 90)), (self.side(12, 40),) * 2
        self.names = ["crop"] if self.crop else []
        warps = self.draw.sample(WARPS, self.draw.randint(0, 3))
        if self.draw.random() < 0.4:
            self._turn()
        elif self.crop:
            self.cut = (self.side(12, 24), self.side(12, 24))
        self.names += warps
        for flip in self.draw.sample(["flip", "vertical_flip"], self.draw.randint(0, 2)):
            self.names.insert(self.draw.randint(0, len(self.names)), flip)
        self.warps = tuple(name for name in self.names if name in WARPS)

    def side(self, low: int, high: int) -> int:
        return self.draw.randint(low, high)

    def _turn(self) -> None:
        """Turn a square: the image, before the crop or without one, or what was cropped."""
        first = not self.crop or self.draw.random() < 0.5
        self.names.insert(0 if first else 1, "turn")
        if first:
            self.size = (self.size[0],) * 2
            self.cut = (self.side(12, 24), self.side(12, 24))

    def build(self, name: str) -> nn.Module:
        again = {"p": 0.8, "align_corners": self.aligned}
        if name == "crop":
            if self.crop == "random":
                return K.RandomCrop(self.cut, padding=2, pad_if_needed=True)
            how = {"cropping_mode": self.crop, "align_corners": self.aligned}
            return K.RandomResizedCrop(self.cut, (0.1, 1.0), **how)
        shear = (-12.0, 12.0, -9.0, 9.0)
        steps: dict[str, Callable[[], nn.Module]] = {
            "turn": lambda: K.RandomRotation90((-3, 3), p=0.8),
            "flip": lambda: K.RandomHorizontalFlip(p=0.5),
            "vertical_flip": lambda: K.RandomVerticalFlip(p=0.5),
            "angle": lambda: K.RandomRotation(60.0, **again),
            "affine": lambda: K.RandomAffine(
                30.0, (0.1, 0.2), (0.7, 1.3, 0.8, 1.2), shear, **again
            ),
            "perspective": lambda: K.RandomPerspective(0.4, **again),
        }
        return steps[name]()

    def pixels(self, view: tuple[int, int]) -> Pixels:
        edges = self.crop == "slice" and not self.aligned
        return Pixels(self.size, view, "kornia", by_centres=not edges, order=self.warps)


def run(drawn: Drawn, seed: int) -> tuple[KorniaRecorder, dict[str, Tensor], tuple[int, int]]:
    torch.manual_seed(seed)
    recorder = KorniaRecorder(K.AugmentationSequential(*map(drawn.build, drawn.names)))
    views, record = recorder(torch.rand(BATCH, 3, *drawn.size))
    return recorder, record, (views.shape[-2], views.shape[-1])


@pytest.mark.parametrize("first", range(0, 240, 20))
def test_corners_lie_where_kornia_says(first: int, apart: Apart) -> None:
    for seed in range(first, first + 20):
        drawn = Drawn(seed)
        if not drawn.names:
            continue
        recorder, record, view = run(drawn, seed)
        told = torch.linalg.inv(recorder.pipeline.transform_matrix.double())
        for pixels in (drawn.pixels(view), recorder.pixels(drawn.size)):
            error = apart(matrix(record, pixels), told, view).max()
            assert error < CLOSE, f"{seed}: {drawn.names}, {drawn.crop}, {drawn.size}"


@pytest.mark.parametrize("first", range(0, 60, 20))
def test_a_view_is_found_in_another(first: int, apart: Apart) -> None:
    for seed in range(first, first + 20):
        drawn = Drawn(seed)
        if not drawn.names:
            continue
        recorder, record1, view = run(drawn, seed)
        matrix1 = recorder.pipeline.transform_matrix.double()
        _, record2 = recorder(torch.rand(BATCH, 3, *drawn.size))
        matrix2 = recorder.pipeline.transform_matrix.double()
        told = torch.linalg.solve(matrix1, matrix2, left=False)
        found = between(record1, record2, drawn.pixels(view))
        # A view may lie far from another, or beyond its horizon: where they meet it must fit.
        scale = torch.linalg.matrix_norm(told[:, :2, :2]).clamp_min(1)
        near = (told[:, 2, :2].abs().sum(-1) * max(view) < 0.5) & (scale < 4)
        if near.any():
            assert apart(found[near], told[near], view).max() < CLOSE, f"{seed}: {drawn.names}"


@pytest.mark.parametrize("name", ["slice", "resample", "slice, half pixels", "nearest", "random"])
def test_both_modes_of_cropping_and_each_way_to_resize(name: str, apart: Apart) -> None:
    crops = {
        "slice": lambda: K.RandomResizedCrop((17, 30)),
        "resample": lambda: K.RandomResizedCrop((17, 30), cropping_mode="resample"),
        "slice, half pixels": lambda: K.RandomResizedCrop((17, 30), align_corners=False),
        "nearest": lambda: K.RandomResizedCrop((17, 30), resample="nearest"),
        "random": lambda: K.RandomCrop((17, 30), padding=(1, 2, 3, 4)),
    }
    pipeline = K.AugmentationSequential(crops[name](), K.RandomHorizontalFlip())
    _, record = KorniaRecorder(pipeline)(torch.rand(BATCH, 3, 41, 53))
    centres = name not in {"slice, half pixels", "nearest"}
    pixels = Pixels((41, 53), (17, 30), "kornia", by_centres=centres)
    told = torch.linalg.inv(pipeline.transform_matrix.double())
    assert apart(matrix(record, pixels), told, (17, 30)).max() < CLOSE


def test_kornia_resizes_from_centre_to_centre_unless_told(apart: Apart) -> None:
    pipeline = K.AugmentationSequential(K.RandomResizedCrop((17, 30)))
    _, record = KorniaRecorder(pipeline)(torch.rand(BATCH, 3, 41, 53))
    told = torch.linalg.inv(pipeline.transform_matrix.double())
    assert apart(matrix(record, Pixels((41, 53), (17, 30), "kornia")), told, (17, 30)).max() < CLOSE
    edges = Pixels((41, 53), (17, 30), "kornia", by_centres=False)
    assert apart(matrix(record, edges), told, (17, 30)).max() > 10 * CLOSE


def test_a_skipped_image_lies_where_it_was(apart: Apart) -> None:
    steps = [K.RandomAffine(30.0, p=0.0), K.RandomPerspective(p=0.0), K.RandomRotation(9.0, p=0.0)]
    _, record = KorniaRecorder(K.AugmentationSequential(*steps))(torch.rand(2, 3, 20, 30))
    pixels = Pixels((20, 30), (20, 30), "kornia", order=("affine", "perspective", "angle"))
    assert apart(matrix(record, pixels), torch.eye(3).expand(2, 3, 3), (20, 30)).max() < 1e-5


def test_colours_are_passed_by(apart: Apart) -> None:
    steps = [
        K.RandomResizedCrop((9, 9)),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1),
        K.RandomGaussianBlur((3, 3), (0.1, 2.0)),
        K.RandomErasing(),
    ]
    pipeline = K.AugmentationSequential(*steps)
    _, record = KorniaRecorder(pipeline)(torch.rand(2, 3, 20, 30))
    told = torch.linalg.inv(pipeline.transform_matrix.double())
    found = matrix(record, Pixels((20, 30), (9, 9), "kornia"))
    assert apart(found, told, (9, 9)).max() < CLOSE


def test_the_order_of_warps_counts(apart: Apart) -> None:
    steps = [K.RandomAffine(30.0, (0.2, 0.2), p=1.0), K.RandomPerspective(0.5, p=1.0)]
    pipeline = K.AugmentationSequential(*steps)
    _, record = KorniaRecorder(pipeline)(torch.rand(2, 3, 20, 30))
    told = torch.linalg.inv(pipeline.transform_matrix.double())
    for order, right in ((("affine", "perspective"), True), (("perspective", "affine"), False)):
        pixels = Pixels((20, 30), (20, 30), "kornia", order=order)
        assert (apart(matrix(record, pixels), told, (20, 30)).max() < CLOSE) == right


def test_warps_before_a_resize(apart: Apart) -> None:
    """A view's own aspect says nothing of the image that was turned."""
    pipeline = nn.Sequential(K.RandomResizedCrop((40, 20)), K.RandomRotation((30.0, 60.0)))
    _, record = KorniaRecorder(pipeline)(torch.rand(2, 3, 50, 50))
    turned = matrix(record, Pixels((50, 50), (40, 20), "kornia"))
    resized = Pixels((50, 50), (16, 24), "kornia", warped=(40, 20))
    scale = torch.diag(torch.tensor([20 / 24, 40 / 16, 1.0]))
    scale[:2, 2] = (scale.diagonal()[:2] - 1) / 2  # half pixels stay half pixels
    assert apart(matrix(record, resized), turned @ scale, (16, 24)).max() < CLOSE
