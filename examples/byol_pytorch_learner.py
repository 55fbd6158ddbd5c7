"""BYOL of byol-pytorch, which augments a batch of images itself, here by Kornia.

The lines marked "+ AugSelf" were added to the plain script: the same learner with two arguments
more. Without them it still runs.

    pip install 'augself-loss[byol-pytorch]'
    python examples/byol_pytorch_learner.py
"""

from __future__ import annotations

from typing import Any

import byol_pytorch
import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from _shared import hosting
from _shared.means import Means
from _shared.models import SmallResNet
from torch.utils.data import TensorDataset
from tqdm import tqdm

from augself_loss import AugSelfLoss  # + AugSelf
from augself_loss.adapters.byol_pytorch import BYOL  # + AugSelf
from augself_loss.recording.kornia import KorniaRecorder  # + AugSelf
from augself_loss.recording.multiview import MultiViewRecorder  # + AugSelf


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=6, workers=0)
    view = K.AugmentationSequential(
        K.RandomResizedCrop((hosting.VIEW, hosting.VIEW), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
    )
    net = SmallResNet(16)
    kind: Any = byol_pytorch.BYOL
    options = {"augment_fn": view, "hidden_layer": -1, "projection_hidden_size": 512}
    recorder = MultiViewRecorder(KorniaRecorder(view, apply="fused"), views=2)  # + AugSelf
    weights = {"crop": 10.0, "color": 2.0}  # + AugSelf
    augself = AugSelfLoss(net.feature_dim, weights, encoders=recorder.encoders)  # + AugSelf
    kind, options["augment_fn"] = BYOL, None  # + AugSelf
    options |= {"augself": augself, "recorder": recorder}  # + AugSelf
    learner = kind(net, hosting.VIEW, **options)
    optimizer = torch.optim.AdamW(learner.parameters(), lr=2e-3)

    batches = hosting.loader(args, TensorDataset(hosting.pictures(args)))
    means = Means()
    for epoch in range(args.epochs):
        means.begin_epoch()
        for (images,) in tqdm(batches, f"epoch {epoch}", leave=False):
            logged = {}
            loss = learner(images / 255)
            logged = {"base": learner.base, **learner.augself_output.terms}  # + AugSelf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            learner.update_moving_average()
            means.add({"loss": loss, **logged})
    means.show()


if __name__ == "__main__":
    main()
