"""SimCLR in Lightning with EquiMod, STL, CARE or E-SSL, or with AugSelf and EquiMod together.

Each function below builds one of them: the recorder that makes its views, and the objective. One
call adds it to the module, whichever it is. Without it, it is plain SimCLR: ``--objective none``.

    python examples/lightning_objectives.py --objective equimod
    python examples/lightning_objectives.py --objective stl --data cifar10 --path ~/data
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import lightning.pytorch as pl
import torch
from _shared import hosting
from _shared.models import SmallResNet
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from torch import Tensor
from torch.utils.data import TensorDataset

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightning import add_objective
from augself_loss.objectives import CARE, ESSL, STL, EquiMod, Objectives
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.partners import Partners

SMALL: dict[str, Any] = {"hidden_dim": 256, "embedding_dim": 128}


class SimCLR(pl.LightningModule):
    """Backbone, projector, contrastive loss of two views."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = SmallResNet(16)
        self.projection_head = SimCLRProjectionHead(self.backbone.feature_dim, 256, 128)
        self.criterion = NTXentLoss(temperature=0.2)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        """Find each view's partner."""
        z0, z1 = (self.projection_head(self.backbone(view)) for view in batch[0])
        loss: Tensor = self.criterion(z0, z1)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Optimize all there is in the module."""
        return torch.optim.AdamW(self.parameters(), lr=2e-3)


def augmentation(side: int = hosting.VIEW) -> KorniaRecorder:
    """Make views of ``side`` pixels, on the device, and their records."""
    return KorniaRecorder(
        K.AugmentationSequential(
            K.RandomResizedCrop((side, side), scale=(0.2, 1.0)),
            K.RandomHorizontalFlip(),
            K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
            K.RandomGrayscale(p=0.2),
        ),
        apply="fused",
    )


def none(dim: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """Plain SimCLR: the same views, and an objective of weight 0."""
    recorder = MultiViewRecorder(augmentation())
    return recorder, {"objective": AugSelfLoss(dim, {"crop": 0.0}, encoders=recorder.encoders)}


def equimod(dim: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """Predict a view's embedding from the plain image's, the third view."""
    plain = KorniaRecorder(K.Resize((hosting.VIEW, hosting.VIEW)))
    recorder = MultiViewRecorder([augmentation(), augmentation(), plain])
    objective = EquiMod(dim, EquiMod.describe(recorder.encoders), **SMALL)
    return recorder, {"objective": objective, "third": 2}


def essl(dim: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """Tell how a small view, the third one, is turned."""
    small = augmentation(hosting.VIEW // 2)
    recorder = MultiViewRecorder([augmentation(), augmentation(), small])
    return recorder, {"objective": ESSL(dim, hidden_dims=(256, 256)), "third": 2}


def stl(dim: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """Read the transformation from one pair, and apply it to its partner, augmented alike."""
    recorder = MultiViewRecorder(Partners(augmentation()))
    return recorder, {"objective": STL(dim, rank=16, **SMALL)}


def care(_: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """Turn all embeddings of a group alike: eight images, augmented alike."""
    recorder = MultiViewRecorder(Partners(augmentation(), own=[], group=8))
    return recorder, {"objective": CARE(group=8), "taps": "projection_head"}


def both(dim: int) -> tuple[MultiViewRecorder, dict[str, Any]]:
    """AugSelf and EquiMod, from one record."""
    recorder, options = equimod(dim)
    augself = AugSelfLoss(dim, {"crop": 10.0, "color": 2.0}, encoders=recorder.encoders)
    together = Objectives({"augself": augself, "equimod": options["objective"]})
    return recorder, {**options, "objective": together}


OBJECTIVES: dict[str, Callable[[int], tuple[MultiViewRecorder, dict[str, Any]]]] = {
    "equimod": equimod, "essl": essl, "stl": stl, "care": care, "both": both, "none": none,
}  # fmt: skip


def main() -> None:
    """Train."""
    args = hosting.start(__doc__, epochs=8, workers=0, objective=tuple(OBJECTIVES))
    model = SimCLR()
    recorder, options = OBJECTIVES[args.objective](model.backbone.feature_dim)
    add_objective(model, recorder=recorder, on_device=True, **{"taps": "backbone", **options})
    hosting.train(args, model, hosting.loader(args, TensorDataset(hosting.pictures(args))))


if __name__ == "__main__":
    main()
