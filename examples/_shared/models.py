"""The small networks of the examples: a ResNet for small pictures, SimSiam and SimCLR on top."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


class Block(nn.Module):
    """Basic residual block: two 3x3 convolutions and a shortcut."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        same = channels_in == channels and stride == 1
        self.shortcut = (
            nn.Identity()
            if same
            else nn.Sequential(
                nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels)
            )
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C_in, H, W) to (B, C, H / stride, W / stride)."""
        return functional.relu(self.body(x) + self.shortcut(x))


class SmallResNet(nn.Sequential):
    """ResNet of four basic blocks for pictures of about 32 pixels: (B, 3, H, W) to (B, 8 width)."""

    def __init__(self, width: int = 32) -> None:
        self.feature_dim = 8 * width
        super().__init__(
            nn.Conv2d(3, width, 3, 2, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            Block(width, width, 1),
            Block(width, 2 * width, 2),
            Block(2 * width, 4 * width, 2),
            Block(4 * width, 8 * width, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )


def _mlp(*widths: int, last_norm: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for wide_in, wide_out in pairwise(widths[:-1]):
        layers += [nn.Linear(wide_in, wide_out, bias=False), nn.BatchNorm1d(wide_out), nn.ReLU()]
    layers.append(nn.Linear(widths[-2], widths[-1], bias=not last_norm))
    if last_norm:
        layers.append(nn.BatchNorm1d(widths[-1], affine=False))
    return nn.Sequential(*layers)


class SimSiam(nn.Module):
    """SimSiam's loss on two views' features (Chen and He, CVPR 2021, algorithm 1)."""

    def __init__(self, feature_dim: int, dim: int = 512) -> None:
        super().__init__()
        self.projector = _mlp(feature_dim, dim, dim, last_norm=True)
        self.predictor = _mlp(dim, dim // 4, dim, last_norm=False)

    def forward(self, features1: Tensor, features2: Tensor) -> Tensor:
        """Negative cosine similarity, symmetric, stop-gradient on the targets: -1 is best."""
        z1, z2 = self.projector(features1), self.projector(features2)
        p1, p2 = self.predictor(z1), self.predictor(z2)
        first = functional.cosine_similarity(p1, z2.detach()).mean()
        return -(first + functional.cosine_similarity(p2, z1.detach()).mean()) / 2


class SimCLR(nn.Module):
    """SimCLR's NT-Xent loss on two views' features (Chen et al., ICML 2020, equation 1)."""

    def __init__(self, feature_dim: int, dim: int = 128, temperature: float = 0.2) -> None:
        super().__init__()
        self.projector = _mlp(feature_dim, feature_dim, dim, last_norm=False)
        self.temperature = temperature

    def forward(self, features1: Tensor, features2: Tensor) -> Tensor:
        """Cross-entropy of finding each view's partner among all other views."""
        both = torch.cat([features1, features2])
        z = functional.normalize(self.projector(both), dim=1)
        count = len(features1)
        similarity = z @ z.T / self.temperature
        similarity.fill_diagonal_(-torch.inf)
        partner = torch.arange(2 * count, device=z.device).roll(count)
        return functional.cross_entropy(similarity, partner)
