"""MoCo v3 with one of timm's ViTs in Lightning, views made by torchvision.

The lines marked "+ AugSelf" were added to the plain script. MoCo compares class tokens; AugSelf
predicts from the patches, `Patches(prefix=1)`, whose mean leaves the class token out.

    pip install timm
    python examples/timm_moco_v3.py
"""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn
from torch.nn import functional
from torchvision.transforms import v2

from augself_loss import AugSelfLoss, Patches  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf

WIDTH = 96


class MoCoV3(pl.LightningModule):
    """Queries of one view find the keys of the other, which encoders make that follow slowly."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"embed_dim": WIDTH, "depth": 3, "num_heads": 4, "num_classes": 0}
        self.backbone = VisionTransformer(hosting.VIEW, patch_size=4, **sizes)
        self.projector = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, 64))
        self.predictor = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))
        self.momentum = copy.deepcopy(nn.Sequential(self.backbone, self.projector))
        self.momentum.requires_grad_(False)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Compare both views' queries with the other's keys, and move the momentum encoders."""
        online = nn.Sequential(self.backbone, self.projector)
        with torch.no_grad():
            for slow, fast in zip(self.momentum.parameters(), online.parameters(), strict=True):
                slow.lerp_(fast, 0.01)
            keys = [functional.normalize(self.momentum(view)) for view in batch[0]]
        queries = [functional.normalize(self.predictor(online(view))) for view in batch[0]]
        partner = torch.arange(len(keys[0]), device=self.device)
        pairs = zip(queries, reversed(keys), strict=True)
        losses = [functional.cross_entropy(q @ k.T / 0.2, partner) for q, k in pairs]
        loss: Tensor = sum(losses, torch.zeros((), device=self.device))
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is."""
        return torch.optim.AdamW(self.parameters(), lr=1e-3, weight_decay=0.05)


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=4)
    steps = [v2.RandomResizedCrop(hosting.VIEW, scale=(0.2, 1.0)), v2.RandomHorizontalFlip()]
    steps += [v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8), v2.RandomGrayscale(0.2)]
    view = v2.Compose([*steps, v2.ToImage(), v2.ToDtype(torch.float32, scale=True)])
    transform: Any = v2.Lambda(lambda image: [view(image), view(image)])
    transform = MultiViewRecorder(TorchvisionRecorder(view), views=2)  # + AugSelf
    model = MoCoV3()
    options = {"encoders": transform.encoders, "pool": Patches(prefix=1)}  # + AugSelf
    augself = AugSelfLoss(WIDTH, {"crop": 10.0, "color": 2.0}, **options)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone.norm")  # + AugSelf
    pictures = images.Pictures(hosting.pictures(args), transform=transform)
    hosting.train(args, model, hosting.loader(args, pictures))


if __name__ == "__main__":
    main()
