"""Twelve methods as plain LightningModules, in the form in which Lightly documents them.

Each has a backbone, Lightly's heads and loss, and knows nothing of AugSelf. ``make_transform`` is
the method's own transform, ``taps`` where its features are, ``pool`` how they become vectors.
"""

from __future__ import annotations

import copy
from typing import Any

import lightning.pytorch as pl
import torch
from lightly.loss import (
    BarlowTwinsLoss,
    DCLLoss,
    DINOLoss,
    NegativeCosineSimilarity,
    NTXentLoss,
    SwaVLoss,
    TiCoLoss,
    VICRegLoss,
)
from lightly.models.modules import NNMemoryBankModule, heads
from lightly.models.utils import (
    batch_shuffle,
    batch_unshuffle,
    deactivate_requires_grad,
    update_momentum,
)
from lightly.transforms import (
    BYOLTransform,
    BYOLView1Transform,
    BYOLView2Transform,
    DINOTransform,
    FastSiamTransform,
    MoCoV2Transform,
    SimCLRTransform,
    SimSiamTransform,
    SwaVTransform,
    TiCoTransform,
    VICRegTransform,
)
from lightly.utils.scheduler import cosine_schedule
from torch import Tensor, nn

SIZE, FEATURES = 32, 16


def tiny_backbone() -> nn.Sequential:
    """Two convolutions and a pool: ``(B, 3, H, W)`` to ``(B, 16, 1, 1)``, as a cut ResNet gives."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        nn.Conv2d(8, FEATURES, 3, 2),
        nn.AdaptiveAvgPool2d(1),
    )


class Host(pl.LightningModule):
    """What the twelve share: the backbone, and an optimizer of all their parameters."""

    taps: str | tuple[str, ...] = "backbone"
    pool: Any = None
    trained = "backbone."
    """In the names of the parameters that the term reaches."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = tiny_backbone()

    @staticmethod
    def make_transform() -> Any:
        return SimCLRTransform(input_size=SIZE)

    def features(self, view: Tensor) -> Tensor:
        return self.backbone(view).flatten(start_dim=1)  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.06, momentum=0.9, weight_decay=1e-4)


class SimCLR(Host):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.SimCLRProjectionHead(FEATURES, 32, 16)
        self.criterion: Any = NTXentLoss()

    def forward(self, x: Tensor) -> Tensor:
        return self.projection_head(self.features(x))  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: ARG002
        view0, view1 = batch[0]
        return self.criterion(self.forward(view0), self.forward(view1))  # type: ignore[no-any-return]


class DCL(SimCLR):
    def __init__(self) -> None:
        super().__init__()
        self.criterion = DCLLoss()


class BarlowTwins(SimCLR):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.BarlowTwinsProjectionHead(FEATURES, 32, 32)
        self.criterion = BarlowTwinsLoss()

    @staticmethod
    def make_transform() -> Any:
        return BYOLTransform(
            BYOLView1Transform(input_size=SIZE), BYOLView2Transform(input_size=SIZE)
        )


class VICReg(SimCLR):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.VICRegProjectionHead(FEATURES, 32, 32, num_layers=2)
        self.criterion = VICRegLoss()

    @staticmethod
    def make_transform() -> Any:
        return VICRegTransform(input_size=SIZE)


