"""A training loop in plain PyTorch, with checkpoints, for hosts that leave the loop to the user."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from contract import Run, probe
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, Dataset

BATCH = 8


class Losses(NamedTuple):
    """What one step computed."""

    total: Tensor
    base: Tensor
    term: Tensor | None


@dataclass
class Script:
    """What a plain PyTorch script consists of.

    Args:
        module: all that trains, the term's heads as its submodule ``augself``.
        step: computes the losses of a batch, with the module or with DDP's wrapper of it.
        data: the data set.
        after: runs after each optimizer step.
        parallel: what trains in several processes; by default DDP of the module.
    """

    module: nn.Module
    step: Callable[[nn.Module, Any], Losses]
    data: Dataset[Any]
    after: Callable[[], None] = lambda: None
    parallel: Callable[[nn.Module], nn.Module] = lambda module: DistributedDataParallel(
        module, find_unused_parameters=True
    )


def train(
    script: Script, folder: Path, *, epochs: int, processes: int = 1, resume: bool = False
) -> Run:
    """Train with SGD; a run resumed from an epoch's end goes on bit for bit."""
    module, run = script.module, Run()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05, momentum=0.9)
    rank, start, wrapped = int(os.environ.get("RANK", "0")), 0, module
    checkpoint = folder / f"checkpoint{rank}.pt"
    if processes > 1:
        torch.distributed.init_process_group("gloo")
        wrapped = script.parallel(module)
    torch.manual_seed(1 + rank)
    if resume:
        start = _load(checkpoint, module, optimizer)
    with probe() as seen:
        for epoch in range(start, epochs):
            order = torch.Generator().manual_seed(10 * epoch + rank)
            for batch in DataLoader(script.data, BATCH, shuffle=True, generator=order):
                optimizer.zero_grad()
                step = script.step(wrapped, batch)
                step.total.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                script.after()
                run.base.append(step.base.item())
                run.terms += [] if step.term is None else [step.term.item()]
            _save(checkpoint, module, optimizer, epoch)
    run = replace(seen.run(module), base=run.base, terms=run.terms)
    run.saved = torch.load(checkpoint, weights_only=True)["module"]
    return run


def _save(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer, epoch: int) -> None:
    states = {"module": module.state_dict(), "optimizer": optimizer.state_dict()}
    torch.save({**states, "random": torch.get_rng_state(), "epoch": epoch}, path)


def _load(path: Path, module: nn.Module, optimizer: torch.optim.Optimizer) -> int:
    saved = torch.load(path, weights_only=True)
    module.load_state_dict(saved["module"])
    optimizer.load_state_dict(saved["optimizer"])
    torch.set_rng_state(saved["random"])
    return int(saved["epoch"]) + 1


class Images(Dataset[Any]):
    """Smooth coloured noise: ``(image (3, 20, 24) in [0, 1], label)``, or its views and label."""

    def __init__(self, transform: Callable[[Tensor], Any] | None = None, count: int = 32) -> None:
        self.transform, self.count = transform, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[Any, int]:
        if index >= self.count:
            raise IndexError(index)
        noise = torch.from_numpy(np.random.RandomState(index).rand(1, 3, 5, 6)).float()
        image = nn.functional.interpolate(noise, (20, 24), mode="bilinear")[0]
        return (image if self.transform is None else self.transform(image)), index % 4
