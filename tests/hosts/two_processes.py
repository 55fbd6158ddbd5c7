"""Trains SimSiam with the term in two gloo processes; every rank writes what it ended with.

Run as ``python two_processes.py FOLDER EPOCHS [CHECKPOINT]``.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightly.transforms import SimSiamTransform
from lightly_modules import FEATURES, SIZE, SimSiam
from lightning.pytorch.callbacks import ModelCheckpoint
from pictures import Losses, loader, seed, trainer

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import KeepRandomState, add_augself


def main(folder: Path, epochs: int, resumed: str | None) -> None:
    seed(0)
    recorder = LightlyRecorder(SimSiamTransform(input_size=SIZE))
    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=recorder.encoders)
    module = add_augself(SimSiam(), augself, recorder, taps="backbone")
    saved = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    kept = Losses()
    parallel: Any = {"strategy": "ddp", "devices": 2, "enable_checkpointing": True}
    host = trainer(kept, KeepRandomState(), saved, max_epochs=epochs, **parallel)
    seed(1 + host.global_rank)  # every process its own augmentations
    host.fit(module, loader(recorder), ckpt_path=resumed)
    state = {"losses": kept.losses, "state": module.state_dict()}
    torch.save(state, folder / f"rank{host.global_rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None)
