"""The backbones: images in [0, 1] to features before any projector."""

from __future__ import annotations

import torch
from _shared.models import Block
from torch import Tensor, nn
from torchvision.models import resnet18, resnet50

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
NETWORKS = ("small", "resnet18", "resnet50")


class Normalize(nn.Module):
    """Brings images in [0, 1] to ImageNet's mean and standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(STD)[:, None, None], persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Normalize ``(B, 3, H, W)``."""
        normalized = (images - self.mean) / self.std
        return normalized.contiguous(memory_format=torch.channels_last)


class Pooled(nn.Sequential):
    """Average of a map over its places: ``(B, C, H, W)`` to ``(B, C)``."""

    def __init__(self) -> None:
        super().__init__(nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Backbone(nn.Module):
    """A stem and four stages, pooled; the third stage can be tapped as well.

    The maps of the third stage are what the submodule ``early`` returns, those of the fourth what
    ``late`` does.

    Args:
        stem: up to the first stage.
        stages: the four stages.
        dims: channels after the third and after the fourth.

    Attributes:
        feature_dim: D of the features, ``(B, D)``.
        layer3: a submodule that returns the third stage's pooled features, for taps.
        layer3_dim: their width.
    """

    def __init__(self, stem: nn.Module, stages: list[nn.Module], dims: tuple[int, int]) -> None:
        super().__init__()
        self.normalize, self.stem = Normalize(), stem
        self.early, self.late = nn.Sequential(*stages[:3]), stages[3]
        self.layer3, self.pool = Pooled(), Pooled()
        self.layer3_dim, self.feature_dim = dims
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map images ``(B, 3, H, W)`` in [0, 1] to features ``(B, D)``."""
        early = self.early(self.stem(self.normalize(images)))
        self.layer3(early)  # for whoever taps it; next to nothing
        features: Tensor = self.pool(self.late(early))
        return features


def backbone(network: str, width: int = 16, feature_dim: int | None = None) -> Backbone:
    """Build a backbone.

    Args:
        network: ``small``: four basic blocks, for pictures of about 32 pixels; or torchvision's
            ``resnet18`` or ``resnet50``.
        width: channels of the small network's first stage; doubled by every stage.
        feature_dim: channels of the small network's last stage, if not ``8 width``.

    Raises:
        ValueError: another network.
    """
    if network == "small":
        widths = [width, 2 * width, 4 * width, feature_dim or 8 * width]
        stem = nn.Sequential(
            nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        inputs = [width, *widths[:-1]]
        stages = [Block(inputs[i], widths[i], 1 if i == 0 else 2) for i in range(4)]
        return Backbone(stem, list(stages), (widths[2], widths[3]))
    if network not in NETWORKS:
        raise ValueError(f"backbone expected one of {NETWORKS}, found {network!r}.")
    net = {"resnet18": resnet18, "resnet50": resnet50}[network](weights=None)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    dim = net.fc.in_features
    return Backbone(stem, [net.layer1, net.layer2, net.layer3, net.layer4], (dim // 2, dim))
