"""How VISSL's own PIL transforms are read: what each of them drew, as record entries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from torchvision import transforms as torchvision_transforms
from vissl.data.ssl_transforms.img_pil_color_distortion import ImgPilColorDistortion
from vissl.data.ssl_transforms.img_pil_gaussian_blur import ImgPilGaussianBlur
from vissl.data.ssl_transforms.img_pil_random_color_jitter import ImgPilRandomColorJitter
from vissl.data.ssl_transforms.img_pil_random_photometric import ImgPilRandomPhotometric
from vissl.data.ssl_transforms.img_pil_random_solarize import ImgPilRandomSolarize
from vissl.data.ssl_transforms.img_pil_resize_larger_side import ImgPilResizeLargerSide
from vissl.data.ssl_transforms.img_pil_to_lab_tensor import ImgPil2LabTensor
from vissl.data.ssl_transforms.img_pil_to_raw_tensor import ImgPilToRawTensor
from vissl.data.ssl_transforms.img_pil_to_tensor import ImgToTensor
from vissl.data.ssl_transforms.img_rotate_pil import ImgRotatePil
from vissl.data.ssl_transforms.mnist_img_pil_to_rgb_mode import MNISTImgPil2RGB
from vissl.data.ssl_transforms.pil_photometric_transforms_lib import (
    AutoContrastTransform,
    RandomPosterizeTransform,
    RandomSharpnessTransform,
    RandomSolarizeTransform,
)

from augself_loss.encoders import (
    AutocontrastEncoder,
    BlurEncoder,
    Encoder,
    PosterizeEncoder,
    RotationEncoder,
    SharpnessEncoder,
    SolarizeEncoder,
)
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision_taps import Apply

WRAPPERS = {
    ImgPilColorDistortion: "transforms",
    ImgPilRandomColorJitter: "rnd_color_jitter",
    ImgPilRandomPhotometric: "transform",
    ImgPilRandomSolarize: "transform",
}
"""VISSL's classes that only run a torchvision pipeline → the attribute that holds it."""

FIXED = (
    ImgPil2LabTensor,
    ImgPilResizeLargerSide,
    ImgPilToRawTensor,
    ImgToTensor,
    MNISTImgPil2RGB,
)
"""VISSL's transforms without randomness."""


def recorder_of(transforms: Iterable[Any], ignore: tuple[type, ...]) -> TorchvisionRecorder:
    """Build a recorder that reads torchvision's transforms and VISSL's own.

    Args:
        transforms: one view's transforms, in order.
        ignore: classes whose randomness shall not be recorded.

    Raises:
        PipelineError: a random transform that is not known, by name.
    """
    pipeline = torchvision_transforms.Compose(list(transforms))
    known: dict[Any, tuple[Encoder, Apply]] = {}
    still = []
    for step in _steps(pipeline):
        if isinstance(step, ImgPilGaussianBlur) and step.prob <= 0:
            still.append(step)
        elif (reader := _reader(step)) is not None:
            known[step] = reader
    try:
        return TorchvisionRecorder(
            pipeline, register=known, ignore=[*ignore, *FIXED], wrappers=WRAPPERS, still=still
        )
    except PipelineError as error:
        raise PipelineError(
            f"{error} In a VISSL config: AUGSELF.IGNORE lists names of transforms."
        ) from error


def quarter_turns(rotate: ImgRotatePil, label: int) -> float:
    """Read the label of VISSL's rotation as quarter turns."""
    return float(label * 4 // rotate.num_angles)


def _steps(transform: Any) -> Iterator[Any]:
    """List a pipeline's transforms, the containers and wrappers among them."""
    yield transform
    inside = WRAPPERS.get(type(transform))
    held = getattr(transform, "transforms", ()) if inside is None else (getattr(transform, inside),)
    for child in held:
        yield from _steps(child)


class _Filtered:
    """Stands for an image while VISSL's blur draws: keeps the kernel that it is filtered by."""

    def __init__(self, image: Any) -> None:
        self.image = image

    def filter(self, kernel: Any) -> Any:
        self.kernel = kernel
        return self.image.filter(kernel)


def _apply_blur(blur: Any, image: Any) -> tuple[Any, Columns | None]:
    filtered = _Filtered(image)
    view = blur(filtered)
    # PIL's "radius" is the standard deviation of the Gaussian.
    return (image, None) if view is filtered else (view, (float(filtered.kernel.radius),))


def _drawn(transform: Any, image: Any) -> tuple[Any, float]:
    """Run a transform that applies a drawn value, and return the value too."""
    drawn: list[float] = []

    def note(image: Any, value: Any) -> Any:
        drawn.append(float(value))
        return transform.root_transform(image, value)

    noting = copy.copy(transform)
    noting.root_transform = note
    return noting(image), drawn[0]


def _apply_solarize(transform: Any, image: Any) -> tuple[Any, Columns | None]:
    view, threshold = _drawn(transform, image)
    return view, (min(threshold / 255, 1.0),)  # 256 solarizes nothing, as 1 says


def _apply_posterize(transform: Any, image: Any) -> tuple[Any, Columns | None]:
    view, bits = _drawn(transform, image)
    return view, (bits,)


def _apply_sharpness(transform: Any, image: Any) -> tuple[Any, Columns | None]:
    view, factor = _drawn(transform, image)
    return view, (factor,)


def _apply_autocontrast(transform: Callable[[Any], Any], image: Any) -> tuple[Any, Columns | None]:
    return transform(image), (1.0,)


def _not_run(_transform: Any, _image: Any) -> tuple[Any, Columns | None]:
    raise AssertionError("VISSL's rotation returns a label too; its own wrapper runs it.")


READERS: tuple[tuple[type, Callable[[Any], Encoder], Apply], ...] = (
    (ImgPilGaussianBlur, lambda t: BlurEncoder((t.radius_min, t.radius_max)), _apply_blur),
    (
        RandomSolarizeTransform,
        lambda t: SolarizeEncoder((t.min_v / 255, min(t.max_v / 255, 1.0))),
        _apply_solarize,
    ),
    (RandomPosterizeTransform, lambda t: PosterizeEncoder(_limits(t)), _apply_posterize),
    (RandomSharpnessTransform, lambda t: SharpnessEncoder(_limits(t)), _apply_sharpness),
    (AutoContrastTransform, lambda _: AutocontrastEncoder(), _apply_autocontrast),
)
"""Per random transform of VISSL's: its encoder, and how it is run and read."""


def _limits(transform: Any) -> tuple[float, float]:
    return float(transform.min_v), float(transform.max_v)


def _reader(step: Any) -> tuple[Encoder, Apply] | None:
    """Say how one of VISSL's own random transforms is read."""
    if isinstance(step, ImgRotatePil) and 4 % step.num_angles == 0:
        return RotationEncoder(), _not_run
    for kind, encoder, apply in READERS:
        if isinstance(step, kind):
            return encoder(step), apply
    return None
