"""What the public scripts of self-supervised methods hold, written anew: same names, same draws.

Of SimSiam, MoCo, MoCo v3, DINO, DINOv2, VICReg, Barlow Twins, SwAV and sthalles' SimCLR, and what
descends from them.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from PIL import ImageFilter, ImageOps
from torch import nn
from torch.utils.data import Dataset
from torchvision import transforms

SIZE, LOCAL = 24, 12
"""Sides of the views, in pixels."""


class GaussianBlur:
    """SimSiam's and MoCo's: always applied."""

    def __init__(self, sigma: Any = (0.1, 2.0)) -> None:
        self.sigma = sigma

    def __call__(self, x: Any) -> Any:
        sigma = random.uniform(self.sigma[0], self.sigma[1])
        x = x.filter(ImageFilter.GaussianBlur(radius=sigma))
        return x  # noqa: RET504 - as public code has it


class Solarize:
    """MoCo v3's: always applied."""

    def __call__(self, x: Any) -> Any:
        return ImageOps.solarize(x)


class DinoBlur:
    """DINO's: at random, by Python's random."""

    def __init__(self, p: float = 0.5, radius_min: float = 0.1, radius_max: float = 2.0) -> None:
        self.prob, self.radius_min, self.radius_max = p, radius_min, radius_max

    def __call__(self, img: Any) -> Any:
        do_it = random.random() <= self.prob
        if not do_it:
            return img
        radius = random.uniform(self.radius_min, self.radius_max)
        return img.filter(ImageFilter.GaussianBlur(radius=radius))


class Solarization:
    """DINO's, VICReg's and Barlow Twins': at random."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        if random.random() < self.p:
            return ImageOps.solarize(img)
        return img


class BarlowBlur:
    """Barlow Twins': constants in its code."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        if random.random() < self.p:
            sigma = random.random() * 1.9 + 0.1
            return img.filter(ImageFilter.GaussianBlur(sigma))
        return img


class VicregBlur:
    """VICReg's: the same, by NumPy's random."""

    def __init__(self, p: float) -> None:
        self.p = p

    def __call__(self, img: Any) -> Any:
        if np.random.rand() < self.p:
            sigma = np.random.rand() * 1.9 + 0.1
            return img.filter(ImageFilter.GaussianBlur(sigma))
        return img


class PILRandomGaussianBlur:
    """SwAV's: by both."""

    def __init__(self, p: float = 0.5, radius_min: float = 0.1, radius_max: float = 2.0) -> None:
        self.prob, self.radius_min, self.radius_max = p, radius_min, radius_max

    def __call__(self, img: Any) -> Any:
        do_it = np.random.rand() <= self.prob
        if not do_it:
            return img
        return img.filter(
            ImageFilter.GaussianBlur(radius=random.uniform(self.radius_min, self.radius_max))
        )


class ConvolvingBlur:
    """The GaussianBlur of sthalles' SimCLR: two convolutions, its σ by NumPy's random."""

    def __init__(self, kernel_size: int) -> None:
        radias = kernel_size // 2
        kernel_size = radias * 2 + 1
        self.blur_h = nn.Conv2d(3, 3, (kernel_size, 1), bias=False, groups=3)
        self.blur_v = nn.Conv2d(3, 3, (1, kernel_size), bias=False, groups=3)
        self.k = kernel_size
        self.r = radias
        self.blur = nn.Sequential(nn.ReflectionPad2d(radias), self.blur_h, self.blur_v)
        self.pil_to_tensor = transforms.ToTensor()
        self.tensor_to_pil = transforms.ToPILImage()

    def __call__(self, img: Any) -> Any:
        img = self.pil_to_tensor(img).unsqueeze(0)
        sigma = np.random.uniform(0.1, 2.0)
        x = np.arange(-self.r, self.r + 1)
        x = np.exp(-np.power(x, 2) / (2 * sigma * sigma))
        x = x / x.sum()
        kernel = torch.from_numpy(x).view(1, -1).repeat(3, 1)
        self.blur_h.weight.data.copy_(kernel.view(3, 1, self.k, 1))
        self.blur_v.weight.data.copy_(kernel.view(3, 1, 1, self.k))
        with torch.no_grad():
            img = self.blur(img)
            img = img.squeeze()
        return self.tensor_to_pil(img)


class ContrastiveLearningViewGenerator:
    """That of sthalles' SimCLR."""

    def __init__(self, base_transform: Any, n_views: int = 2) -> None:
        self.base_transform = base_transform
        self.n_views = n_views

    def __call__(self, x: Any) -> Any:
        return [self.base_transform(x) for i in range(self.n_views)]


def get_color_distortion(s: float = 1.0) -> Any:
    """SwAV's colours."""
    jitter = transforms.ColorJitter(0.8 * s, 0.8 * s, 0.8 * s, 0.2 * s)
    return transforms.Compose(
        [transforms.RandomApply([jitter], p=0.8), transforms.RandomGrayscale(p=0.2)]
    )


def jitter_and_grey() -> list[Any]:
    jitter = transforms.ColorJitter(0.4, 0.4, 0.2, 0.1)
    return [transforms.RandomApply([jitter], p=0.8), transforms.RandomGrayscale(p=0.2)]


def normalized() -> list[Any]:
    return [transforms.ToTensor(), transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.3, 0.4])]


def pipeline(*own: Any, size: int = SIZE, scale: Any = (0.2, 1.0)) -> Any:
    crop = transforms.RandomResizedCrop(size, scale=scale)
    flip = transforms.RandomHorizontalFlip()
    return transforms.Compose([crop, *jitter_and_grey(), *own, flip, *normalized()])


