"""Supervised training in Lightning with two views of every picture, and test accuracy.

The lines marked "+ AugSelf" were added to the plain script: the recorder makes the views and notes
how, and the loss predicts from the features what differs between them. Validation stays as it is.

    python examples/supervised.py
    python examples/supervised.py --data imagefolder --path ~/pictures --logger tensorboard
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from _shared import hosting, images
from _shared.models import SmallResNet
from lightly.transforms.multi_view_transform import MultiViewTransform
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchmetrics.classification import MulticlassAccuracy
from torchvision.transforms import v2

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.lightning import add_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf


class Classifier(pl.LightningModule):
    """Backbone and a linear classifier."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.classifier = nn.Linear(self.backbone.feature_dim, classes)
        self.criterion = nn.CrossEntropyLoss()
        self.accuracy = MulticlassAccuracy(classes, average="micro")

    def forward(self, x: Tensor) -> Tensor:
        """Classify pictures (B, 3, H, W)."""
        logits: Tensor = self.classifier(self.backbone(x))
        return logits

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Cross-entropy of both views."""
        (x0, x1), labels = batch
        logits0, logits1 = self.forward(x0), self.forward(x1)
        loss: Tensor = 0.5 * (self.criterion(logits0, labels) + self.criterion(logits1, labels))
        self.log("loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        """Count right answers on plain pictures."""
        x, labels = batch
        self.accuracy(self.forward(x), labels)
        self.log("accuracy", self.accuracy, prog_bar=True)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def main() -> None:
    """Train, and test after every epoch."""
    args = hosting.start(__doc__, epochs=30)
    finish = [
        v2.ToImage(),
        v2.ToDtype(torch.float32, scale=True),
        v2.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
    ]
    view = v2.Compose(
        [
            v2.RandomResizedCrop(hosting.VIEW, scale=(0.3, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            *finish,
        ]
    )
    transform = MultiViewTransform([view, view])
    transform = MultiViewRecorder(TorchvisionRecorder(view), views=2)  # + AugSelf
    task = hosting.labelled(args)
    train, test = task.split == 0, task.split == 1
    training_set = images.Pictures(task.images[train], task.labels[train], transform)
    plain = v2.Compose([v2.Resize(hosting.VIEW), *finish])
    test_set = images.Pictures(task.images[test], task.labels[test], plain)

    model = Classifier(int(task.labels.max()) + 1)
    weights = {"crop": 1.0, "color": 1.0}  # + AugSelf
    dim = model.backbone.feature_dim  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone")  # + AugSelf
    batches = hosting.loader(args, training_set)
    validation: DataLoader[Any] = DataLoader(test_set, 256)
    trainer = hosting.train(args, model, batches, validation)
    print(f"{task.name}: test accuracy {trainer.callback_metrics['accuracy']:.1%}")


if __name__ == "__main__":
    main()
