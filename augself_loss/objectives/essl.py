"""E-SSL: tell by how many quarter turns a small view is turned, from its features.

    L = CE(h(f(rot_k(x))), k),  k = 0 … 3, all four turns of every image

Reference: Dangovski et al., *Equivariant Contrastive Learning*, ICLR 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss.checks import check_whole
from augself_loss.errors import FeatureError, ImageError

TURNS = 4


def four_rotations(images: Tensor) -> Tensor:
    """Turn every image by 0, 1, 2 and 3 quarters, counter-clockwise.

    Args:
        images: a batch of square views, ``(B, C, S, S)``.

    Returns:
        ``(4B, C, S, S)``, ordered by turns, then by image.

    Raises:
        ImageError: images that are not square.

    Example:
        >>> four_rotations(torch.rand(2, 3, 8, 8)).shape
        torch.Size([8, 3, 8, 8])
    """
    if images.ndim != 4 or images.shape[-2] != images.shape[-1]:
        raise ImageError(
            f"four_rotations expected square images (B, C, S, S), found {tuple(images.shape)}."
        )
    return torch.cat([torch.rot90(images, turns, (-2, -1)) for turns in range(TURNS)])


class ESSL(nn.Module):
    """The rotation term; add λ times it (the paper: 0.4 beside SimCLR) to any base loss.

    Args:
        feature_dim: width D of the features.
        hidden_dims: widths of the head's hidden layers, Linear–LayerNorm–ReLU each. The paper's for
            ImageNet: (2048, 2048, 128).
        last_relu: whether the last of them has its ReLU; the paper's for ImageNet has none.

    Example:
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(192, 16))
        >>> term = ESSL(16, hidden_dims=[32])
        >>> small = torch.rand(4, 3, 8, 8)  # a third, small view
        >>> term(backbone(four_rotations(small))).shape
        torch.Size([])
    """

    def __init__(
        self, feature_dim: int, *, hidden_dims: Sequence[int] = (2048, 2048), last_relu: bool = True
    ) -> None:
        super().__init__()
        widths = [check_whole("feature_dim", feature_dim), *hidden_dims]
        layers: list[nn.Module] = []
        for inner, outer in pairwise(widths):
            layers += [nn.Linear(inner, outer), nn.LayerNorm(outer), nn.ReLU()]
        layers = layers if last_relu else layers[:-1]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], TURNS))

    def forward(self, rotated: Tensor) -> Tensor:
        """Tell the turns.

        Args:
            rotated: features ``(4B, D)`` of :func:`four_rotations`.

        Returns:
            Scalar, the mean cross-entropy over 4B rows.

        Raises:
            FeatureError: no multiple of four rows.
        """
        if rotated.ndim != 2 or len(rotated) % TURNS or len(rotated) == 0:
            raise FeatureError(
                f"ESSL expected features (4B, D) of four_rotations, found {tuple(rotated.shape)}."
            )
        turns = torch.arange(TURNS, device=rotated.device)
        labels = turns.repeat_interleave(len(rotated) // TURNS)
        return functional.cross_entropy(self.head(rotated), labels)
