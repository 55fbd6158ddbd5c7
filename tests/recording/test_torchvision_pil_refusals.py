"""What blurs or solarizes by PIL is refused where it does more, or its range cannot be told."""

from __future__ import annotations

import functools
import random
from typing import Any

import numpy as np
import public_scripts as public
import pytest
from PIL import Image, ImageFilter, ImageOps
from PIL.ImageOps import solarize
from torch import nn
from torchvision import transforms as v1

from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder

IMAGE = Image.fromarray(np.random.RandomState(0).randint(0, 256, (20, 24, 3), dtype=np.uint8))


class Base:
    """Has the attributes that it is given."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


class Twice(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(1)).filter(ImageFilter.GaussianBlur(2))


class Both(Base):
    def __call__(self, image: Any) -> Any:
        if random.random() < 0.5:
            return ImageOps.solarize(image)
        return image.filter(ImageFilter.GaussianBlur(1))


class AnotherFilter(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.BoxBlur(1) if self.p else ImageFilter.GaussianBlur(1))


class Converted(Base):
    def __call__(self, image: Any) -> Any:
        return image.convert("RGB").filter(ImageFilter.GaussianBlur(1))


class Written(Base):
    def __call__(self, image: Any) -> Any:
        self.p = random.random()
        return image.filter(ImageFilter.GaussianBlur(self.p))


class OwnGenerator(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(self.random.uniform(0, 2)))


class OwnMethod(Base):
    def radius(self) -> float:
        return random.uniform(0, 2)

    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(self.radius()))


class OwnProperty(Base):
    @property
    def radius(self) -> float:
        return random.uniform(0, 2)

    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(self.radius))


class OtherDraws(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(random.gauss(1, 0.1)))


class ManyDraws(Base):
    def __call__(self, image: Any) -> Any:
        sigma = sum(random.random() for _ in range(2))
        return image.filter(ImageFilter.GaussianBlur(sigma))


class FiveDraws(Base):
    def __call__(self, image: Any) -> Any:
        one = random.random() + random.random() + random.random()
        return image.filter(ImageFilter.GaussianBlur(one + random.random() + random.random()))


class HeldFilter(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(self.blur) if self.p else image.filter(ImageFilter.GaussianBlur(1))


class TwoRadii(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur((1, 2)))


class Negative(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(self.p - 3))


class Imports(Base):
    def __call__(self, image: Any) -> Any:
        from PIL import ImageFilter  # noqa: PLC0415

        return image.filter(ImageFilter.GaussianBlur(1))


class Module(nn.Module):
    def forward(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(1))


class Loops(Base):
    def __call__(self, image: Any) -> Any:
        while random.random() < self.p:
            pass
        return image.filter(ImageFilter.GaussianBlur(1))


class NoPil(Base):
    def __call__(self, image: Any) -> Any:
        return image


class Fixed:
    __slots__ = ()

    def __call__(self, image: Any) -> Any:
        return ImageOps.solarize(image)


def closed(_sigma: float) -> Any:
    class Closed(Base):
        def __call__(self, image: Any) -> Any:
            return image.filter(ImageFilter.GaussianBlur(_sigma))

    return Closed()


class Decorated(Base):
    @functools.lru_cache  # noqa: B019
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur(1))


UNKNOWN = [
    Twice(), Both(), AnotherFilter(p=1), AnotherFilter(p=0), Converted(), Written(p=1),
    OwnGenerator(random=random.Random(0)), OwnMethod(), OwnProperty(), OtherDraws(), ManyDraws(),
    FiveDraws(), HeldFilter(blur=ImageFilter.GaussianBlur(3), p=1), TwoRadii(), Negative(p=1),
    Imports(), Module(), Loops(p=0.9), NoPil(), Fixed(), closed(1.0), Decorated(),
    public.GaussianBlur(np.array([0.1, 2.0])), public.GaussianBlur("ab"),
]  # fmt: skip


@pytest.mark.parametrize("transform", UNKNOWN, ids=lambda t: type(t).__name__)
def test_what_cannot_be_told_is_refused_as_ever(transform: Any) -> None:
    held = getattr(transform, "random", random.Random(0)).getstate()
    name = type(transform).__name__
    with pytest.raises(PipelineError) as refused:
        TorchvisionRecorder(v1.Compose([v1.RandomCrop(8), transform]))
    for part in (f"it can record, found '{name}'", f"register={{{name}: ", f"ignore=[{name}]"):
        assert part in str(refused.value)
    assert getattr(transform, "random", random.Random(0)).getstate() == held
    TorchvisionRecorder(v1.Compose([v1.RandomCrop(8), transform]), ignore=[transform])


class Peak(Base):
    """Rises and falls with what it draws, so that its largest number is not at an end."""

    def __call__(self, image: Any) -> Any:
        u = random.random()
        return image.filter(ImageFilter.GaussianBlur(u * (1 - u) * (1 - u)))


def test_a_value_beyond_the_range_that_was_found_is_refused() -> None:
    recorder = TorchvisionRecorder(Peak())
    random.seed(0)
    with pytest.raises(PipelineError, match="'Peak' expected sigma in"):
        list(map(recorder, [IMAGE] * 50))


class ImportedName(Base):
    def __call__(self, image: Any) -> Any:
        return solarize(image, threshold=100)


def test_names_that_stand_for_something_else_later_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recorder = TorchvisionRecorder(ImportedName())
    recorder(IMAGE)
    monkeypatch.setitem(globals(), "solarize", ImageOps.posterize)
    with pytest.raises(PipelineError, match=r"its global solarize changed\. .*register="):
        recorder(IMAGE)


class Cropped(Image.Image):
    """An image that does other than PIL's."""

    def filter(self, _filter: Any) -> Any:
        return super().filter(_filter).crop((0, 0, 5, 5))


def test_what_pil_made_but_is_not_returned_is_refused() -> None:
    image = Cropped()
    vars(image).update(vars(IMAGE))
    with pytest.raises(PipelineError, match="found 1 such steps and another image"):
        TorchvisionRecorder(public.GaussianBlur())(image)
