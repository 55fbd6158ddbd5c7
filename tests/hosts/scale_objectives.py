"""Objectives under DDP in two processes of other batches: gradients alike, the mean of their own.

Run as ``torchrun scale_objectives.py``; see :func:`processes.start`.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from objective_cases import LEARNING, Case, build
from processes import leave
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel

ROWS = 8


def mine(kind: str, rank: int) -> Case:
    """Build the objective as every process has it, with a process's own batch."""
    own, alike = build(kind, batch=ROWS, dtype=torch.float64), build(kind, dtype=torch.float64)
    draw = torch.Generator().manual_seed(rank)

    def other(view: Tensor) -> Tensor:
        return torch.randn(view.shape, generator=draw, dtype=view.dtype).requires_grad_()

    third = None if own.third is None else other(own.third)
    features = [other(view) for view in own.features]
    return own._replace(module=alike.module, features=features, third=third)


def gradients(case: Case, module: Any = None) -> list[Tensor]:
    """Compute the gradients of all weights; every one has one."""
    case.total(module).backward()
    found = [parameter.grad for parameter in case.module.parameters()]
    return [grad for grad in found if grad is not None]


def check(kind: str, rank: int, world: int, *, silent: int = 0) -> None:
    """Compare what DDP makes of the gradients with what this process computes for all."""

    def case(of: int) -> Case:
        built = mine(kind, of)
        if silent:
            built.module.set_weights(dict.fromkeys(list(built.module.weights)[:silent], 0.0))
        return built

    own = case(rank)
    # Called once for each view: DDP would write buffers between the first and its backward.
    wrapped = DistributedDataParallel(own.module, broadcast_buffers=kind != "cassle")
    found = gradients(own, wrapped)
    assert len(found) == len(list(own.module.parameters())), kind
    alone = [gradients(case(of)) for of in range(world)]
    for grad, *each in zip(found, *alone, strict=True):
        gathered = [torch.empty_like(grad) for _ in range(world)]
        dist.all_gather(gathered, grad)
        assert all(torch.equal(grad, other) for other in gathered), kind
        torch.testing.assert_close(grad, torch.stack(each).mean(0), atol=1e-12, rtol=0)
    if not silent:
        assert any(bool(grad.any()) for grad in found), kind


def main() -> None:
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    for kind in LEARNING:
        check(kind, rank, world)
    for kind, silent in (("equimod", 1), ("essl", 1), ("stl", 2), ("stl", 1)):
        check(kind, rank, world, silent=silent)
    leave()


if __name__ == "__main__":
    main()
