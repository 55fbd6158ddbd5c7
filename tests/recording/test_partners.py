"""Partners share what they are told to share, and drawing alone draws what a call does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn

from augself_loss import ImageError, PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.partners import Partners

Build = Callable[..., nn.Module]
Images = Callable[..., Tensor]


def steps() -> list[nn.Module]:
    return [
        K.RandomResizedCrop((16, 16), (0.2, 1.0)),
        K.RandomHorizontalFlip(p=0.5),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.3),
        K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.5),
        K.RandomSolarize(p=0.3),
    ]


class Turned(nn.Module):
    """No augmentation of Kornia's, so Kornia cannot draw for it."""

    def forward(self, images: Tensor) -> Tensor:
        return images.rot90(int(torch.randint(4, ())), (-2, -1))


PIPELINES: dict[str, Build] = {
    "one": lambda: K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5),
    "AugmentationSequential": lambda: K.AugmentationSequential(*steps()),
    "ImageSequential": lambda: K.ImageSequential(*steps()),
    "nested": lambda: K.AugmentationSequential(K.ImageSequential(*steps()[:3]), *steps()[3:]),
    "nn.Sequential": lambda: nn.Sequential(*steps()),
    "nn.Sequential inside": lambda: K.ImageSequential(nn.Sequential(*steps()[:3]), *steps()[3:]),
    "random_apply": lambda: K.ImageSequential(*steps()[1:], random_apply=3),
    "sizes": lambda: K.AugmentationSequential(
        K.Resize((18, 18)), K.RandomCrop((12, 12), padding=2), K.RandomErasing(p=0.5)
    ),
    "affine": lambda: K.AugmentationSequential(K.RandomAffine(20.0), K.RandomPosterize(3, p=0.5)),
    "ignored": lambda: K.ImageSequential(Turned(), *steps()),
    "nothing": lambda: K.ImageSequential(K.Normalize(torch.zeros(3), torch.ones(3))),
}  # fmt: skip


@pytest.mark.parametrize("apply", ["kornia", "fused"])
@pytest.mark.parametrize("name", PIPELINES)
def test_drawing_alone_draws_what_a_call_does(name: str, apply: Any, smooth: Images) -> None:
    images = smooth(6, 20, 20)
    recorder = KorniaRecorder(PIPELINES[name](), apply=apply, ignore=[Turned])
    for seed in range(3):
        torch.manual_seed(seed)
        called, state = recorder(images)[1], torch.get_rng_state()
        torch.manual_seed(seed)
        drawn = recorder.draw(images)
        assert drawn.keys() == called.keys()
        assert all(torch.equal(drawn[entry], called[entry]) for entry in called)
        assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("apply", ["kornia", "fused"])
@pytest.mark.parametrize("own", [(), ("flip", "blur"), ("color", "crop")], ids=str)
@pytest.mark.parametrize("container", [K.AugmentationSequential, nn.Sequential])
def test_partners(container: Any, own: Sequence[str], apply: Any, smooth: Images) -> None:
    images = smooth(8, 20, 20)[::2].repeat_interleave(2, dim=0)  # partners hold one picture
    recorder = KorniaRecorder(container(*steps()), apply=apply)
    partners = Partners(recorder, own)
    torch.manual_seed(1)
    expected, recorded = recorder(images)
    torch.manual_seed(1)
    views, record = partners(images)
    assert torch.equal(views[0::2], expected[0::2])
    assert torch.equal(views[0::2], views[1::2]) == (not own)
    kept = {name for name in record if name.split("_")[0] in own}
    for name, entry in record.items():
        assert torch.equal(entry[0::2], recorded[name][0::2])
        if name in kept:
            assert torch.equal(entry, recorded[name])
        else:
            assert torch.equal(entry[0::2], entry[1::2])
            assert name in partners.shared
    assert torch.equal(recorder.replay(images, record), views)


@pytest.mark.parametrize("group", [3, 4, 12])
def test_groups_of_more(group: int, smooth: Images) -> None:
    images, recorder = smooth(12, 20, 20), KorniaRecorder(K.AugmentationSequential(*steps()))
    torch.manual_seed(1)
    recorded = recorder(images)[1]
    torch.manual_seed(1)
    views, record = Partners(recorder, own=["flip"], group=group)(images)
    for name, entry in record.items():
        first = recorded[name][::group].repeat_interleave(group, dim=0)
        assert torch.equal(entry, recorded[name] if name == "flip" else first)
    assert torch.equal(recorder.replay(images, record), views)


def test_they_make_several_views(smooth: Images) -> None:
    recorder = KorniaRecorder(K.AugmentationSequential(*steps()))
    batch = MultiViewRecorder(Partners(recorder))(smooth(4, 20, 20))
    views, records = split_views(batch, recorder.layout)
    assert [tuple(view.shape) for view in views] == [(4, 3, 16, 16)] * 2
    assert not torch.equal(records[0]["crop"], records[1]["crop"])
    assert all(torch.equal(r["color_order"][0::2], r["color_order"][1::2]) for r in records)


def test_what_does_not_fit_is_refused(smooth: Images) -> None:
    recorder = KorniaRecorder(K.RandomHorizontalFlip())
    for own in (["flip", "blur"], "flip"):
        with pytest.raises(
            PipelineError, match=r"from the record, \['flip'\], found \['(blur|flip)'\]"
        ):
            Partners(recorder, own)
    with pytest.raises(ImageError, match="number of images that is even, found 3"):
        Partners(recorder, ())(smooth(3, 8, 8))
    with pytest.raises(ImageError, match="that is a multiple of 4, found 6"):
        Partners(recorder, (), group=4)(smooth(6, 8, 8))
    for group in (1, True, 2.5):
        with pytest.raises(PipelineError, match="group expected a whole number of at least 2"):
            Partners(recorder, (), group=group)  # type: ignore[arg-type]
    with pytest.raises(ImageError, match=r"expected a tensor of images \(B, C, H, W\)"):
        Partners(recorder, ())(torch.zeros(4, 8))
    without: Any = MultiViewRecorder(recorder)
    with pytest.raises(PipelineError, match="can replay, found MultiViewRecorder"):
        Partners(without)
    affine = Partners(KorniaRecorder(K.RandomAffine(20.0, (0.1, 0.1))), ())
    with pytest.raises(PipelineError, match="RandomAffine"):
        affine(smooth(4, 8, 8))
