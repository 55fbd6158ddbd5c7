"""NT-Xent and MLPs."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from augself_loss import FeatureError, LossError
from augself_loss.objectives import mlp, nt_xent


def test_nt_xent_is_the_loop() -> None:
    one, other = torch.randn(2, 5, 3, dtype=torch.double)
    rows = nn.functional.normalize(torch.cat([one, other]), dim=1)
    total = 0.0
    for i in range(10):
        scores = torch.tensor([float(rows[i] @ rows[j]) / 0.5 for j in range(10) if j != i])
        partner = float(rows[i] @ rows[(i + 5) % 10]) / 0.5
        total += float(scores.logsumexp(0)) - partner
    assert float(nt_xent(one, other, 0.5)) == pytest.approx(total / 10, rel=1e-6)


def test_what_has_no_partners_is_refused() -> None:
    for one, other in (((3, 2), (4, 2)), ((0, 2), (0, 2)), ((3, 2, 1), (3, 2, 1))):
        with pytest.raises(FeatureError, match="nt_xent expected two tensors"):
            nt_xent(torch.zeros(one), torch.zeros(other), 0.5)


def test_mlps() -> None:
    assert len(mlp([4, 2])) == 1
    assert mlp([4, 3, 2], last="bias")[-1].bias is not None
    assert mlp([4, 3, 2], last="norm")[-1].weight is not None
    assert mlp([4, 3, 2], last="norm without weights")[-1].weight is None
    for widths in ([4], [4, 0]):
        with pytest.raises(LossError, match="at least two widths"):
            mlp(widths)
