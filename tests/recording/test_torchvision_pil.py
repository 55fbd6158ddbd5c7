"""Blur and solarization of a user's own, known by what they call in PIL."""

from __future__ import annotations

import pickle
import random
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import PIL
import PIL.ImageFilter
import PIL.ImageOps
import public_scripts as public
import pytest
import torch
from numpy.random import rand
from PIL import Image, ImageFilter, ImageOps
from PIL.ImageFilter import GaussianBlur as Filter
from PIL.ImageOps import solarize
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss import BlurEncoder
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.pil import encoder_of

IMAGE = Image.fromarray(np.random.RandomState(0).randint(0, 256, (20, 24, 3), dtype=np.uint8))
HALF = 128 / 255


class Base:
    """Has the attributes that it is given."""

    def __init__(self, **held: Any) -> None:
        vars(self).update(held)


class ImportedNames(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(Filter(rand() + 0.5)) if rand() < 0.5 else image


class ByModule(Base):
    def __call__(self, image: Any, threshold: float = 200) -> Any:
        return PIL.ImageOps.solarize(image, threshold) if random.random() > 0.7 else image


class FromAttribute(Base):
    def __call__(self, image: Any) -> Any:
        return solarize(image, threshold=int(self.threshold))


class Drawn(Base):
    def __call__(self, image: Any) -> Any:
        return ImageOps.solarize(image, int(np.random.uniform(*self.thresholds)))


class Constant(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(PIL.ImageFilter.GaussianBlur())


class AsClass(Base):
    def __call__(self, image: Any) -> Any:
        return image.filter(ImageFilter.GaussianBlur)


class ByTorch(Base):
    def __call__(self, image: Any) -> Any:
        if torch.rand(1).item() > 0.5:
            return image
        return image.filter(ImageFilter.GaussianBlur(radius=float(torch.rand(1)) * 2))


class ClassAttribute(Base):
    sigma = (0.5, 1.5)

    def __call__(self, image: Any) -> Any:
        low, high = self.sigma
        return image.filter(ImageFilter.GaussianBlur(max(low, min(high, random.random() * 3))))


class Inherited(public.DinoBlur):
    pass


KNOWN: dict[str, tuple[Any, str, Any]] = {
    "SimSiam": (public.GaussianBlur(), "blur", (0.1, 2.0)),
    "MoCo, a list": (public.GaussianBlur([0.2, 3.0]), "blur", (0.2, 3.0)),
    "DINO": (public.DinoBlur(), "blur", (0.1, 2.0)),
    "DINO, always": (public.DinoBlur(1.0, radius_max=3), "blur", (0.1, 3.0)),
    "Barlow Twins": (public.BarlowBlur(0.3), "blur", (0.1, 2.0)),
    "VICReg": (public.VicregBlur(0.3), "blur", (0.1, 2.0)),
    "SwAV": (public.PILRandomGaussianBlur(), "blur", (0.1, 2.0)),
    "MoCo v3": (public.Solarize(), "solarize", (HALF, HALF)),
    "solarization": (public.Solarization(0.5), "solarize", (HALF, HALF)),
    "imported names": (ImportedNames(), "blur", (0.5, 1.5)),
    "by module": (ByModule(), "solarize", (200 / 255, 200 / 255)),
    "from attribute": (FromAttribute(threshold=30.0), "solarize", (30 / 255, 30 / 255)),
    "drawn threshold": (Drawn(thresholds=(0, 256)), "solarize", (0.0, 1.0)),
    "constant": (Constant(), "blur", (2.0, 2.0)),
    "class as filter": (AsClass(), "blur", (2.0, 2.0)),
    "torch": (ByTorch(), "blur", (0.0, 2.0)),
    "class attribute": (ClassAttribute(), "blur", (0.5, 1.5)),
    "inherited": (Inherited(), "blur", (0.1, 2.0)),
}


def seeded(seed: int, run: Callable[[Any], Any], image: Any = IMAGE) -> tuple[Any, list[float]]:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    made = run(image)
    return made, [random.random(), np.random.rand(), float(torch.rand(1))]


def again(record: Any) -> Any:
    """Apply what a record says."""
    if "blur" in record:
        sigma = float(record["blur"])
        return IMAGE.filter(ImageFilter.GaussianBlur(sigma)) if sigma else IMAGE
    threshold = float(record["solarize"])
    return IMAGE if threshold == 1 else ImageOps.solarize(IMAGE, round(255 * threshold))


@pytest.mark.parametrize("name", KNOWN)
def test_what_pil_is_given_is_recorded(name: str) -> None:
    transform, entry, limits = KNOWN[name]
    recorder = TorchvisionRecorder(transform)
    (encoder,) = recorder.encoders
    assert encoder.name == entry
    assert encoder.ranges[0] == pytest.approx(limits, abs=1e-6)
    values = set()
    for seed in range(30):
        (view, record), following = seeded(seed, recorder)
        expected, expected_following = seeded(seed, transform)
        assert following == expected_following
        assert view.tobytes() == expected.tobytes()
        assert np.abs(np.asarray(again(record), int) - np.asarray(view, int)).max() <= 1
        values.add(float(record[entry]))
        encoder.check({entry: record[entry][None]})
    assert (view is IMAGE) == (values == {encoder.identity[0]}) or len(values) > 1
    assert len(values) > 1 or limits[0] == limits[1]


@pytest.mark.parametrize("name", KNOWN)
def test_random_states_stay_as_they_are_when_it_is_made(name: str) -> None:
    states = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
    encoder_of(KNOWN[name][0])
    assert states == [
        random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "never", [public.DinoBlur(p=0.0), public.Solarization(0.0), FromAttribute(threshold=256)]
)
def test_what_never_acts_is_not_recorded_and_followed(never: Any) -> None:
    recorder = TorchvisionRecorder(v1.Compose([v1.RandomCrop(16), never]))
    assert list(recorder.layout) == ["crop", "flip"]
    recorder(IMAGE)
    for name in ("p", "prob", "threshold"):
        if hasattr(never, name):
            before = getattr(never, name)
            setattr(never, name, 0.9)
    with pytest.raises(PipelineError, match="its settings changed"):
        recorder(IMAGE)
    for name in vars(never):
        setattr(never, name, before)


@pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])
def test_in_a_pipeline_it_is_one_step_of_many(api: Any) -> None:
    def pipeline() -> Any:
        blur = api.RandomApply([public.GaussianBlur([0.1, 2.0])], p=0.5)
        return api.Compose([api.RandomHorizontalFlip(), blur, public.Solarization(0.5)])

    recorder, plain = TorchvisionRecorder(pipeline()), pipeline()
    copied = pickle.loads(pickle.dumps(recorder))
    blurred = set()
    for seed in range(20):
        (view, record), following = seeded(seed, recorder)
        assert view.tobytes() == seeded(seed, plain)[0].tobytes()
        assert following == seeded(seed, plain)[1]
        assert float(seeded(seed, copied)[0][1]["blur"]) == float(record["blur"])
        blurred.add(float(record["blur"]) > 0)
    assert blurred == {True, False}
    with pytest.raises(PipelineError, match="both set 'blur'"):
        TorchvisionRecorder(api.Compose([public.GaussianBlur(), public.DinoBlur()]))


