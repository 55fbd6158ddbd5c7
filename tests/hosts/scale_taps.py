"""Keys shuffled over two processes reach the taps: every process finds its own again, and every
projector of others' keys their records.

Run as ``torchrun scale_taps.py``; see :func:`processes.start`.
"""

from __future__ import annotations

import torch
import torch.distributed as dist
from processes import leave
from torch import Tensor, nn

from augself_loss.errors import FeatureError
from augself_loss.hosting.whose import Whose
from augself_loss.taps import FeatureTaps

BATCH = 3


class Reads(nn.Module):
    """Returns the first pixel of every image."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = x.flatten(1)[:, :2] * self.weight
        return found


def gathered(x: Tensor) -> Tensor:
    parts = [torch.empty_like(x) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, x)
    return torch.cat(parts)


def main() -> None:
    dist.init_process_group("gloo")
    rank, world = dist.get_rank(), dist.get_world_size()
    root = nn.ModuleDict({"query": Reads(), "key": Reads()})
    taps = FeatureTaps(root, ("query", "key"))
    for step in range(5):
        torch.manual_seed(10 * step + rank)
        views = [torch.rand(BATCH, 3, 4, 4) for _ in range(2)]
        order = torch.randperm(world * BATCH, generator=torch.Generator().manual_seed(step))
        with taps.watch(root, views):
            root["query"](views[0])
            with torch.no_grad():
                root["key"](gathered(views[1])[order].chunk(world)[rank])
            records = [{"value": view.flatten(1)[:, :1]} for view in views]
            whose = Whose()(taps.known_calls()[-1][0].output, taps.known_calls(), views, records)
            assert torch.equal(whose["value"], taps.known_calls()[-1][0].output[:, :1])
        for view, found in zip(views, taps.features([0, 1]), strict=True):
            assert torch.equal(found, view.flatten(1)[:, :2])
    # Of what one process alone cannot find, all are told, and none waits for the others.
    with taps.watch(root, views):
        root["query"](views[0])
        with torch.no_grad():
            root["key"](views[1].sin() if rank == 0 else views[1] * 1.0)
    refused = ""
    try:
        taps.features([0, 1])
    except FeatureError as error:
        refused = str(error)
    assert "none for [1]" in refused
    leave()


if __name__ == "__main__":
    main()
