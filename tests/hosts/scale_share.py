"""λ by a share of gradients in two processes of other batches: alike, and those of the whole batch.

Run as ``torchrun scale_share.py``; see :func:`processes.start`.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from processes import leave

from augself_loss import AugSelfLoss, GradientShare

STEPS, ROWS = 4, 6


def trained(rows: slice, *, sum_over: int) -> list[float]:
    """Return λ of every step of a training on some rows of every step's batch."""
    torch.manual_seed(0)
    augself = AugSelfLoss(8, {"flip": 1.0}, hidden_dim=16).double()
    share = GradientShare(augself, 0.5, every=1, smoothing=0.5)
    weight = torch.randn(8, 8, dtype=torch.float64, requires_grad=True)
    found = []
    for step in range(STEPS):
        generator = torch.Generator().manual_seed(step)
        inputs = torch.randn(2, ROWS, 8, generator=generator, dtype=torch.float64)
        bits = torch.randint(0, 2, (2, ROWS, 1), generator=generator).double()
        features = [part[rows] @ weight for part in inputs]
        first, second = ({"flip": part[rows].float()} for part in bits)
        augself.eval()  # batch norm of a part is another than that of the whole
        augself.training = True
        augself(*features, first, second)
        base = -torch.cosine_similarity(*features).sum() / ROWS * sum_over
        share.measure(base)
        found.append(augself.weights["flip"])
    return found


def main() -> None:
    alone = trained(slice(None), sum_over=1)
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    part = slice(rank * ROWS // world, (rank + 1) * ROWS // world)
    found = trained(part, sum_over=world)
    gathered: list[list[float]] = [[]] * world
    dist.all_gather_object(gathered, found)
    assert all(each == found for each in gathered), gathered
    assert len({round(value, 6) for value in found}) == STEPS, found
    assert all(abs(a - b) < 1e-5 * b for a, b in zip(found, alone, strict=True)), (found, alone)
    leave()


if __name__ == "__main__":
    main()
