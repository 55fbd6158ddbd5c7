"""SimCLR with a ViT and the Trainer of Hugging Face's Transformers.

The lines marked "+ AugSelf" were added to the plain script: the recorder makes the views and notes
how, and the Trainer adds the term to the loss that the model returns.

    pip install 'augself-loss[transformers]'
    python examples/transformers_trainer.py
"""

from __future__ import annotations

from typing import Any

import torch
from _shared import hosting, images
from lightly.loss import NTXentLoss
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate
from torchvision.transforms import v2
from transformers import Trainer, TrainingArguments, ViTConfig, ViTModel

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.transformers import add_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf

WIDTH = 96


class SimCLR(nn.Module):
    """Returns its loss, as the Trainer expects of a model."""

    def __init__(self) -> None:
        super().__init__()
        sizes = {"hidden_size": WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4}
        config = ViTConfig(**sizes, image_size=hosting.VIEW, patch_size=4, intermediate_size=192)
        self.backbone = ViTModel(config, add_pooling_layer=False)
        self.projector = nn.Sequential(nn.Linear(WIDTH, 256), nn.ReLU(), nn.Linear(256, 64))
        self.criterion = NTXentLoss(temperature=0.2)

    def forward(self, pixel_values: list[Tensor]) -> dict[str, Tensor]:
        """Compare two views, ``(B, 3, H, W)`` each."""
        tokens = [self.backbone(view).last_hidden_state for view in pixel_values]
        return {"loss": self.criterion(*(self.projector(each[:, 0]) for each in tokens))}


class Rows(Dataset[Any]):
    """Pictures as the Trainer wants them: a dict each."""

    def __init__(self, pictures: Tensor, transform: Any) -> None:
        self.pictures = images.Pictures(pictures, transform=transform)

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"pixel_values": self.pictures[index][0]}


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=3)
    jitter = v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8)
    crop, floats = v2.RandomResizedCrop(hosting.VIEW, (0.2, 1.0)), v2.ToDtype(torch.float32, True)
    view = v2.Compose([crop, v2.RandomHorizontalFlip(), jitter, v2.ToImage(), floats])
    transform = v2.Lambda(lambda image: [view(image), view(image)])
    transform = MultiViewRecorder(TorchvisionRecorder(view), views=2)  # + AugSelf
    options = TrainingArguments(
        f"runs/{args.name}", num_train_epochs=args.epochs, per_device_train_batch_size=args.batch,
        learning_rate=5e-4, logging_strategy="epoch", dataloader_num_workers=args.workers,
        report_to=[],
    )  # fmt: skip
    rows = Rows(hosting.pictures(args), transform)
    trainer = Trainer(SimCLR(), options, default_collate, rows)
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(WIDTH, weights, encoders=transform.encoders, pool="cls")  # + AugSelf
    add_augself(trainer, augself, transform, taps="backbone.layernorm")  # + AugSelf
    trainer.train()


if __name__ == "__main__":
    main()
