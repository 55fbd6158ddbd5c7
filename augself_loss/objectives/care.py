"""CARE: an augmentation turns all embeddings alike, so that angles between images stay.

Images come in groups whose views were made by the same draws. With z the embeddings on the unit
sphere, and i, j two images of one group:

    L = λ · mean over i ≠ j of (z1_i · z1_j − z2_i · z2_j)²

It is 0 where view 2's embeddings are view 1's, turned by one orthogonal matrix per group.

Reference: Gupta et al., *Structuring Representation Geometry with Rotationally Equivariant
Contrastive Learning*, ICLR 2024.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from augself_loss.arguments import check_whole
from augself_loss.objectives.alike import Alike
from augself_loss.objectives.base import Objective
from augself_loss.parameters import Record
from augself_loss.pooling import Pool


class CARE(Objective):
    """The equivariance term; the base loss, a contrastive one, is yours. It has no networks.

    Args:
        weight: λ of the mean. The released code sums over a group's other images and doubles: its
            0.01 for groups of 32 is 0.62 here, the default.
        group: images next to each other that are augmented alike, as
            :class:`~augself_loss.recording.partners.Partners` makes them.
        shared: record entries that a group has in common; checked on the first batch. ``None``: all
            of them. Without records, and with ``()``, it is your word that they are.
        pool: turns maps and tokens into ``(B, D)``.

    Raises:
        LossError: a group of one image, or an invalid weight.

    Example:
        >>> care = CARE(group=4)
        >>> one = torch.randn(8, 16)
        >>> turned = one @ torch.linalg.qr(torch.randn(16, 16)).Q
        >>> bool(care([one, turned]).total < 1e-9)
        True
    """

    def __init__(
        self,
        *,
        weight: float = 0.62,
        group: int = 2,
        shared: Sequence[str] | None = None,
        pool: Pool | None = None,
    ) -> None:
        super().__init__({"care": weight}, pool)
        group = check_whole("group", group, least=2)
        self.alike = Alike("CARE", group, None if shared is None else tuple(shared))
        self.read = dict.fromkeys(self.alike.shared or ())

    def terms(
        self,
        features: Sequence[Tensor],
        records: Sequence[Record],
        third: Tensor | None = None,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """Compare the angles within each group: the mean over ordered pairs, unweighted."""
        one, two = self.alike.views(features, records)
        changed = (self._cosines(one) - self._cosines(two)).square()  # 0 on the diagonal
        return {"care": changed.sum() / (len(one) * (self.alike.group - 1))}

    def _cosines(self, view: Tensor) -> Tensor:
        """Compute the cosines within each group, ``(B / group, group, group)``."""
        with torch.autocast(view.device.type, enabled=False):
            rows = functional.normalize(view.float() if view.element_size() < 4 else view, dim=1)
            groups = rows.view(-1, self.alike.group, rows.shape[1])
            return groups @ groups.mT
