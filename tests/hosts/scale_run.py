"""One process of several: ``scale_run.py FOLDER`` runs DDP and FSDP2, and writes what they did."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from processes import leave
from scale_fsdp import heads, sharded, trained_in_fsdp
from scale_fsdp1 import flattened
from scale_parts import (
    ONE,
    ROWS,
    SIX,
    Model,
    State,
    backward,
    batch,
    build,
    gradients,
    part,
    share,
    synchronized,
)
from torch import nn
from torch.distributed.algorithms.join import Join
from torch.nn.parallel import DistributedDataParallel
from torch.profiler import ProfilerActivity, profile

import augself_loss.heads

STEPS = 4


def mine(seed: int = 0, **options: Any) -> Any:
    """Take this process's share of a batch."""
    return share(batch(seed, **options), dist.get_rank(), dist.get_world_size())


def averaged(model: Model, *batches: Any, **options: Any) -> State:
    """Let DDP average the gradients of this process's batches."""
    backward(DistributedDataParallel(model), *batches, **options)
    return gradients(model)


def trained() -> dict[str, State]:
    """Train in float32; the processes begin with different weights, which DDP makes equal."""
    model = build(seed=dist.get_rank(), dtype=torch.float32)
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1, momentum=0.9)
    model.augself.check_optimizer(optimizer)
    initial = {name: p.detach().clone() for name, p in model.named_parameters()}
    for step in range(STEPS):
        optimizer.zero_grad()
        backward(wrapped, mine(step, dtype=torch.float32))
        optimizer.step()
    return {"initial": initial, "final": dict(model.named_parameters())}


def with_sync_norm() -> dict[str, State]:
    """Compute one step's gradients with the heads' batch norms synchronized."""
    model = build()
    synchronized(model)
    return {"gradients": averaged(model, mine()), "buffers": dict(model.named_buffers())}


def grey_on_one_rank() -> State:
    """All grey pairs fall to the first process: there saturation and hue do not count."""
    return averaged(build(frozen=True), mine(grey=ROWS // dist.get_world_size()))


def accumulated() -> State:
    """Add up two halves of the share, the first without a collective."""
    model = build(frozen=True)
    wrapped = DistributedDataParallel(model)
    first, last = (share(mine(), half, 2) for half in range(2))
    with wrapped.no_sync():
        (wrapped(*first) / 2).backward()
    (wrapped(*last) / 2).backward()
    return gradients(model)


def uneven_batch() -> State:
    """The first process's last batch holds three samples less than its share."""
    rank, rows = dist.get_rank(), ROWS // dist.get_world_size()
    return averaged(build(), part(mine(), 0, rows - 3 if rank == 0 else rows))


def uneven_count() -> dict[str, Any]:
    """Every process has one batch more than the one before it: DDP's Join."""
    model = build()
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    steps = 0
    with Join([wrapped]):
        for step in range(2 + dist.get_rank()):
            optimizer.zero_grad()
            backward(wrapped, mine(step))
            optimizer.step()
            steps += 1
    return {"steps": steps, "final": dict(model.named_parameters())}


def unused_types() -> State:
    """The first process alone computes the colour."""
    model = build()
    wrapped = DistributedDataParallel(model, find_unused_parameters=True)
    types = ["crop", "color"] if dist.get_rank() == 0 else ["crop"]
    backward(wrapped, mine(), types=types)
    return gradients(model)


def unused_types_refused() -> str:
    """Compute one type only, in every process, and say nothing to DDP."""
    wrapped = DistributedDataParallel(build())
    try:
        for _ in range(2):
            backward(wrapped, mine(), types=["crop"])
    except RuntimeError as error:
        return str(error)
    return ""


def weight_of_zero() -> State:
    """Every head is used, and the colour counts nothing."""
    model = build()
    model.augself.set_weights({"color": 0.0})
    wrapped = DistributedDataParallel(model)
    for _ in range(2):
        model.zero_grad()
        backward(wrapped, mine())
    return gradients(model)


def collectives(module: nn.Module, *batches: Any) -> dict[str, int]:
    """Count the calls of collectives in one training step."""
    for _ in range(2):  # DDP settles its buckets in the first step
        backward(module, *batches)
    # The profiler is told what to look at: its default asks after CUDA.
    with profile(activities=[ProfilerActivity.CPU]) as seen:
        backward(module, *batches)
    return {e.key: e.count for e in seen.key_averages() if e.key.startswith("c10d::")}


def collectives_by_types() -> dict[str, dict[str, int]]:
    """Count them without the term, with one type and with six, in DDP and in FSDP2."""
    counted = {}
    for name, weights in {"one": ONE, "six": SIX}.items():
        counted[name] = collectives(DistributedDataParallel(build(weights)), mine())
    model = build(SIX)
    model.augself = _Nothing()
    counted["none"] = collectives(DistributedDataParallel(model, broadcast_buffers=False), mine())
    for name, weights in {"one in FSDP": ONE, "six in FSDP": SIX}.items():
        model = build(weights)
        heads(model)
        counted[name] = collectives(model, mine())
    unbuffered = DistributedDataParallel(build(SIX), broadcast_buffers=False)
    counted["six, no buffers"] = collectives(unbuffered, mine())
    return counted


class _Nothing(nn.Module):
    """A term of 0."""

    def forward(self, f1: Any, *_: Any, **__: Any) -> Any:
        return type("Output", (), {"total": f1.new_zeros(())})


def grouped_heads() -> dict[str, Any]:
    """Take the path of other devices than the CPU: one grouped product per layer."""
    chosen = augself_loss.heads.launches_cost
    augself_loss.heads.launches_cost = lambda _: True
    try:
        return {"gradients": averaged(build(), mine()), "fsdp": trained_in_fsdp(heads)["state"]}
    finally:
        augself_loss.heads.launches_cost = chosen


CASES: tuple[Callable[[], Any], ...] = (
    trained,
    with_sync_norm,
    grey_on_one_rank,
    accumulated,
    uneven_batch,
    uneven_count,
    unused_types,
    unused_types_refused,
    weight_of_zero,
    collectives_by_types,
    sharded,
    flattened,
    grouped_heads,
)


def main(folder: str, *names: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    done: dict[str, Any] = {"frozen": averaged(build(frozen=True), mine())}
    for case in CASES:
        if not names or case.__name__ in names:
            done[case.__name__] = case()
    done = torch.utils._pytree.tree_map_only(torch.Tensor, torch.Tensor.detach, done)
    torch.save(done, Path(folder) / f"rank{dist.get_rank()}.pt")
    leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