def test_an_own_encoder_s_range_holds() -> None:
    blur = public.GaussianBlur([0.1, 2.0])
    recorder = TorchvisionRecorder(blur, encoders=[BlurEncoder((0.0, 5.0))])
    assert recorder.encoders[0].ranges == ((0.0, 5.0),)
    blur.sigma = [4.0, 5.0]
    assert recorder(IMAGE)[1]["blur"] >= 4
    plain = TorchvisionRecorder(public.GaussianBlur([0.1, 2.0]))
    plain.transform.transform.sigma = [4.0, 5.0]
    with pytest.raises(PipelineError, match="expected sigma in"):
        plain(IMAGE)


def test_pil_is_not_patched_and_threads_do_not_meet() -> None:
    kept = (ImageFilter.GaussianBlur, ImageOps.solarize, Image.Image.filter)
    recorder = TorchvisionRecorder(public.GaussianBlur())
    seen: list[Any] = []

    def work() -> None:
        for _ in range(50):
            view, record = recorder(IMAGE)
            seen.append((view.tobytes(), float(record["blur"])))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert kept == (ImageFilter.GaussianBlur, ImageOps.solarize, Image.Image.filter)
    assert len({sigma for _, sigma in seen}) > 150
    for pixels, sigma in seen[::10]:
        close = np.asarray(IMAGE.filter(ImageFilter.GaussianBlur(sigma)), int)
        found = np.frombuffer(pixels, np.uint8).reshape(close.shape)
        assert np.abs(found - close).max() <= 1
