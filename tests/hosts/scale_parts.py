"""What the runs at scale train: a small model whose forward computes the term, data, sync norm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from augself_loss import AugSelfLoss, Record

ONE: Mapping[str, float] = {"crop": 1.0}
THREE: Mapping[str, float] = {"crop": 1.0, "color": 0.5, "flip": 0.25}
SIX: Mapping[str, float] = {**THREE, "blur": 1.0, "rotation": 1.0, "solarize": 1.0}
PIXELS, DIM, HIDDEN = 12, 16, 8
ROWS = 24
"""Of the whole batch, over all processes."""

Batch: TypeAlias = tuple[Tensor, Tensor, Record, Record]
State: TypeAlias = dict[str, Tensor]


class Model(nn.Module):
    """Backbone, a base loss and the term: one module to hand to DDP or to FSDP."""

    def __init__(self, weights: Mapping[str, float] = THREE) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(PIXELS, DIM), nn.LayerNorm(DIM), nn.Tanh())
        self.projector = nn.Linear(DIM, 4)
        self.augself = AugSelfLoss(DIM, weights, hidden_dim=HIDDEN)

    def forward(
        self,
        x1: Tensor,
        x2: Tensor,
        record1: Record,
        record2: Record,
        types: Sequence[str] | None = None,
    ) -> Tensor:
        f1, f2 = self.backbone(x1), self.backbone(x2)
        base = nn.functional.mse_loss(self.projector(f1), self.projector(f2).detach())
        total: Tensor = base + self.augself(f1, f2, record1, record2, types=types).total
        return total


def build(
    weights: Mapping[str, float] = THREE,
    *,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    frozen: bool = False,
) -> Model:
    """Make the same model in every process.

    Args:
        weights: the term's.
        seed: of the weights.
        dtype: of the weights.
        frozen: batch norm keeps the statistics of one batch that it has seen.
    """
    torch.manual_seed(seed)
    model = Model(weights).to(dtype)
    for module in model.augself.heads.modules():
        if isinstance(module, nn.BatchNorm1d):  # as after some training
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    if frozen:
        with torch.no_grad():
            model(*batch(seed=99, dtype=dtype))
        model.augself.eval()
    return model


def batch(
    seed: int = 0, *, rows: int = ROWS, grey: int = 0, dtype: torch.dtype = torch.float64
) -> Batch:
    """Draw two views and their records.

    Args:
        seed: of the draw.
        rows: number of samples.
        grey: of so many first samples view 2 is grey: saturation and hue do not count there.
        dtype: of the views.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, generator=generator)

    def record(greys: int) -> Record:
        sizes = 0.2 + 0.8 * draw(rows, 2)
        return {
            "crop": torch.cat([draw(rows, 2) * (1 - sizes), sizes], dim=-1),
            "color": torch.cat([0.6 + 0.8 * draw(rows, 3), 0.2 * draw(rows, 1) - 0.1], dim=-1),
            "flip": draw(rows, 1).round(),
            "blur": 0.1 + 1.9 * draw(rows, 1),
            "rotation": (3 * draw(rows, 1)).round(),
            "solarize": draw(rows, 1),
            "grayscale": (torch.arange(rows) < greys).float().unsqueeze(-1),
        }

    x1, x2 = (draw(rows, PIXELS).to(dtype) - 0.5 for _ in range(2))
    return x1, x2, record(0), record(grey)


def part(whole: Batch, begin: int, end: int) -> Batch:
    """Take samples out of a batch."""
    x1, x2, *records = whole
    one, two = ({name: entry[begin:end] for name, entry in r.items()} for r in records)
    return x1[begin:end], x2[begin:end], one, two


def share(whole: Batch, index: int, count: int) -> Batch:
    """Take one of ``count`` equal parts of a batch."""
    rows = len(whole[0]) // count
    return part(whole, index * rows, (index + 1) * rows)


def gradients(model: nn.Module) -> State:
    """Copy the gradients, by the name of their parameter; 0 where there is none."""
    return {
        name: torch.zeros_like(p) if p.grad is None else p.grad.clone()
        for name, p in model.named_parameters()
    }


def backward(module: nn.Module, *batches: Batch, **options: Any) -> None:
    """Add up the gradients of the mean loss of several batches."""
    for one in batches:
        (module(*one, **options) / len(batches)).backward()


def distance(states: State, others: State, prefix: str = "") -> float:
    """Largest difference between two states, of entries whose names begin with ``prefix``."""
    assert states.keys() == others.keys()
    chosen = [name for name in states if name.startswith(prefix)]
    with torch.no_grad():
        return max(float((states[name] - others[name]).abs().max()) for name in chosen)


class AllReduce(torch.autograd.Function):
    """The sum over all processes; every one of their losses depends on it."""

    @staticmethod
    def forward(_context: Any, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return AllReduce.forward(_context, gradient)


class SyncNorm(nn.BatchNorm1d):
    """What torch.nn.SyncBatchNorm computes, which refuses tensors on the CPU."""

    def forward(self, x: Tensor) -> Tensor:
        count = len(x) * torch.distributed.get_world_size()
        mean = AllReduce.apply(x.sum(0)) / count
        var = AllReduce.apply((x - mean).square().sum(0)) / count
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        with torch.no_grad():
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(var * count / (count - 1), self.momentum or 0.0)
            self.num_batches_tracked.add_(1)
        return self.weight * (x - mean) / (var + self.eps).sqrt() + self.bias


def synchronized(module: nn.Module) -> None:
    """Put the synchronized norm into the place of every batch norm, parameters kept."""
    for name, child in module.named_children():
        if type(child) is nn.BatchNorm1d:
            norm = SyncNorm(child.num_features).to(child.weight.dtype)
            norm.load_state_dict(child.state_dict())
            setattr(module, name, norm)
        synchronized(child)
