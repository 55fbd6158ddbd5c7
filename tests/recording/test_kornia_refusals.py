"""What KorniaRecorder refuses, how it says so, and the ways out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import BlurEncoder, Field, ImageError, PipelineError, RegressionEncoder, Step
from augself_loss.encoders.base import Columns
from augself_loss.recording.kornia import KorniaRecorder

Images: TypeAlias = Callable[..., Tensor]
Build: TypeAlias = Callable[[], nn.Module]


def blur() -> nn.Module:
    return K.RandomGaussianBlur((3, 3), (0.1, 2.0))


@pytest.mark.parametrize(
    "build",
    [
        K.RandomPlasmaShadow,
        K.RandomChannelShuffle,
        nn.Dropout,
        lambda: K.PatchSequential(K.RandomHorizontalFlip(), patchwise_apply=False),
        K.RandomMixUpV2,
        lambda: K.RandomMosaic((8, 8)),
        lambda: K.auto.RandAugment(2, 10),
    ],
    ids=["Plasma", "Shuffle", "Dropout", "Patch", "MixUp", "Mosaic", "RandAugment"],
)
@pytest.mark.parametrize("wrap", [nn.Sequential, lambda m: K.ImageSequential(blur(), m)])
def test_unknown_transforms_are_named_with_the_way_out(
    build: Build, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    module = build()
    with pytest.raises(PipelineError) as error:
        KorniaRecorder(wrap(module))
    for part in (f"'{type(module).__name__}'", "encoders=[", f"ignore=[{type(module).__name__}]"):
        assert part in str(error.value)


@pytest.mark.parametrize("by", ["class", "instance"])
@pytest.mark.parametrize(
    "build",
    [
        K.RandomPlasmaShadow,
        lambda: K.PatchSequential(K.RandomInvert(), patchwise_apply=False),
        lambda: nn.Sequential(blur(), blur()),
    ],
    ids=["Plasma", "Patch", "Sequential"],
)
def test_ignored_randomness_is_left_out(by: str, build: Build, smooth: Images) -> None:
    module, flip = build(), K.RandomHorizontalFlip(p=0.5)
    # nn.Sequential by class would ignore the pipeline itself.
    wrap = K.ImageSequential if isinstance(module, nn.Sequential) else nn.Sequential
    if type(module) is K.PatchSequential:
        wrap = nn.Sequential
    pipeline = wrap(module, flip)
    ignore = [type(module)] if by == "class" and type(module) is not nn.Sequential else [module]
    recorder = KorniaRecorder(pipeline, ignore=ignore)
    images = smooth(6, 16, 16)
    for seed in range(2):
        torch.manual_seed(seed)
        expected = pipeline(images)
        torch.manual_seed(seed)
        view, record = recorder(images)
        assert torch.equal(view, expected)
        assert list(record) == ["flip"]
        assert torch.equal(record["flip"][:, 0], flip._params["batch_prob"])


def test_ignore_takes_one_of_two_steps_of_a_type(smooth: Images) -> None:
    first, second = blur(), blur()
    recorder = KorniaRecorder(nn.Sequential(first, second), ignore=[second])
    _, record = recorder(smooth(4, 16, 16))
    assert list(record) == ["blur"]


class RandomTint(K.IntensityAugmentationBase2D):
    """Somebody's own augmentation, built on Kornia's base class."""

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        return {"tint": torch.rand(batch_shape[0])}

    def apply_transform(
        self,
        input: Tensor,  # noqa: A002
        params: dict[str, Tensor],
        flags: dict[str, Any],  # noqa: ARG002
        transform: Tensor | None = None,  # noqa: ARG002
    ) -> Tensor:
        return input * params["tint"].to(input).view(-1, 1, 1, 1)


class RandomPlain(nn.Module):
    """Somebody's own augmentation, a plain module that keeps what it drew."""

    def forward(self, images: Tensor) -> Tensor:
        gate, tint = (torch.rand(2, len(images)) > 0.5).float().unbind(0)
        tint = tint * 0.5 + 0.25
        shape = torch.tensor(images.shape)
        self._params = {"tint": tint, "batch_prob": gate, "forward_input_shape": shape}
        return images * torch.where(gate > 0.5, tint, 1.0).view(-1, 1, 1, 1)


class TintEncoder(RegressionEncoder):
    name = "tint"
    columns = ("tint",)
    identity = (1.0,)

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))

    @staticmethod
    def _read(step: Step) -> Mapping[str, Columns]:
        return {"tint": (step.params["tint"],)}

    kornia = {"RandomTint": _read, "RandomPlain": _read}


