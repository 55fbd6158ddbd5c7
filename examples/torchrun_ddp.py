"""SimSiam in plain PyTorch on several devices, by DDP, views made on the device by Kornia.

The lines marked "+ AugSelf" were added to the plain script. The term is computed in the forward of
the module that DDP wraps, so that the heads' gradients travel with all others.

    torchrun --nproc-per-node=2 examples/torchrun_ddp.py
    torchrun --nproc-per-node=2 examples/torchrun_ddp.py --epochs 16 --resume
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
import torch.distributed as dist
from _shared import images, options
from _shared.means import Means
from _shared.models import SimSiam, SmallResNet
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.recording.kornia import KorniaRecorder  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder, split_views  # + AugSelf

SIZE, VIEW = 40, 32
"""Sides in pixels: of the pictures, and of the views that the network sees."""
CHECKPOINT = Path("torchrun_ddp.pt")


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options.parser(__doc__, epochs=8)
    parser.add_argument("--batch", type=int, default=32, help="per process")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume", action="store_true", help=f"go on from {CHECKPOINT}")
    args = parser.parse_args()
    if args.smoke:
        args.epochs, args.batch = min(args.epochs, 2), 16
    return args


class Model(nn.Module):
    """All that learns, and what it learns from: its forward makes the views and the losses."""

    def __init__(self) -> None:
        super().__init__()
        view = K.AugmentationSequential(
            K.RandomResizedCrop((VIEW, VIEW), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
        )
        self.augment: Any = lambda pictures: [view(pictures), view(pictures)]
        self.augment = MultiViewRecorder(KorniaRecorder(view, apply="fused"), views=2)  # + AugSelf
        self.backbone = SmallResNet(16)
        dim = self.backbone.feature_dim
        self.simsiam = SimSiam(dim, 256)
        weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
        self.augself = AugSelfLoss(dim, weights, encoders=self.augment.encoders)  # + AugSelf

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Compute the losses of pictures in [0, 1], (B, 3, SIZE, SIZE); "loss" is their sum."""
        with torch.no_grad():
            views = self.augment(pictures)
        views, records = split_views(views, self.augment.layout)  # + AugSelf
        features = [self.backbone(view) for view in views]
        losses: dict[str, Tensor] = {"loss": self.simsiam(*features)}
        term = self.augself(features, records)  # + AugSelf
        losses |= {"base": losses["loss"], **term.terms}  # + AugSelf
        losses["loss"] = losses["base"] + term.total  # + AugSelf
        return losses


def join() -> torch.device:
    """Join the other processes that torchrun started; return this one's device."""
    if not torch.cuda.is_available():
        dist.init_process_group("gloo")
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // dist.get_world_size()))
        return torch.device("cpu")
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
    torch.cuda.set_device(device)
    dist.init_process_group("nccl")
    return device


def main() -> None:
    """Train."""
    args, device = arguments(), join()
    rank, count = dist.get_rank(), dist.get_world_size()
    torch.manual_seed(args.seed)
    limit = 64 if args.smoke else None
    dataset = TensorDataset(images.load(args.data, args.path, SIZE, limit)[0])
    sampler: DistributedSampler[Any] = DistributedSampler(dataset, seed=args.seed, drop_last=True)
    batches = DataLoader(dataset, args.batch, sampler=sampler, drop_last=True)

    model = Model().to(device)
    wrapped = DistributedDataParallel(model)
    optimizer = torch.optim.AdamW(wrapped.parameters(), lr=2e-3)
    start, means = 0, Means()
    if args.resume:
        saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        optimizer.load_state_dict(saved["optimizer"])
        start = saved["epochs"]
    for epoch in range(start, args.epochs):
        sampler.set_epoch(epoch)
        # Every process and epoch draws its own views, also in a resumed run.
        torch.manual_seed(args.seed + (epoch + 1) * count + rank)
        means.begin_epoch()
        for (pictures,) in batches:
            losses = wrapped(pictures.to(device) / 255)
            optimizer.zero_grad()
            losses["loss"].backward()
            optimizer.step()
            means.add(losses)
        if rank == 0:
            states = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**states, "epochs": epoch + 1}, CHECKPOINT)
    if rank == 0:
        means.show()
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
