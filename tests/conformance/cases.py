"""Which pipelines the vectors are drawn of: file → cases."""

from __future__ import annotations

from typing import Any, NamedTuple

from vectors import Json

WHOLE = 4 / 3
"""The aspect of the images: a crop of this ratio may be all of one."""
JITTER = (0.4, 0.4, 0.4, 0.1)
LOW = ((0.6, 0.6), (0.6, 0.6), (0.6, 0.6), (-0.1, -0.1))
HIGH = ((1.4, 1.4), (1.4, 1.4), (1.4, 1.4), (0.1, 0.1))
FACTORS = ("brightness", "contrast", "saturation", "hue")


class Case(NamedTuple):
    """A pipeline, what it is given, and how many vectors are drawn of it."""

    pipeline: list[Json]
    image: Json
    count: int


def step(transform: str, *more: Any, **settings: Any) -> Json:
    """Name a transform with its settings; ``more`` are the factors of a colour jitter."""
    return {
        "transform": transform,
        "settings": {**dict(zip(FACTORS, more, strict=False)), **settings},
    }


def case(
    *steps: Json,
    count: int = 3,
    size: tuple[int, int] = (48, 64),
    dtype: str = "float32",
    channels: int = 3,
) -> Case:
    image = {"height": size[0], "width": size[1], "channels": channels, "dtype": dtype}
    return Case(list(steps), image, count)


SQUARE = (48, 48)
CUT = (24, 32)
BILINEAR = 2
"""As torchvision counts it. Without antialiasing too, pixels say exactly where they come from."""
SHEAR = (-12.0, 12.0, -9.0, 9.0)

KORNIA = [
    case(step("RandomResizedCrop", size=CUT, scale=(0.1, 1.0)), count=4),
    case(step("RandomResizedCrop", size=CUT, scale=(1.0, 1.0), ratio=(WHOLE, WHOLE)), count=1),
    case(step("RandomResizedCrop", size=CUT, cropping_mode="resample"), count=2),
    case(step("RandomResizedCrop", size=CUT, align_corners=False), count=2),
    case(step("RandomCrop", size=CUT), count=2),
    case(step("RandomCrop", size=CUT, padding=(1, 2, 3, 4), padding_mode="reflect"), count=3),
    case(step("RandomCrop", size=(60, 70), pad_if_needed=True), count=2),
    case(step("CenterCrop", size=CUT), count=1),
    case(step("RandomHorizontalFlip", p=0.5)),
    case(step("RandomVerticalFlip", p=0.5)),
    case(step("RandomRotation90", times=(-3, 3), p=0.8), count=4, size=SQUARE),
    case(step("RandomRotation", degrees=(180.0, 180.0), p=0.5), count=2),
    case(step("RandomRotation", degrees=30.0, p=0.8)),
    case(step("RandomRotation", degrees=180.0, p=1.0)),
    case(step("ColorJitter", *JITTER, p=0.8), count=4),
    case(step("ColorJitter", *LOW, p=1.0), count=1),
    case(step("ColorJitter", *HIGH, p=0.5), count=2),
    case(step("ColorJitter", hue=0.5, p=1.0), count=2),
    case(step("ColorJiggle", *JITTER, p=0.8)),
    case(step("RandomBrightness", brightness=(0.6, 1.4), p=0.8)),
    case(step("RandomContrast", contrast=(0.6, 1.4), p=0.8)),
    case(step("RandomSaturation", saturation=(0.6, 1.4), p=0.8)),
    case(step("RandomHue", hue=(-0.1, 0.1), p=0.8)),
    case(step("RandomGrayscale", p=0.5)),
    case(step("RandomGaussianBlur", kernel_size=(5, 5), sigma=(0.1, 2.0), p=0.8)),
    case(step("RandomGaussianBlur", kernel_size=(5, 5), sigma=(2.0, 2.0), p=0.5), count=2),
    case(step("RandomSolarize", thresholds=(0.0, 1.0), additions=0.1, p=0.8)),
    case(step("RandomSolarize", thresholds=(0.0, 0.0), additions=0.0, p=0.5), count=2),
    case(step("RandomGamma", gamma=(0.5, 1.5), p=0.8)),
    case(step("RandomGamma", gamma=(0.5, 1.5), gain=(0.9, 1.1), p=0.8)),
    case(step("RandomSharpness", sharpness=(0.0, 2.0), p=0.8)),
    case(step("RandomPosterize", bits=(3, 8), p=0.8)),
    case(step("RandomPosterize", bits=(1, 1), p=0.5), count=2),
    case(step("RandomEqualize", p=0.5)),
    case(step("RandomInvert", p=0.5)),
    case(step("RandomAutoContrast", p=0.5)),
    case(step("RandomErasing", p=0.8)),
    case(step("RandomAffine", degrees=30.0, p=0.8)),
    case(step("RandomAffine", degrees=180.0, translate=(0.1, 0.2), scale=(0.7, 1.3, 0.8, 1.2),
              shear=SHEAR, p=1.0)),
    case(step("RandomPerspective", distortion_scale=0.4, p=0.8)),
    case(step("RandomHorizontalFlip"), step("RandomResizedCrop", size=CUT),
         step("RandomVerticalFlip")),
    case(step("RandomRotation90", times=(0, 3), p=1.0), step("RandomHorizontalFlip"),
         step("RandomResizedCrop", size=CUT), size=SQUARE),
    case(step("RandomHorizontalFlip"), step("RandomAffine", degrees=30.0, shear=SHEAR, p=1.0),
         step("RandomVerticalFlip")),
    case(step("RandomErasing", p=1.0), step("RandomHorizontalFlip"), step("RandomVerticalFlip")),
    case(step("RandomResizedCrop", size=CUT), step("RandomPerspective", p=1.0),
         step("RandomRotation", degrees=30.0, p=1.0), step("RandomHorizontalFlip")),
    case(step("RandomResizedCrop", size=CUT), step("RandomHorizontalFlip"),
         step("ColorJitter", *JITTER, p=0.8), step("RandomGrayscale", p=0.5),
         step("RandomGaussianBlur", kernel_size=(5, 5), sigma=(0.1, 2.0), p=0.5),
         step("RandomSolarize", thresholds=0.1, additions=0.1, p=0.2), count=4),
]  # fmt: skip


