"""SimCLR in plain PyTorch with a loss of pytorch-metric-learning, views made by torchvision.

The lines marked "+ AugSelf" were added to the plain script: the recorder makes the views and notes
how, and the wrapped loss takes the features and records besides. Without them it still runs.

    pip install pytorch-metric-learning
    python examples/metric_learning.py
"""

from __future__ import annotations

from typing import Any

import torch
from _shared import hosting, images
from _shared.means import Means
from _shared.models import SmallResNet
from pytorch_metric_learning.losses import NTXentLoss, SelfSupervisedLoss
from torch import nn
from torchvision.transforms import v2
from tqdm import tqdm

from augself_loss import AugSelfLoss, with_augself  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder, split_views  # + AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder  # + AugSelf


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=6)
    view = v2.Compose(
        [
            v2.RandomResizedCrop(hosting.VIEW, scale=(0.2, 1.0)),
            v2.RandomHorizontalFlip(),
            v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v2.RandomGrayscale(p=0.2),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    transform = v2.Lambda(lambda image: [view(image), view(image)])
    transform = MultiViewRecorder(TorchvisionRecorder(view), views=2)  # + AugSelf
    batches = hosting.loader(args, images.Pictures(hosting.pictures(args), transform=transform))

    backbone = SmallResNet(16)
    projector = nn.Sequential(nn.Linear(backbone.feature_dim, 256), nn.ReLU(), nn.Linear(256, 128))
    criterion: Any = SelfSupervisedLoss(NTXentLoss(temperature=0.2))
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(backbone.feature_dim, weights, encoders=transform.encoders)  # + AugSelf
    criterion = with_augself(criterion, augself)  # + AugSelf
    model = nn.ModuleList([backbone, projector, criterion])  # the loss learns, too
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)

    means = Means()
    for epoch in range(args.epochs):
        means.begin_epoch()
        for views, _ in tqdm(batches, f"epoch {epoch}", leave=False):
            both, extra, logged = views, {}, {}
            both, records = split_views(views, transform.layout)  # + AugSelf
            features = [backbone(view) for view in both]
            extra = {"features": features, "records": records}  # + AugSelf
            loss = criterion(*[projector(feature) for feature in features], **extra)
            logged = {"base": criterion.base, **criterion.augself_output.terms}  # + AugSelf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            means.add({"loss": loss, **logged})
    means.show()


if __name__ == "__main__":
    main()
