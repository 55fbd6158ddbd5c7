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

from augself_loss.arguments import check_whole
from augself_loss.draws import undisturbed
from augself_loss.errors import FeatureError, ImageError
from augself_loss.objectives.base import Objective
from augself_loss.parameters import Record
from augself_loss.pooling import Pool

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
            f"four_rotations expected square images (B, C, S, S), found {tuple(images.shape)}. "
            "Crop them to a square."
        )
    return torch.cat([torch.rot90(images, turns, (-2, -1)) for turns in range(TURNS)])


class ESSL(Objective):
    """The rotation term beside any base loss.

    It needs a third, small view per image, which the backbone sees turned four ways by
    :func:`four_rotations`. It reads neither the other views nor records.

    Args:
        feature_dim: width D of the features.
        weight: λ; the paper's is 0.4 with SimCLR.
        hidden_dims: widths of the head's hidden layers, Linear–LayerNorm–ReLU each. The paper's for
            ImageNet: (2048, 2048, 128).
        last_relu: whether the last of them has a ReLU; the paper's for ImageNet has none.
        pool: turns maps and tokens into ``(B, D)``.

    Example:
        >>> backbone = nn.Sequential(nn.Flatten(), nn.Linear(192, 16))
        >>> essl = ESSL(16, hidden_dims=[32])
        >>> small = torch.rand(4, 3, 8, 8)  # a third, small view
        >>> essl(third=backbone(essl.prepare(small))).total.shape
        torch.Size([])
    """

    third_view = "a small view, turned four ways"
    least_views = 1
    reads_views = False

    def __init__(
        self,
        feature_dim: int,
        *,
        weight: float = 0.4,
        hidden_dims: Sequence[int] = (2048, 2048),
        last_relu: bool = True,
        pool: Pool | None = None,
    ) -> None:
        super().__init__({"essl": weight}, pool, feature_dim=feature_dim)
        widths = [check_whole("feature_dim", feature_dim)]
        widths += [check_whole("hidden_dims", width) for width in hidden_dims]
        layers: list[nn.Module] = []
        with undisturbed():
            for inner, outer in pairwise(widths):
                layers += [nn.Linear(inner, outer), nn.LayerNorm(outer), nn.ReLU()]
            layers = layers if last_relu else layers[:-1]
            self.head = nn.Sequential(*layers, nn.Linear(widths[-1], TURNS))

    def prepare(self, images: Tensor) -> Tensor:
        """Turn the small views four ways, see :func:`four_rotations`."""
        return four_rotations(images)

    def terms(
        self,
        features: Sequence[Tensor],  # noqa: ARG002
        records: Sequence[Record],  # noqa: ARG002
        third: Tensor | None,
    ) -> dict[str, Tensor]:
        """Tell the turns: the mean cross-entropy over 4B rows."""
        assert third is not None
        dim = self.feature_dim
        if third.ndim != 2 or third.shape[1] != dim or len(third) % TURNS or len(third) == 0:
            raise FeatureError(
                f"ESSL expected features (4B, {dim}) of the images from four_rotations, found "
                f"{tuple(third.shape)}. For maps and tokens set pool='mean'."
            )
        turns = torch.arange(TURNS, device=third.device)
        labels = turns.repeat_interleave(len(third) // TURNS)
        return {"essl": functional.cross_entropy(self.head(third), labels)}
