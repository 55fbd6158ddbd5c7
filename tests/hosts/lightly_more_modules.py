"""More of Lightly's methods as plain LightningModules: of maps, of many views, of masked ViTs."""

from __future__ import annotations

import copy
from typing import Any

import torch
from lightly.loss import FroSSLLoss, MMCRLoss, MSNLoss, NTXentLoss, PMSNLoss
from lightly.loss.memory_bank import MemoryBankModule
from lightly.models.modules import MaskedVisionTransformerTorchvision, heads
from lightly.models.utils import (
    deactivate_requires_grad,
    random_token_mask,
    select_most_similar,
    update_momentum,
)
from lightly.transforms import (
    DenseCLTransform,
    MMCRTransform,
    MSNTransform,
    SMoGTransform,
)
from lightly_modules import FEATURES, SIZE, Host, VICReg
from torch import Tensor, nn
from torchvision.models.vision_transformer import VisionTransformer


class FroSSL(VICReg):
    """Barlow Twins' head, and a loss of a list of views."""

    def __init__(self) -> None:
        super().__init__()
        self.criterion = FroSSLLoss()

    def training_step(self, batch: Any, batch_index: int) -> Tensor:  # noqa: ARG002
        return self.criterion([self.forward(view) for view in batch[0]])  # type: ignore[no-any-return]


class Momentum(Host):
    """A backbone and a projector, each with a copy that follows it."""

    def __init__(self, projection_head: nn.Module) -> None:
        super().__init__()
        self.projection_head = projection_head
        self.backbone_momentum = copy.deepcopy(self.backbone)
        self.projection_head_momentum = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone_momentum)
        deactivate_requires_grad(self.projection_head_momentum)

    def update_momentum(self) -> None:
        update_momentum(self.backbone, self.backbone_momentum, m=0.99)
        update_momentum(self.projection_head, self.projection_head_momentum, m=0.99)


class MMCR(Momentum):
    """Four views, all of them through both backbones."""

    def __init__(self) -> None:
        super().__init__(heads.SimCLRProjectionHead(FEATURES, 32, 16))
        self.criterion = MMCRLoss()

    @staticmethod
    def make_transform() -> Any:
        return MMCRTransform(k=4, input_size=SIZE, gaussian_blur=0.0)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        self.update_momentum()
        online = [self.projection_head(self.features(view)) for view in batch[0]]
        with torch.no_grad():
            targets = [
                self.projection_head_momentum(self.backbone_momentum(view).flatten(1))
                for view in batch[0]
            ]
        return self.criterion(torch.stack(online, 1), torch.stack(targets, 1))  # type: ignore[no-any-return]


class DenseCL(Host):
    """Compares maps place by place; as in Lightly's example the keys are the backbone's own."""

    pool = "mean"

    def __init__(self) -> None:
        super().__init__()
        self.backbone = self.backbone[:-1]  # maps
        self.pooling = nn.AdaptiveAvgPool2d(1)
        self.projection_head_global = heads.DenseCLProjectionHead(FEATURES, 32, 16)
        self.projection_head_local = heads.DenseCLProjectionHead(FEATURES, 32, 16)
        self.criterion_global = NTXentLoss(memory_bank_size=(64, 16))
        self.criterion_local = NTXentLoss(memory_bank_size=(64, 16))

    @staticmethod
    def make_transform() -> Any:
        return DenseCLTransform(input_size=SIZE)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        maps = self.backbone(x)
        whole = self.projection_head_global(self.pooling(maps).flatten(1))
        places = maps.flatten(2).permute(0, 2, 1)
        return places, whole, self.projection_head_local(places)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        query, key = batch[0]
        query_places, query_global, query_local = self.forward(query)
        with torch.no_grad():
            key_places, key_global, key_local = self.forward(key)
        key_local = select_most_similar(query_places, key_places, key_local)
        one = self.criterion_global(query_global, key_global)
        other = self.criterion_local(query_local.flatten(end_dim=1), key_local.flatten(end_dim=1))
        return 0.5 * one + 0.5 * other  # type: ignore[no-any-return]