def torchvision(v2: bool) -> list[Case]:
    """List those that both of torchvision's interfaces have, and v2's own."""
    own = [case(step("RGB"), channels=1, count=1), case(step("RGB"), count=1)] if v2 else []
    return [
        case(step("RandomResizedCrop", size=CUT, scale=(0.1, 1.0), antialias=False)),
        case(step("RandomResizedCrop", size=CUT, scale=(1.0, 1.0), ratio=(WHOLE, WHOLE),
                  antialias=False), count=1),
        case(step("RandomCrop", size=CUT), count=2),
        case(step("RandomCrop", size=CUT, padding=(1, 2, 3, 4)), count=3),
        case(step("RandomCrop", size=(60, 70), pad_if_needed=True), count=2),
        case(step("CenterCrop", size=CUT), count=1),
        case(step("CenterCrop", size=(61, 70)), count=1),
        case(step("Pad", padding=(3, 1, 4, 2)), count=1),
        case(step("RandomHorizontalFlip", p=0.5), count=2),
        case(step("RandomVerticalFlip", p=0.5), count=2),
        case(step("RandomRotation", degrees=(90, 90), expand=True), count=1),
        case(step("RandomRotation", degrees=(180, 180)), count=1),
        case(step("RandomRotation", degrees=30, interpolation=BILINEAR)),
        case(step("RandomAffine", degrees=30, translate=(0.1, 0.2), scale=(0.8, 1.3), shear=SHEAR,
                  interpolation=BILINEAR)),
        case(step("RandomPerspective", distortion_scale=0.4, p=0.8)),
        case(step("ColorJitter", *JITTER)),
        case(step("ColorJitter", *LOW), count=1),
        case(step("ColorJitter", *HIGH), count=1),
        case(step("ColorJitter", *JITTER), channels=1, count=1),
        case(step("RandomGrayscale", p=0.5), count=2),
        case(step("Grayscale", num_output_channels=3), count=1),
        case(step("GaussianBlur", kernel_size=5, sigma=(0.1, 2.0))),
        case(step("RandomSolarize", threshold=128, p=0.5), dtype="uint8", count=2),
        case(step("RandomSolarize", threshold=0.3, p=0.5), count=2),
        case(step("RandomPosterize", bits=3, p=0.5), dtype="uint8", count=2),
        case(step("RandomEqualize", p=0.5), dtype="uint8", count=2),
        case(step("RandomInvert", p=0.5), count=2),
        case(step("RandomAutocontrast", p=0.5), count=2),
        case(step("RandomAdjustSharpness", sharpness_factor=2.0, p=0.5), count=2),
        case(step("RandomErasing", p=0.8)),
        *own,
        case(step("RandomHorizontalFlip"), step("RandomResizedCrop", size=CUT, antialias=False),
             step("RandomVerticalFlip")),
        case(step("RandomHorizontalFlip"), step("RandomPerspective", p=1.0),
             step("RandomVerticalFlip")),
        case(step("RandomCrop", size=CUT, padding=4), step("RandomHorizontalFlip"), count=2),
        case(step("RandomResizedCrop", size=CUT), step("RandomHorizontalFlip"),
             step("ColorJitter", *JITTER), step("RandomGrayscale", p=0.5),
             step("GaussianBlur", kernel_size=5, sigma=(0.1, 2.0)),
             step("RandomSolarize", threshold=0.5, p=0.2)),
    ]  # fmt: skip