@pytest.mark.parametrize("build", [lambda: RandomTint(p=0.5), RandomPlain], ids=["Tint", "Plain"])
@pytest.mark.parametrize("wrap", [nn.Sequential, K.ImageSequential])
def test_own_augmentation_is_read_by_its_encoder(
    build: Build, wrap: Callable[..., nn.Module], smooth: Images
) -> None:
    encoder = TintEncoder()
    recorder = KorniaRecorder(wrap(build(), K.RandomHorizontalFlip(p=0.0)), encoders=[encoder])
    images = smooth(12, 8, 8)
    view, record = recorder(images)
    assert torch.allclose(view, images * record["tint"].view(-1, 1, 1, 1))
    assert 0 < (record["tint"] == 1).sum() < 12
    assert encoder in recorder.encoders
    assert recorder.layout["tint"] == Field(("tint",), (1.0,), ((0.0, 1.0),))


class ChannelsEncoder(RegressionEncoder):
    name = "channels"
    columns = ("first", "second", "third")
    identity = (0.0, 1.0, 2.0)
    kornia = {"RandomChannelShuffle": lambda s: {"channels": s.params["channels"].unbind(-1)}}

    def __init__(self) -> None:
        super().__init__(*((0.0, 2.0) for _ in self.columns))


def test_own_encoder_of_a_kornia_transform(smooth: Images) -> None:
    recorder = KorniaRecorder(K.RandomChannelShuffle(p=0.5), encoders=[ChannelsEncoder()])
    images = smooth(12, 8, 8)
    view, record = recorder(images)
    for seen, image, channels in zip(view, images, record["channels"].long(), strict=True):
        assert torch.equal(seen, image[channels])


def test_a_built_in_encoder_with_ranges_of_its_own_stays_as_it_is() -> None:
    own = BlurEncoder(sigma=(0.0, 5.0))
    recorder = KorniaRecorder(blur(), encoders=[own])
    assert recorder.encoders == (own,)
    assert recorder.layout["blur"].ranges == ((0.0, 5.0),)


