"""MoCo in a plain PyTorch loop: torchvision in workers, a momentum encoder, AMP, checkpoints.

The lines marked "+ AugSelf" were added to the plain script; without them it still runs.

    python examples/plain_moco.py
    python examples/plain_moco.py --epochs 16 --resume
"""

from __future__ import annotations

import argparse
import copy
from pathlib import Path
from typing import Any

import torch
from _shared import images, options
from _shared.means import Means
from _shared.models import SmallResNet
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader
from torchvision.transforms import v2

from augself_loss import AugSelf  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf

SIZE, VIEW, DIM = 40, 32, 64
"""Sides in pixels: of the pictures, and of the views that the network sees; MoCo's dimension."""
CHECKPOINT = Path("plain_moco.pt")


class MoCo(nn.Module):
    """Finds a query's key among those of a queue (He et al., CVPR 2020, algorithm 1)."""

    queue: Tensor

    def __init__(self, length: int) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.head = nn.Linear(self.backbone.feature_dim, DIM)
        self.slow = copy.deepcopy(nn.Sequential(self.backbone, self.head)).requires_grad_(False)
        self.register_buffer("queue", functional.normalize(torch.randn(length, DIM), dim=1))

    def forward(self, query: Tensor, key: Tensor) -> Tensor:
        """Compute the loss of two views (B, 3, VIEW, VIEW), and put the keys into the queue."""
        queries = functional.normalize(self.head(self.backbone(query)), dim=1)
        with torch.no_grad():
            order = torch.randperm(len(key), device=key.device)  # so that batch norm cannot cheat
            keys = functional.normalize(self.slow(key[order])[order.argsort()], dim=1)
        found = (queries * keys).sum(1, keepdim=True)
        logits = torch.cat([found, queries @ self.queue.detach().clone().T], dim=1) / 0.2
        self.queue = torch.cat([keys.to(self.queue.dtype), self.queue])[: len(self.queue)]
        return functional.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))

    @torch.no_grad()
    def follow(self, momentum: float = 0.99) -> None:
        """Let the momentum encoder follow."""
        online = [*self.backbone.parameters(), *self.head.parameters()]
        for slow, fast in zip(self.slow.parameters(), online, strict=True):
            slow.lerp_(fast, 1 - momentum)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = options.parser(__doc__, epochs=8)
    parser.add_argument("--resume", action="store_true", help=f"go on from {CHECKPOINT}")
    args = parser.parse_args()
    if args.smoke:
        args.epochs = min(args.epochs, 2)
    return args


def pipeline() -> v2.Compose:
    """Augment a picture to a view, (3, VIEW, VIEW) in [0, 1]."""
    return v2.Compose(
        [
            v2.RandomResizedCrop(VIEW, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )


def batches(args: argparse.Namespace, transform: Any) -> DataLoader[Any]:
    """Load pictures, and what the transform makes of them, in a worker."""
    pictures, _ = images.load(args.data, args.path, SIZE, 64 if args.smoke else None)
    data = images.Pictures(pictures, transform=transform)
    size = 16 if args.smoke else 128
    return DataLoader(data, size, shuffle=True, num_workers=1, drop_last=True)


def main() -> None:
    """Train."""
    args, view = arguments(), pipeline()
    torch.manual_seed(0)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    transform: Any = v2.Lambda(lambda picture: [view(picture), view(picture)])
    transform = recorder = MultiViewRecorder(TorchvisionRecorder(view))  # + AugSelf
    loader = batches(args, transform)

    model = MoCo(64 if args.smoke else 2048).to(device)
    parts: dict[str, Any] = {"model": model}
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelf(model, recorder, weights, taps=("backbone", "slow.0"))  # + AugSelf
    parts["augself"] = augself  # + AugSelf
    optimizer = torch.optim.AdamW([p for m in parts.values() for p in m.parameters()], lr=2e-3)
    parts["optimizer"] = optimizer
    start, means = 0, Means()
    if args.resume:
        saved = torch.load(CHECKPOINT, map_location=device, weights_only=True)
        start = saved.pop("epochs")
        for name, part in parts.items():
            part.load_state_dict(saved[name])
    for epoch in range(start, args.epochs):
        torch.manual_seed(epoch + 1)
        means.begin_epoch()
        for batch, _ in loader:
            views = [view.to(device) for view in batch]
            views = augself.views(batch, device)  # + AugSelf
            with torch.autocast(device.type, torch.bfloat16):
                losses = {"loss": model(*views)}
                base, losses["loss"] = losses["loss"], losses["loss"] + augself.term()  # + AugSelf
                losses |= {"base": base, **augself.logged}  # + AugSelf
            optimizer.zero_grad()
            losses["loss"].backward()
            optimizer.step()
            model.follow()
            means.add(losses)
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({**states, "epochs": epoch + 1}, CHECKPOINT)
    means.show()


if __name__ == "__main__":
    main()