MOVE = {"x": (-0.1, 0.1), "y": (-0.2, 0.2)}
SLANT = {"x": (-12.0, 12.0), "y": (-9.0, 9.0)}
AFFINE = {"rotate": (-30, 30), "scale": (0.8, 1.3), "shear": SLANT, "translate_percent": MOVE}
ALBUMENTATIONS = [
    case(step("RandomResizedCrop", size=CUT, scale=(0.1, 1.0))),
    case(step("RandomSizedCrop", min_max_height=(20, 40), size=CUT), count=2),
    case(step("RandomCrop", height=24, width=32), count=2),
    case(step("RandomCrop", height=60, width=70, pad_if_needed=True), count=1),
    case(step("CenterCrop", height=24, width=32), count=1),
    case(step("Crop", x_min=3, y_min=5, x_max=40, y_max=29), count=1),
    case(step("RandomCropFromBorders"), count=2),
    case(step("Pad", padding=(3, 1, 4, 2)), count=1),
    case(step("PadIfNeeded", min_height=61, min_width=70), count=1),
    case(step("HorizontalFlip", p=0.5), count=2),
    case(step("VerticalFlip", p=0.5), count=2),
    case(step("RandomRotate90", p=1.0)),
    case(step("Transpose", p=0.5), count=2),
    case(step("D4", p=1.0), count=4),
    case(step("SquareSymmetry", p=1.0), count=2),
    case(step("Rotate", limit=60, p=0.8)),
    case(step("Affine", **AFFINE, p=1.0)),
    case(step("ShiftScaleRotate", p=0.8), count=2),
    case(step("ColorJitter", *JITTER, p=0.8)),
    case(step("ColorJitter", *HIGH, p=0.5), count=2),
    case(step("RandomBrightnessContrast", p=0.8)),
    case(step("RandomBrightnessContrast", p=1.0), dtype="uint8", count=2),
    case(step("ToGray", p=0.5), count=2),
    case(step("ToRGB", p=1.0), channels=1, count=1),
    case(step("GaussianBlur", sigma_limit=(0.1, 2.0), p=0.8)),
    case(step("Solarize", threshold_range=(0.2, 0.8), p=0.8)),
    case(step("RandomGamma", gamma_limit=(60, 150), p=0.8)),
    case(step("Posterize", num_bits=(1, 7), p=0.8), dtype="uint8"),
    case(step("Equalize", p=0.5), dtype="uint8", count=2),
    case(step("AutoContrast", p=0.5), dtype="uint8", count=2),
    case(step("InvertImg", p=0.5), count=2),
    case(step("Erasing", p=0.8)),
    case(step("CoarseDropout", num_holes_range=(1, 1), p=0.8), count=2),
    case(step("HorizontalFlip"), step("RandomResizedCrop", size=CUT), step("VerticalFlip")),
    case(step("RandomResizedCrop", size=(32, 32)), step("D4", p=1.0), step("HorizontalFlip")),
    case(step("HorizontalFlip"), step("Affine", **AFFINE, p=1.0), step("VerticalFlip")),
    case(step("RandomResizedCrop", size=CUT), step("HorizontalFlip"),
         step("ColorJitter", *JITTER, p=0.8), step("ToGray", p=0.5),
         step("GaussianBlur", sigma_limit=(0.1, 2.0), p=0.5), step("Solarize", p=0.2)),
]  # fmt: skip

DINO = {"global_crop_size": 32, "local_crop_size": 16}
LIGHTLY = [
    case(step("GaussianBlur", sigmas=(0.1, 2.0), prob=0.8), dtype="uint8"),
    case(step("RandomSolarization", threshold=128, prob=0.5), dtype="uint8"),
    case(step("RandomRotate", angle=90, prob=0.5), dtype="uint8", size=SQUARE, count=2),
    case(step("RandomRotate", angle=30, prob=0.5), dtype="uint8", count=2),
    case({**step("SimCLRTransform", input_size=32), "view": 0}, dtype="uint8"),
    case({**step("MoCoV2Transform", input_size=32), "view": 0}, dtype="uint8"),
    case(step("BYOLView1Transform", input_size=32), dtype="uint8", count=2),
    case(step("BYOLView2Transform", input_size=32), dtype="uint8", count=2),
    case({**step("DINOTransform", **DINO), "view": 0}, dtype="uint8", count=2),
    case({**step("DINOTransform", **DINO), "view": 1}, dtype="uint8", count=2),
    case({**step("DINOTransform", **DINO), "view": 2}, dtype="uint8", count=2),
    case({**step("SwaVTransform", crop_sizes=(32, 16)), "view": 7}, dtype="uint8", count=2),
    case(step("GaussianBlur", sigmas=(0.1, 2.0), prob=0.5),
         step("RandomSolarization", prob=0.5), dtype="uint8", count=2),
]  # fmt: skip

CASES = {
    "kornia": KORNIA,
    "torchvision_v1": torchvision(v2=False),
    "torchvision_v2": torchvision(v2=True),
    "albumentations": ALBUMENTATIONS,
    "lightly": LIGHTLY,
}