class SimSiam(Host):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.SimSiamProjectionHead(FEATURES, 32, 16)
        self.prediction_head = heads.SimSiamPredictionHead(16, 8, 16)
        self.criterion = NegativeCosineSimilarity()

    @staticmethod
    def make_transform() -> Any:
        return SimSiamTransform(input_size=SIZE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.projection_head(self.features(x))
        return z.detach(), self.prediction_head(z)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        view0, view1 = batch[0]
        z0, p0 = self.forward(view0)
        z1, p1 = self.forward(view1)
        return 0.5 * (self.criterion(z0, p1) + self.criterion(z1, p0))  # type: ignore[no-any-return]


class FastSiam(SimSiam):
    @staticmethod
    def make_transform() -> Any:
        return FastSiamTransform(num_views=3, input_size=SIZE)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        pairs = [self.forward(view) for view in batch[0]]
        z, p = zip(*pairs, strict=True)
        loss = torch.zeros(())
        for i in range(len(z)):
            others = torch.stack([z[j] for j in range(len(z)) if j != i]).mean(dim=0)
            loss = loss + self.criterion(p[i], others) / len(z)
        return loss


class BYOL(Host):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.BYOLProjectionHead(FEATURES, 32, 16)
        self.prediction_head = heads.BYOLPredictionHead(16, 32, 16)
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)
        self.criterion = NegativeCosineSimilarity()

    make_transform = BarlowTwins.make_transform

    def forward(self, x: Tensor) -> Tensor:
        return self.prediction_head(self.projection_head(self.features(x)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def forward_momentum(self, x: Tensor) -> Tensor:
        y = self.backbone_momentum(x).flatten(start_dim=1)
        return self.projection_head_momentum(y).detach()  # type: ignore[no-any-return]

    def update_momentum(self) -> None:
        momentum = cosine_schedule(self.current_epoch, 10, 0.996, 1)
        update_momentum(self.backbone, self.backbone_momentum, m=momentum)
        update_momentum(self.projection_head, self.projection_head_momentum, m=momentum)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.update_momentum()
        view0, view1 = batch[0]
        p0, z0 = self.forward(view0), self.forward_momentum(view0)
        p1, z1 = self.forward(view1), self.forward_momentum(view1)
        return 0.5 * (self.criterion(p0, z1) + self.criterion(p1, z0))  # type: ignore[no-any-return]


class MoCo(BYOL):
    taps = ("backbone", "backbone_momentum")

    def __init__(self) -> None:
        super().__init__()
        self.prediction_head = nn.Identity()
        self.criterion = NTXentLoss(memory_bank_size=(64, 16))

    @staticmethod
    def make_transform() -> Any:
        return MoCoV2Transform(input_size=SIZE)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.update_momentum()
        query, key = batch[0]
        return self.criterion(self.forward(query), self.forward_momentum(key))  # type: ignore[no-any-return]


class ShuffledMoCo(MoCo):
    """As Lightly's own benchmarks train it: the key's batch is shuffled and put back in order."""

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.update_momentum()
        key, query = batch[0]
        shuffled, back = batch_shuffle(key)
        projected = batch_unshuffle(self.forward_momentum(shuffled), back)
        return self.criterion(self.forward(query), projected)  # type: ignore[no-any-return]


class TiCo(MoCo):
    def __init__(self) -> None:
        super().__init__()
        self.criterion = TiCoLoss()

    @staticmethod
    def make_transform() -> Any:
        return TiCoTransform(
            BYOLView1Transform(input_size=SIZE), BYOLView2Transform(input_size=SIZE)
        )


class NNCLR(SimSiam):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.NNCLRProjectionHead(FEATURES, 32, 16)
        self.prediction_head = heads.NNCLRPredictionHead(16, 32, 16)
        self.memory_bank = NNMemoryBankModule(size=(64, 16))
        self.criterion = NTXentLoss()

    make_transform = SimCLR.make_transform

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        view0, view1 = batch[0]
        z0, p0 = self.forward(view0)
        z1, p1 = self.forward(view1)
        z0 = self.memory_bank(z0, update=False)
        z1 = self.memory_bank(z1, update=True)
        return 0.5 * (self.criterion(z0, p1) + self.criterion(z1, p0))  # type: ignore[no-any-return]


class SwaV(Host):
    def __init__(self) -> None:
        super().__init__()
        self.projection_head = heads.SwaVProjectionHead(FEATURES, 32, 16)
        self.prototypes = heads.SwaVPrototypes(16, n_prototypes=24)
        self.criterion = SwaVLoss()

    @staticmethod
    def make_transform() -> Any:
        return SwaVTransform(crop_sizes=(SIZE, 16), crop_counts=(2, 3))

    def forward(self, x: Tensor) -> Tensor:
        z = nn.functional.normalize(self.projection_head(self.features(x)), dim=1)
        return self.prototypes(z)  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.prototypes.normalize()
        crops = [self.forward(view) for view in batch[0]]
        return self.criterion(crops[:2], crops[2:])  # type: ignore[no-any-return]


class DINO(Host):
    """Its teacher has names of its own, and sees the global views before the student does."""

    def __init__(self) -> None:
        super().__init__()
        self.student_head = heads.DINOProjectionHead(FEATURES, 32, 16, 24, freeze_last_layer=1)
        self.teacher_backbone = copy.deepcopy(self.backbone)
        self.teacher_head = heads.DINOProjectionHead(FEATURES, 32, 16, 24)
        deactivate_requires_grad(self.teacher_backbone)
        deactivate_requires_grad(self.teacher_head)
        self.criterion = DINOLoss(output_dim=24, warmup_teacher_temp_epochs=5)

    @staticmethod
    def make_transform() -> Any:
        return DINOTransform(global_crop_size=SIZE, local_crop_size=16, n_local_views=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.student_head(self.features(x))  # type: ignore[no-any-return]

    def forward_teacher(self, x: Tensor) -> Tensor:
        return self.teacher_head(self.teacher_backbone(x).flatten(start_dim=1))  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        momentum = cosine_schedule(self.current_epoch, 10, 0.996, 1)
        update_momentum(self.backbone, self.teacher_backbone, m=momentum)
        update_momentum(self.student_head, self.teacher_head, m=momentum)
        views = batch[0]
        teacher_out = [self.forward_teacher(view) for view in views[:2]]
        student_out = [self.forward(view) for view in views]
        return self.criterion(teacher_out, student_out, epoch=self.current_epoch)  # type: ignore[no-any-return]

    def on_after_backward(self) -> None:
        self.student_head.cancel_last_layer_gradients(current_epoch=self.current_epoch)


METHODS = (SimCLR, SimSiam, MoCo, BYOL, SwaV, BarlowTwins, VICReg, DINO, NNCLR, DCL, TiCo, FastSiam)
