"""Transforms of a user's own in stable-pretraining, and those that are not known."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch

pytest.importorskip("stable_pretraining")

from PIL import ImageFilter
from stable_pretraining.data import transforms as T  # noqa: N812
from stable_pretraining_modules import Pictures, pipeline, two_views
from stable_pretraining_term import recorded
from torchvision.transforms import v2

from augself_loss import BinaryEncoder, BlurEncoder
from augself_loss.adapters.stable_pretraining import StablePretrainingRecorder
from augself_loss.adapters.stable_pretraining.recorder import views_of
from augself_loss.errors import PipelineError, RecordError

pytestmark = pytest.mark.host

PICTURE = Pictures()[0][0]


class Haze(T.Transform):  # type: ignore[misc]
    """A user's own transform."""

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        sample["haze"] = float(torch.rand(()))
        sample["image"] = sample["image"].filter(ImageFilter.BoxBlur(sample["haze"]))
        return sample


def apply_haze(haze: Haze, sample: dict[str, Any]) -> tuple[Any, tuple[float, ...]]:
    sample = haze(sample)
    return sample, (sample["haze"],)


def soft(image: Any) -> Any:
    return image.filter(ImageFilter.GaussianBlur(1.0))


def apply_soft(blur: v2.Lambda, image: Any) -> tuple[Any, tuple[float, ...]]:
    return blur(image), (1.0,)


def test_a_transform_of_ones_own_is_registered_or_ignored() -> None:
    registered = recorded(Haze(), register={Haze: (BlurEncoder((0.0, 1.0)), apply_haze)})
    torch.manual_seed(0)
    view = views_of(registered({"image": PICTURE}))[0]
    assert view["augself"][:-1].view(torch.float32).tolist() == [pytest.approx(view["haze"])]
    blur = v2.Lambda(soft)
    on_picture = recorded(T.WrapTorchTransform(blur), register={blur: (BlurEncoder(), apply_soft)})
    assert views_of(on_picture({"image": PICTURE}))[0]["augself"][0].view(torch.float32) == 1.0
    ignored = recorded(T.Compose(T.RandomHorizontalFlip(), Haze()), ignore=[Haze])
    assert list(ignored.layout) == ["flip"]
    assert "grayscale" in recorded(T.RandomHorizontalFlip(), types=["grayscale"]).layout


class OwnFlip(T.RandomHorizontalFlip):  # type: ignore[misc]
    """Bears another name, and does who knows what."""


class Negative(v2.Transform):  # type: ignore[misc]
    """A user's own transform of torchvision's kind, read by an encoder of their own."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"applied": float(torch.rand(()) < 0.5)}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return v2.functional.invert(inpt) if params["applied"] else inpt


class NegativeEncoder(BinaryEncoder):
    name = "negative"
    columns = ("negative",)
    torchvision: ClassVar = {"Negative": lambda step: {"negative": (step.params["applied"],)}}


def test_an_encoder_of_ones_own_reads_torchvision_s_kind() -> None:
    recorder = recorded(Negative(), encoders=[NegativeEncoder()])
    seen = set()
    for seed in range(6):
        torch.manual_seed(seed)
        for view in views_of(recorder({"image": PICTURE})):
            (ran,) = view["augself"][:-1].view(torch.float32).tolist()
            expected = v2.functional.invert(PICTURE) if ran else PICTURE
            assert view["image"].tobytes() == expected.tobytes()
            seen.add(ran)
    assert seen == {0.0, 1.0}


def test_pipelines_that_were_exchanged_are_refused() -> None:
    views = two_views()
    recorder = StablePretrainingRecorder(T.Compose(T.RGB(), views))
    recorder({"image": PICTURE})
    views.transforms[0] = T.RGB()
    with pytest.raises(PipelineError, match="'MultiViewTransform' expected the steps"):
        recorder({"image": PICTURE})


UNKNOWN = {
    "OwnFlip": OwnFlip(),
    "Haze": Haze(),
    "GaussianNoise": T.GaussianNoise(),
    "AdditiveGaussian": T.AdditiveGaussian(0.1),
    "RandomChannelPermutation": T.RandomChannelPermutation(),
    "PatchMasking": T.PatchMasking(),
    "Lambda": T.Lambda(lambda sample: sample["image"]),
    "Conditional": T.Conditional(T.RandomHorizontalFlip(), "label"),
    "RandomErasing": T.Compose(T.RandomErasing(), T.RandomErasing()),
    "MultiViewTransform": T.MultiViewTransform([T.RGB(), T.RGB()]),
    "RandomPhotometricDistort": v2.RandomPhotometricDistort(),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_is_not_known_is_refused_by_name(name: str) -> None:
    with pytest.raises(PipelineError, match=name):
        recorded(T.Compose(T.RandomHorizontalFlip(), UNKNOWN[name]))


def test_other_pictures_than_the_forward_functions_see_are_refused() -> None:
    with pytest.raises(PipelineError, match="'image' to 'second'"):
        recorded(T.RandomHorizontalFlip(target="second"))


@pytest.mark.parametrize(
    ("transform", "match"),
    [
        (pipeline(), "one transform that makes views.*RandomResizedCrop"),
        (T.Compose(T.RGB(), T.ToImage()), "found 'Compose' without one"),
        (T.MultiViewTransform([pipeline()]), "at least two views"),
        (T.MultiViewTransform([T.RGB(), T.RGB()]), "random augmentations, found none"),
        (T.RoundRobinMultiViewTransform([pipeline()] * 2), "RoundRobinMultiViewTransform"),
        (T.Compose(T.RandomGrayscale(), two_views()), "RandomGrayscale"),
    ],
)
def test_what_makes_no_views_is_refused(transform: Any, match: str) -> None:
    with pytest.raises(PipelineError, match=match):
        StablePretrainingRecorder(transform)


def test_a_batch_without_records_is_refused() -> None:
    with pytest.raises(RecordError, match="gpu_transform"):
        views_of({"views": [{"image": torch.zeros(2, 3, 4, 4)}], "batch_idx": 0})