REFUSED: dict[str, tuple[Build, str]] = {
    "two blurs": (lambda: nn.Sequential(blur(), blur()), "both set 'blur'"),
    "two blurs, nested": (
        lambda: K.ImageSequential(blur(), K.ImageSequential(blur())),
        "both set 'blur'",
    ),
    "two jitters": (
        lambda: nn.Sequential(K.ColorJitter(0.4), K.ColorJitter(0.0, 0.4)),
        "both set 'color'",
    ),
    "more draws than children": (
        lambda: K.ImageSequential(blur(), K.RandomInvert(), random_apply=3),
        "both set 'blur'",
    ),
    "more draws than weight": (
        lambda: K.ImageSequential(
            blur(), K.RandomInvert(), random_apply=2, random_apply_weights=[0.5, 0.5]
        ),
        "both set 'blur'",
    ),
    "crop after affine": (
        lambda: nn.Sequential(K.RandomAffine(10.0), K.RandomCrop((8, 8))),
        "'RandomCrop' before 'RandomAffine', found",
    ),
    "crop after perspective": (
        lambda: nn.Sequential(K.RandomPerspective(), K.RandomCrop((8, 8))),
        "'RandomCrop' before 'RandomPerspective', found",
    ),
    "crop after angle": (
        lambda: nn.Sequential(K.RandomRotation(10.0), K.RandomResizedCrop((8, 8))),
        "'RandomResizedCrop' before 'RandomRotation', found",
    ),
    "turn after erasing": (
        lambda: nn.Sequential(K.RandomErasing(), K.RandomRotation90((0, 3))),
        "'RandomRotation90' before 'RandomErasing', found",
    ),
    "crop perhaps after affine": (
        lambda: K.ImageSequential(K.RandomCrop((8, 8)), K.RandomAffine(10.0), random_apply=True),
        "'RandomCrop' before 'RandomAffine', found",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_no_record_can_tell_is_refused(case: str) -> None:
    build, message = REFUSED[case]
    with pytest.raises(PipelineError, match=message):
        KorniaRecorder(build())


@pytest.mark.parametrize(
    "build",
    [
        lambda: K.ImageSequential(blur(), blur(), random_apply=1),
        lambda: nn.Sequential(K.RandomCrop((8, 8)), K.RandomAffine(10.0)),
        lambda: nn.Sequential(K.RandomRotation(10.0), K.RandomRotation90((0, 3))),
        lambda: nn.Sequential(K.RandomAffine(10.0), K.RandomHorizontalFlip()),
    ],
)
def test_what_a_record_can_tell_is_accepted(build: Build, smooth: Images) -> None:
    KorniaRecorder(build())(smooth(3, 16, 16))


KEYS: dict[str, Any] = {"['image', 'mask']": ["input", "mask"], "None": None}


@pytest.mark.parametrize("found", KEYS)
@pytest.mark.parametrize("wrap", [lambda m: m, nn.Sequential])
def test_a_pipeline_that_wants_masks_too_is_refused(found: str, wrap: Any) -> None:
    """Kornia failed at the first batch: the number of inputs must align with data_keys."""
    pipeline = K.AugmentationSequential(blur(), data_keys=KEYS[found])
    with pytest.raises(PipelineError) as error:
        KorniaRecorder(wrap(pipeline))
    text = str(error.value).replace("input", "image")  # as Kornia called it before 0.9
    assert f"found data_keys={found}. Leave data_keys out" in text


@pytest.mark.parametrize("found", KEYS)
def test_keys_inside_of_a_container_play_no_part(found: str, smooth: Images) -> None:
    inner = K.AugmentationSequential(blur(), data_keys=KEYS[found])
    assert "blur" in KorniaRecorder(K.ImageSequential(inner))(smooth(2, 8, 8))[1]


def test_one_object_twice_is_refused() -> None:
    flip = K.RandomHorizontalFlip()
    with pytest.raises(PipelineError, match="found the same object twice"):
        KorniaRecorder(nn.Sequential(flip, blur(), flip))


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(PipelineError, match="found \\['colour'\\]"):
        KorniaRecorder(blur(), types=["colour"])


BAD: dict[str, tuple[Callable[[Tensor], Any], str]] = {
    "uint8": (lambda x: (x * 255).byte(), "torch.uint8.*images.float\\(\\) / 255"),
    "0-255": (lambda x: x * 255, "to 2[0-9][0-9].*Divide images in 0–255 by 255"),
    "negative": (lambda x: x - 0.5, "from -0\\..*normalize after"),
    "NaN": (lambda x: x * float("nan"), "nan"),
    "one image": (lambda x: x[0], r"expected a tensor of images \(B, C, H, W\), found \(3, 8, 8\)"),
    "video": (lambda x: x[None], r"found \(1, 4, 3, 8, 8\)"),
    "empty batch": (lambda x: x[:0], r"found \(0, 3, 8, 8\)"),
    "list": (list, "found list"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_images_are_refused(case: str, smooth: Images) -> None:
    spoil, message = BAD[case]
    with pytest.raises(ImageError, match=message):
        KorniaRecorder(blur())(spoil(smooth(4, 8, 8)))


def test_pipelines_that_only_move_pixels_take_normalized_images(smooth: Images) -> None:
    steps = [K.RandomResizedCrop((8, 8)), K.RandomHorizontalFlip(), K.RandomErasing()]
    KorniaRecorder(K.AugmentationSequential(*steps))(smooth(4, 16, 16) * 4 - 2)
    with pytest.raises(ImageError, match="Divide images in 0–255"):
        KorniaRecorder(K.AugmentationSequential(*steps))(smooth(4, 16, 16) * 255)


def test_only_the_first_batch_is_looked_at(smooth: Images) -> None:
    recorder = KorniaRecorder(blur())
    recorder(smooth(4, 8, 8))
    recorder(smooth(4, 8, 8) * 255)
    KorniaRecorder(blur(), check_images=False)(smooth(4, 8, 8) * 255)


class ColorJitter(nn.Module):
    """Not Kornia's, though it is called so."""

    def forward(self, images: Tensor) -> Tensor:
        return images * torch.rand(())


class Normalize(ColorJitter):
    """Not Kornia's either, and random."""


@pytest.mark.parametrize("impostor", [ColorJitter, Normalize])
def test_a_class_that_only_bears_kornias_name_is_refused(impostor: type[nn.Module]) -> None:
    with pytest.raises(PipelineError, match=f"it can record, found '{impostor.__name__}'"):
        KorniaRecorder(nn.Sequential(K.RandomHorizontalFlip(), impostor()))


class Jittered(K.ColorJitter):
    def __init__(self) -> None:
        super().__init__(0.4)


def test_a_users_subclass_is_told_what_to_put_in_its_place() -> None:
    with pytest.raises(PipelineError, match=r"sets arguments of ColorJitter, put a kornia\.augm"):
        KorniaRecorder(K.AugmentationSequential(Jittered()))
    with pytest.raises(PipelineError, match=r"found 'RandomTint'\. If it draws nothing"):
        KorniaRecorder(nn.Sequential(K.RandomHorizontalFlip(), RandomTint()))


def test_bad_images_are_refused_again() -> None:
    recorder = KorniaRecorder(K.ColorJitter(0.4))
    for _ in range(2):
        with pytest.raises(ImageError, match="Divide images in 0–255 by 255"):
            recorder(torch.full((2, 3, 8, 8), 200.0))
