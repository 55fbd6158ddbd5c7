"""One channel, three channels, and ranges that learn: what a record may and may not say."""

from __future__ import annotations

from collections.abc import Callable

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, ImageError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

Build = Callable[[], nn.Module]
Images = Callable[..., Tensor]


@pytest.mark.parametrize("p", [0.5, 1.0])
def test_saturation_of_one_channel_is_not_recorded(p: float, smooth: Images) -> None:
    recorder = KorniaRecorder(K.ColorJitter(0.4, 0.4, 0.4, p=p))
    images = smooth(16, 8, 8)[:, :1]
    _, record = recorder(images)
    assert (record["color"][:, :2] != 1).any()
    assert torch.equal(record["color"][:, 2:], torch.tensor([[1.0, 0.0]] * 16))
    _, coloured = recorder(smooth(16, 8, 8))
    assert (coloured["color"][:, 2] != 1).any()


@pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="since Kornia 0.9")
def test_views_of_one_channel_are_grey_whatever_was_drawn(smooth: Images) -> None:
    pipeline = K.AugmentationSequential(
        K.ColorJitter(0.0, 0.0, 0.4, p=1.0), K.RandomGrayscale(p=0.5)
    )
    recorder = KorniaRecorder(pipeline)
    images = smooth(16, 8, 8)[:, :1]
    (view, one), (_, two) = recorder(images), recorder(images)
    torch.testing.assert_close(view, images)
    assert one["grayscale"].tolist() == two["grayscale"].tolist() == [[1.0]] * 16
    (color, _) = recorder.encoders
    visible = color.under("default").visible(one, two)
    assert visible is not None
    assert (color.difference(one, two) * visible).abs().max() == 0
    assert torch.equal(recorder.replay(images, one), view)


class ToGrey(nn.Module):
    """Takes the colour out of all images, as modules outside of kornia.augmentation do."""

    def forward(self, images: Tensor) -> Tensor:
        return images.mean(dim=1, keepdim=True)


def test_views_that_end_with_one_channel_are_grey(smooth: Images) -> None:
    pipeline = nn.Sequential(K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=1.0), ToGrey())
    recorder = KorniaRecorder(pipeline, ignore=[ToGrey], types=["grayscale"])
    _, record = recorder(smooth(8, 8, 8))
    assert record["grayscale"].tolist() == [[1.0]] * 8
    assert torch.equal(record["color"][:, 2:], torch.tensor([[1.0, 0.0]] * 8))


THREE: dict[str, Build] = {
    "ColorJitter": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1),
    "ColorJiggle": lambda: K.ColorJiggle(0.4, 0.4, 0.4),
    "RandomHue": lambda: K.RandomHue((-0.1, 0.1)),
    "RandomSaturation": lambda: K.RandomSaturation((0.5, 1.5)),
}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", THREE)
def test_colour_operations_on_other_channels_are_refused_by_name(
    name: str, channels: int, smooth: Images
) -> None:
    recorder = KorniaRecorder(K.ImageSequential(K.RandomHorizontalFlip(), THREE[name]()))
    images = smooth(2, 8, 8)
    _, record = recorder(images)
    message = f"three channels for '{name}', found {channels}"
    grey = images[:, :1].expand(-1, channels, -1, -1)
    with pytest.raises(ImageError, match=message):
        recorder(grey)
    with pytest.raises(ImageError, match=f"{message}.*kind='mask'"):
        recorder.replay(grey, record)


ONE: dict[str, Build] = {
    "brightness": lambda: K.ColorJitter(0.4, 0.4),
    "without hue": lambda: K.ColorJiggle(0.4, 0.4),
}


@pytest.mark.parametrize("name", ONE)
def test_brightness_and_contrast_work_on_one_channel(name: str, smooth: Images) -> None:
    images = smooth(4, 8, 8)[:, :1]
    recorder = KorniaRecorder(ONE[name]())
    view, record = recorder(images)
    assert torch.equal(recorder.replay(images, record), view)


LEARNABLE: dict[str, Callable[[nn.Parameter], nn.Module]] = {
    "jiggle": lambda r: K.ColorJiggle(brightness=r, contrast=0.2, p=1.0),
    "jitter": lambda r: K.ColorJitter(brightness=r, contrast=0.2, p=1.0),
    "brightness": lambda r: K.RandomBrightness(r, p=1.0),
    "gamma": lambda r: K.RandomGamma(r, p=1.0),
    "sharpness": lambda r: K.RandomSharpness(r, p=1.0),
}


@pytest.mark.parametrize("name", LEARNABLE)
def test_records_of_learnable_ranges_carry_no_gradient(name: str, smooth: Images) -> None:
    limits = nn.Parameter(torch.tensor([0.8, 1.2]))
    recorder = KorniaRecorder(LEARNABLE[name](limits))
    images = smooth(4, 8, 8)
    (view, one), (_, two) = recorder(images), recorder(images)
    assert not any(entry.requires_grad for entry in (*one.values(), *two.values()))
    (encoder,) = recorder.encoders
    loss = AugSelfLoss(8, {encoder.name: 1.0}, encoders=recorder.encoders)
    features = torch.randn(4, 8)
    loss(features, features, one, two).total.backward()
    assert limits.grad is None
    if view.requires_grad:  # the views keep theirs, which is what makes the range learn
        view.sum().backward()
        assert limits.grad is not None
