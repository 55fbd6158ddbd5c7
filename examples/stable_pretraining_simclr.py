"""SimCLR in stable-pretraining, with its own transforms, data set and forward function.

The lines marked "+ AugSelf" were added to the plain script: the recorder reads what the transforms
note of themselves, and the loss predicts from the features what differs between the two views.
Without them it still runs.

    python examples/stable_pretraining_simclr.py
    python examples/stable_pretraining_simclr.py --data cifar10 --path ~/data --logger tensorboard
"""

from __future__ import annotations

import stable_pretraining as spt
from _shared import hosting, images
from _shared.models import SmallResNet
from stable_pretraining import forward
from stable_pretraining.data import transforms
from torch import nn

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.stable_pretraining import (  # + AugSelf
    StablePretrainingRecorder,  # + AugSelf
    add_augself,  # + AugSelf
)  # + AugSelf


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=8)
    view = transforms.Compose(
        transforms.RGB(),
        transforms.RandomResizedCrop(hosting.VIEW, scale=(0.2, 1.0)),
        transforms.RandomHorizontalFlip(p=0.5),
        transforms.ColorJitter(brightness=0.4, contrast=0.4, saturation=0.4, hue=0.1, p=0.8),
        transforms.RandomGrayscale(p=0.2),
        transforms.ToImage(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
    )
    transform = transforms.MultiViewTransform([view, view])
    transform = StablePretrainingRecorder(transform)  # + AugSelf
    dataset = spt.data.FromTorchDataset(
        images.Pictures(hosting.pictures(args)), names=["image", "label"], transform=transform
    )
    backbone = SmallResNet(16)
    dim = backbone.feature_dim
    model = spt.Module(
        forward=forward.simclr,
        backbone=backbone,
        projector=nn.Sequential(nn.Linear(dim, 256), nn.ReLU(), nn.Linear(256, 128)),
        simclr_loss=spt.losses.NTXEntLoss(temperature=0.2),
        optim={"optimizer": {"type": "AdamW", "lr": 2e-3}},
    )
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(dim, weights, encoders=transform.encoders)  # + AugSelf
    add_augself(model, augself, transform, taps="backbone")  # + AugSelf
    hosting.train(args, model, hosting.loader(args, dataset))


if __name__ == "__main__":
    main()