class TwoCropsTransform:
    """SimSiam's and MoCo's."""

    def __init__(self, base_transform: Any) -> None:
        self.base_transform = base_transform

    def __call__(self, x: Any) -> Any:
        q = self.base_transform(x)
        k = self.base_transform(x)
        return [q, k]


class TwoCropsOfTwo:
    """MoCo v3's TwoCropsTransform."""

    def __init__(self, base_transform1: Any, base_transform2: Any) -> None:
        self.base_transform1, self.base_transform2 = base_transform1, base_transform2

    def __call__(self, x: Any) -> Any:
        im1 = self.base_transform1(x)
        im2 = self.base_transform2(x)
        return [im1, im2]


class TrainTransform:
    """VICReg's, and Barlow Twins' Transform."""

    def __init__(self, blur: Any = VicregBlur) -> None:
        self.transform = pipeline(blur(p=1.0), Solarization(p=0.0))
        self.transform_prime = pipeline(blur(p=0.1), Solarization(p=0.2))

    def __call__(self, sample: Any) -> Any:
        x1 = self.transform(sample)
        x2 = self.transform_prime(sample)
        return x1, x2


class DataAugmentationDINO:
    """DINO's."""

    def __init__(self, local_crops_number: int = 3) -> None:
        colours = transforms.Compose([transforms.RandomHorizontalFlip(), *jitter_and_grey()])
        ending = transforms.Compose(normalized())

        def view(size: int, scale: Any, *own: Any) -> Any:
            crop = transforms.RandomResizedCrop(size, scale=scale)
            return transforms.Compose([crop, colours, *own, ending])

        self.global_transfo1 = view(SIZE, (0.4, 1.0), DinoBlur(1.0))
        self.global_transfo2 = view(SIZE, (0.4, 1.0), DinoBlur(0.1), Solarization(0.2))
        self.local_crops_number = local_crops_number
        self.local_transfo = view(LOCAL, (0.05, 0.4), DinoBlur(p=0.5))

    def __call__(self, image: Any) -> Any:
        crops = []
        crops.append(self.global_transfo1(image))
        crops.append(self.global_transfo2(image))
        for _ in range(self.local_crops_number):
            crops.append(self.local_transfo(image))
        return crops


class PresetBlur(transforms.RandomApply):
    """DINOv2's: torchvision's, with another meaning of p."""

    def __init__(self, *, p: float = 0.5, radius_min: float = 0.1, radius_max: float = 2.0) -> None:
        keep_p = 1 - p
        blur = transforms.GaussianBlur(kernel_size=9, sigma=(radius_min, radius_max))
        super().__init__(transforms=[blur], p=keep_p)


class DataAugmentationDINOv2:
    """DINOv2's: views by name, some of them twice."""

    def __init__(self, local_crops_number: int = 3) -> None:
        def crop(size: int, scale: Any) -> Any:
            cropped = transforms.RandomResizedCrop(size, scale=scale)
            return transforms.Compose([cropped, transforms.RandomHorizontalFlip(p=0.5)])

        colours = transforms.Compose(jitter_and_grey())
        solarized = transforms.RandomSolarize(threshold=128, p=0.2)
        self.local_crops_number = local_crops_number
        self.geometric_augmentation_global = crop(SIZE, (0.32, 1.0))
        self.geometric_augmentation_local = crop(LOCAL, (0.05, 0.32))
        self.normalize = transforms.Compose(normalized())
        extra = transforms.Compose([PresetBlur(p=0.1), solarized])
        self.global_transfo1 = transforms.Compose([colours, PresetBlur(p=1.0), self.normalize])
        self.global_transfo2 = transforms.Compose([colours, extra, self.normalize])
        self.local_transfo = transforms.Compose([colours, PresetBlur(p=0.5), self.normalize])

    def __call__(self, image: Any) -> Any:
        output: dict[str, Any] = {}
        crop_1 = self.global_transfo1(self.geometric_augmentation_global(image))
        crop_2 = self.global_transfo2(self.geometric_augmentation_global(image))
        output["global_crops"] = [crop_1, crop_2]
        output["global_crops_teacher"] = [crop_1, crop_2]
        output["local_crops"] = [
            self.local_transfo(self.geometric_augmentation_local(image))
            for _ in range(self.local_crops_number)
        ]
        output["offsets"] = ()
        return output


class ListedDINOv2(DataAugmentationDINOv2):
    """DINOv2's, as docs/public_scripts.md says to write it."""

    def __call__(self, image: Any) -> Any:
        crops = super().__call__(image)
        return [*crops["global_crops"], *crops["local_crops"]]


class MultiCropDataset(Dataset[Any]):
    """SwAV's, over images in memory."""

    def __init__(self, images: Any, return_index: bool = False) -> None:
        self.images, self.return_index = images, return_index
        colours = transforms.Compose([get_color_distortion(), PILRandomGaussianBlur()])
        self.trans: list[Any] = []
        for size, scale, count in ((SIZE, (0.14, 1.0), 2), (LOCAL, (0.05, 0.14), 3)):
            crop = transforms.RandomResizedCrop(size, scale=scale)
            flip = transforms.RandomHorizontalFlip(p=0.5)
            self.trans += [transforms.Compose([crop, flip, colours, *normalized()])] * count

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Any:
        image = self.images[index]
        multi_crops = list(map(lambda trans: trans(image), self.trans))  # noqa: C417
        if self.return_index:
            return index, multi_crops
        return multi_crops


def seed_worker(worker: int) -> None:
    """Seed what draws by Python and NumPy, as public scripts do; torch's loader seeds torch."""
    random.seed(worker)
    np.random.seed(worker)
