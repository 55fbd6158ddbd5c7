"""SimSiam on views that albumentations makes in DataLoader workers, in a plain loop with AugSelf.

pip install 'augself-loss[albumentations]'; python examples/albumentations_workers.py
"""

import sys

import albumentations as A  # noqa: N812 - as albumentations' own documentation writes it
import numpy as np
import torch
from torch import nn
from torch.nn.functional import cosine_similarity
from torch.utils.data import DataLoader, Dataset

from augself_loss import AugSelfLoss
from augself_loss.recording.albumentations import AlbumentationsRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views

steps = [A.RandomResizedCrop((32, 32)), A.HorizontalFlip(), A.ColorJitter(0.4, 0.4, 0.4, 0.1)]
augment = A.Compose([*steps, A.Normalize(), A.ToTensorV2()])
two_views = MultiViewRecorder(AlbumentationsRecorder(augment))  # + AugSelf


class Pictures(Dataset[list[torch.Tensor]]):
    """Yours: NumPy images (H, W, 3)."""

    def __len__(self) -> int:
        return 128 if "--smoke" in sys.argv else 2048

    def __getitem__(self, index: int) -> list[torch.Tensor]:
        image = np.random.default_rng(index).integers(0, 255, (40, 40, 3), dtype=np.uint8)
        return two_views(image)  # [view, view, their records]


def seed(_: int) -> None:
    """Give each worker draws of its own: albumentations starts them all alike."""
    augment.set_random_seed(torch.initial_seed() % 2**32)


def main() -> None:
    """Train one epoch."""
    backbone = nn.Sequential(nn.Conv2d(3, 64, 8, 4), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 64))
    predictor = nn.Linear(64, 64)
    augself = AugSelfLoss(64, {"crop": 1.0, "color": 1.0}, encoders=two_views.encoders)  # + AugSelf
    modules = nn.ModuleList([backbone, predictor, augself])
    optimizer = torch.optim.SGD(modules.parameters(), lr=0.05, momentum=0.9)
    for batch in DataLoader(Pictures(), 64, num_workers=2, worker_init_fn=seed, drop_last=True):
        views, records = split_views(batch, two_views.layout)  # + AugSelf
        f1, f2 = map(backbone, views)
        loss = -cosine_similarity(predictor(f1), f2.detach()).mean() / 2
        loss -= cosine_similarity(predictor(f2), f1.detach()).mean() / 2
        out = augself(f1, f2, *records)  # + AugSelf
        optimizer.zero_grad()
        (loss + out.total).backward()
        optimizer.step()
        print(f"SimSiam {loss:.3f}", *(f"{name} {term:.4f}" for name, term in out.terms.items()))


if __name__ == "__main__":
    main()