class SMoG(Momentum):
    """Groups that move with the features; the two views change their parts every step."""

    taps = ("backbone", "backbone_momentum")

    def __init__(self) -> None:
        super().__init__(heads.SMoGProjectionHead(FEATURES, 32, 16))
        self.prediction_head = heads.SMoGPredictionHead(16, 32, 16)
        self.memory_bank = MemoryBankModule(size=(64, 16))
        groups = nn.functional.normalize(torch.rand(12, 16), dim=1)
        self.smog = heads.SMoGPrototypes(group_features=groups, beta=0.99)
        self.criterion = nn.CrossEntropyLoss()

    @staticmethod
    def make_transform() -> Any:
        return SMoGTransform(
            crop_sizes=(SIZE, SIZE),
            crop_counts=(1, 1),
            crop_min_scales=(0.2, 0.2),
            crop_max_scales=(1.0, 1.0),
        )

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        self.update_momentum()
        first, second = reversed(batch[0]) if batch_idx % 2 else batch[0]
        encoded = self.projection_head(self.features(first))
        predicted = self.prediction_head(encoded)
        target = self.projection_head_momentum(self.backbone_momentum(second).flatten(1))
        assignments = self.smog.assign_groups(target)
        groups = self.smog.get_updated_group_features(encoded)
        logits = self.smog(predicted, groups, temperature=0.1)
        self.smog.set_group_features(groups)
        self.memory_bank(encoded, update=True)
        return self.criterion(logits, assignments)  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        modules = nn.ModuleList([self.backbone, self.projection_head, self.prediction_head])
        return torch.optim.SGD(modules.parameters(), lr=0.01, momentum=0.9)


class MSN(Host):
    """A masked ViT sees the anchors, small crops in one batch; one that follows it the targets."""

    taps = ("anchor_backbone", "backbone")
    trained = "anchor_backbone."

    def __init__(self) -> None:
        super().__init__()
        vit = VisionTransformer(SIZE, 8, 2, 2, FEATURES, 32)
        self.backbone = MaskedVisionTransformerTorchvision(vit=vit)
        self.projection_head = heads.MSNProjectionHead(FEATURES, 32, 16)
        self.anchor_backbone = copy.deepcopy(self.backbone)
        self.anchor_projection_head = copy.deepcopy(self.projection_head)
        deactivate_requires_grad(self.backbone)
        deactivate_requires_grad(self.projection_head)
        self.prototypes = nn.Linear(16, 24, bias=False).weight
        self.criterion: Any = MSNLoss()

    @staticmethod
    def make_transform() -> Any:
        return MSNTransform(random_size=SIZE, focal_size=16, focal_views=3)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        update_momentum(self.anchor_backbone, self.backbone, 0.996)
        update_momentum(self.anchor_projection_head, self.projection_head, 0.996)
        targets, anchors, *focal = batch[0]
        targets_out = self.projection_head(self.backbone(images=targets))
        anchors_out = [self.encode_masked(anchors), self.encode_masked(torch.cat(focal))]
        return self.criterion(torch.cat(anchors_out), targets_out, self.prototypes.data)  # type: ignore[no-any-return]

    def encode_masked(self, anchors: Tensor) -> Tensor:
        patches = (anchors.shape[-1] // self.anchor_backbone.vit.patch_size) ** 2
        kept, _ = random_token_mask((len(anchors), patches), mask_ratio=0.15, device=self.device)
        return self.anchor_projection_head(self.anchor_backbone(images=anchors, idx_keep=kept))  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        modules = nn.ModuleList([self.anchor_backbone, self.anchor_projection_head])
        return torch.optim.AdamW([*modules.parameters(), self.prototypes], lr=1e-3)


class PMSN(MSN):
    def __init__(self) -> None:
        super().__init__()
        self.criterion = PMSNLoss()


MORE = (DenseCL, MMCR, FroSSL, SMoG, MSN, PMSN)
