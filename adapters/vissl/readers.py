"""How VISSL's own PIL transforms are read: what each of them drew, as record entries."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import SimpleNamespace
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
from augself_loss.encoders.base import Columns, Step
from augself_loss.encoders.solarize import fraction_of_white
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.notes import Note, note
from augself_loss.recording.plan import Leaf, Node
from augself_loss.recording.presets import acts_as
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

FIXED = (ImgPil2LabTensor, ImgPilResizeLargerSide, ImgPilToRawTensor, ImgToTensor,
         MNISTImgPil2RGB)  # fmt: skip
"""VISSL's transforms without randomness."""


class _Turned:
    """Runs VISSL's rotation, which returns a label besides the view, and notes its turn."""

    def __init__(self, rotate: ImgRotatePil) -> None:
        self.rotate = rotate

    def __call__(self, image: Any) -> tuple[Any, int]:
        view, label = self.rotate(image)
        step = Step("ImgRotatePil", {}, {}, Wiring.size_of(image))
        note(step, {"rotation": (float(label * 4 // self.rotate.num_angles),)})
        return view, label


def _apply_blur(blur: Any, image: Any) -> tuple[Any, Columns | None]:
    radii: list[float] = []

    def filtered(kernel: Any) -> Any:
        radii.append(float(kernel.radius))  # PIL's "radius" is the Gaussian's standard deviation
        return image.filter(kernel)

    view = blur(SimpleNamespace(filter=filtered))
    return (view, tuple(radii)) if radii else (image, None)


def _drawing(encoder: Callable[[Range], Encoder], column: Callable[[float], float]) -> Reading:
    """Read a transform that draws a value between two and applies it."""

    def apply(transform: Any, image: Any) -> tuple[Any, Columns | None]:
        drawn: list[float] = []

        def noting(image: Any, value: Any) -> Any:
            drawn.append(column(value))
            return transform.root_transform(image, value)

        copied = copy.copy(transform)
        copied.root_transform = noting
        return copied(image), tuple(drawn)

    return Reading(lambda t: encoder((column(t.min_v), column(t.max_v))), apply)


class _Wiring(Wiring):
    """Knows VISSL's own random transforms."""

    readings = {
        ImgPilGaussianBlur: Reading(
            lambda t: BlurEncoder((t.radius_min, t.radius_max)), _apply_blur
        ),
        RandomSolarizeTransform: _drawing(SolarizeEncoder, fraction_of_white),
        RandomPosterizeTransform: _drawing(PosterizeEncoder, float),
        RandomSharpnessTransform: _drawing(SharpnessEncoder, float),
        AutoContrastTransform: Reading(
            lambda _: AutocontrastEncoder(), lambda t, image: (t(image), (1.0,))
        ),
    }

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire a rotation by quarter turns too; one by other angles is refused as unknown."""
        turns = acts_as(transform, lambda cls: cls is ImgRotatePil) is not None
        if turns and 4 % transform.num_angles == 0:
            return _Turned(transform), Leaf("ImgRotatePil", RotationEncoder())
        return super().wire_known(transform)


class ViewRecorder(TorchvisionRecorder):
    """Settles the record of a view that VISSL's stages have made."""

    wiring = _Wiring

    def noted(self, image: Iterator[Any], *_: Any) -> tuple[Any, Sequence[Note]]:
        """Take the next of the views: its image, and the notes that it carries."""
        view = next(image)
        return view.image, view.notes


def recorder_of(transforms: Iterable[Any], ignore: tuple[type, ...]) -> ViewRecorder:
    """Build a recorder that reads torchvision's transforms and VISSL's own.

    Args:
        transforms: one view's transforms, in order.
        ignore: classes whose randomness shall not be recorded.

    Raises:
        PipelineError: a random transform that is not known, by name.
    """
    pipeline = torchvision_transforms.Compose(list(transforms))
    try:
        return ViewRecorder(pipeline, ignore=[*ignore, *FIXED], wrappers=WRAPPERS)
    except PipelineError as error:
        raise PipelineError(f"{error} In a VISSL config, list it in AUGSELF.IGNORE.") from error
