"""How VISSL's own PIL transforms are read: what each of them drew, as record entries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
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
    PosterizeEncoder,
    RotationEncoder,
    SharpnessEncoder,
    SolarizeEncoder,
)
from augself_loss.encoders.base import Columns
from augself_loss.errors import PipelineError
from augself_loss.recording.reported import Apply
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.wiring import Wiring
from augself_loss.recording.walk import Reading

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


def quarter_turns(rotate: ImgRotatePil, label: int) -> float:
    """Read the label of VISSL's rotation as quarter turns."""
    return float(label * 4 // rotate.num_angles)


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


def _drawing(column: Callable[[float], float] = float) -> Apply:
    """Read a transform that applies a drawn value."""

    def apply(transform: Any, image: Any) -> tuple[Any, Columns | None]:
        view, value = _drawn(transform, image)
        return view, (column(value),)

    return apply


def _not_run(_transform: Any, _image: Any) -> tuple[Any, Columns | None]:
    raise AssertionError("VISSL's rotation returns a label too; its own wrapper runs it.")


def _limits(transform: Any) -> tuple[float, float]:
    return float(transform.min_v), float(transform.max_v)


class _Wiring(Wiring):
    """Knows VISSL's own random transforms."""

    readings = {
        ImgRotatePil: Reading(lambda _: RotationEncoder(), _not_run),
        ImgPilGaussianBlur: Reading(
            lambda t: BlurEncoder((t.radius_min, t.radius_max)) if t.prob > 0 else None, _apply_blur
        ),
        RandomSolarizeTransform: Reading(
            lambda t: SolarizeEncoder((t.min_v / 255, min(t.max_v / 255, 1.0))),
            _drawing(lambda threshold: min(threshold / 255, 1.0)),  # 256 solarizes nothing, as 1
        ),
        RandomPosterizeTransform: Reading(lambda t: PosterizeEncoder(_limits(t)), _drawing()),
        RandomSharpnessTransform: Reading(lambda t: SharpnessEncoder(_limits(t)), _drawing()),
        AutoContrastTransform: Reading(
            lambda _: AutocontrastEncoder(), lambda t, image: (t(image), (1.0,))
        ),
    }

    def listed(self, transform: Any) -> type | None:
        """A rotation by other angles than quarter turns is refused like any that is unknown."""
        kind = super().listed(transform)
        return None if kind is ImgRotatePil and 4 % transform.num_angles else kind


class _View(TorchvisionRecorder):
    wiring = _Wiring


def recorder_of(transforms: Iterable[Any], ignore: tuple[type, ...]) -> TorchvisionRecorder:
    """Build a recorder that reads torchvision's transforms and VISSL's own.

    Args:
        transforms: one view's transforms, in order.
        ignore: classes whose randomness shall not be recorded.

    Raises:
        PipelineError: a random transform that is not known, by name.
    """
    pipeline = torchvision_transforms.Compose(list(transforms))
    try:
        return _View(pipeline, ignore=[*ignore, *FIXED], wrappers=WRAPPERS)
    except PipelineError as error:
        raise PipelineError(
            f"{error} In a VISSL config: AUGSELF.IGNORE lists names of transforms."
        ) from error
