"""A loop of one's own with Accelerate, as the documentation shows it, alone or by ``torchrun``.

Run as ``python accelerate_loop.py FOLDER``; see :func:`processes.start`.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from plain_loop import BATCH, Images
from processes import leave
from pytorch_host import SimSiam
from pytorch_pipelines import worker
from torch import Tensor
from torch.utils.data import DataLoader

from augself_loss import AugSelf
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder


class Loop:
    """Model, heads and optimizer, prepared.

    Args:
        beside: whether the term is added to the model that Accelerate prepared, not before.
        options: of the Accelerator.
    """

    def __init__(self, *, beside: bool, **options: Any) -> None:
        set_seed(0)
        self.accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2, **options)
        recorder = MultiViewRecorder(TorchvisionRecorder(worker()))
        model = SimSiam()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
        loader = DataLoader(Images(recorder), BATCH, shuffle=True)
        if not beside:
            self.augself = self.term(model, recorder, optimizer)
        self.model, self.optimizer, self.loader = self.accelerator.prepare(model, optimizer, loader)
        if beside:
            self.augself = self.term(self.model, recorder, self.optimizer)
        self.accelerator.register_for_checkpointing(self.augself)

    @staticmethod
    def term(model: Any, recorder: Any, optimizer: Any) -> AugSelf:
        weights = {"crop": 1.0, "color": 1.0}
        return AugSelf(
            model, recorder, weights, taps="backbone", optimizer=optimizer, hidden_dim=16
        )

    def train(self) -> list[float]:
        """Train for an epoch; return the losses."""
        losses = []
        for batch in self.loader:
            with self.accelerator.accumulate(self.model):
                loss = self.model(self.augself.views(batch)) + self.augself.term()
                self.accelerator.backward(loss)
                self.optimizer.step()
                self.optimizer.zero_grad()
            losses.append(loss.item())
        return losses

    def parameters(self) -> Tensor:
        """All that learns, in one row."""
        modules = [self.model, self.augself]
        return torch.cat([p.detach().flatten() for m in modules for p in m.parameters()])


def main(folder: str) -> None:
    for beside in (False, True):
        loop = Loop(beside=beside)
        loop.train()
        before = loop.parameters()
        both = loop.accelerator.gather(before[None])
        assert all(torch.equal(one, both[0]) for one in both), "all processes learn the same"
        loop.accelerator.save_state(f"{folder}/{beside}")
        loop.accelerator.wait_for_everyone()
        loop.train()
        assert not torch.equal(loop.parameters(), before)
        loop.accelerator.load_state(f"{folder}/{beside}")
        assert torch.equal(loop.parameters(), before), "the heads are in its checkpoint"
    if torch.distributed.is_initialized():
        leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
