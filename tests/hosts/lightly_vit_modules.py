"""Methods of Lightly's examples whose backbone is one of timm's ViTs, as plain LightningModules."""

from __future__ import annotations

import copy
from typing import Any

import torch
from lightly.loss import DINOLoss, IBOTPatchLoss, KoLeoLoss, LeJEPALoss
from lightly.models.modules import MaskedVisionTransformerTIMM, heads
from lightly.models.utils import random_block_mask, update_drop_path_rate, update_momentum
from lightly.transforms import DINOTransform, IBOTTransform
from lightly_modules import FEATURES, SIZE, Host
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

OUTPUT = 24


def tiny_vit(**options: Any) -> VisionTransformer:
    """Two blocks, for views of any size: patches of 4 pixels, one class token."""
    return VisionTransformer(
        img_size=SIZE, patch_size=4, embed_dim=FEATURES, depth=2, num_heads=2, num_classes=0,
        dynamic_img_size=True, **options,
    )  # fmt: skip


def freeze(module: nn.Module) -> None:
    module.requires_grad_(False).eval()


class Masked(Host):
    """What DINOv2 and iBOT share: masked global views, and a teacher that follows the student.

    ``encode`` is a method, so the backbone's own hooks do not run: its last norm is the tap.
    """

    taps = "student_backbone.vit.norm"
    trained = "student_backbone."
    pool: Any = "cls"

    def __init__(self, head: nn.Module, teacher_head: nn.Module) -> None:
        super().__init__()
        del self.backbone
        self.teacher_backbone = MaskedVisionTransformerTIMM(
            vit=tiny_vit(init_values=1e-5), antialias=False, pos_embed_initialization="skip"
        )
        self.student_backbone = copy.deepcopy(self.teacher_backbone)
        update_drop_path_rate(self.student_backbone.vit, drop_path_rate=0.1, mode="uniform")
        self.student_head, self.teacher_head = head, teacher_head
        freeze(self.teacher_backbone)
        freeze(self.teacher_head)
        self.cls_criterion = DINOLoss(output_dim=OUTPUT)
        self.patch_criterion = IBOTPatchLoss(output_dim=OUTPUT)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        views = batch[0]
        seen, small = torch.cat(views[:2]), torch.cat(views[2:])
        grid = self.teacher_backbone.vit.patch_embed.grid_size
        block_mask = random_block_mask(size=(len(seen), *grid), device=self.device)
        mask = nn.functional.pad(block_mask.flatten(1), (1, 0))  # not the class token
        with torch.no_grad():
            tokens = self.teacher_backbone.encode(seen)
            teacher = self.teacher_head(tokens[:, 0]), self.teacher_head(tokens[mask])
        tokens = self.student_backbone.encode(seen, mask=mask)
        cls = tokens[:, 0]
        local = self.student_backbone.encode(small)[:, 0]
        student = self.student_head(torch.cat([cls, local])), self.student_head(tokens[mask])
        loss = self.cls_criterion(teacher[0].chunk(2), student[0].chunk(len(views)), 0.05)
        loss = loss + self.patch_criterion(teacher[1], student[1], block_mask, 0.05)
        return loss + self.regularization(cls)  # type: ignore[no-any-return]

    def regularization(self, cls: Tensor) -> Tensor:
        return cls.new_zeros(())

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=1e-3)

    def on_train_batch_end(self, *_: Any) -> None:
        update_momentum(self.student_backbone, self.teacher_backbone, m=0.99)
        update_momentum(self.student_head, self.teacher_head, m=0.99)


class DINOv2(Masked):
    def __init__(self) -> None:
        sizes = (FEATURES, 32, 16, OUTPUT)
        super().__init__(heads.DINOv2ProjectionHead(*sizes), heads.DINOv2ProjectionHead(*sizes))
        self.koleo_criterion = KoLeoLoss()

    @staticmethod
    def make_transform() -> Any:
        return DINOTransform(global_crop_size=SIZE, local_crop_size=16, n_local_views=3)

    def regularization(self, cls: Tensor) -> Tensor:
        return 0.1 * sum(self.koleo_criterion(part) for part in cls.chunk(2))  # type: ignore[return-value]


class IBOT(Masked):
    def __init__(self) -> None:
        sizes = (FEATURES, 32, 16, OUTPUT)
        student = heads.DINOProjectionHead(*sizes, norm_last_layer=False)
        super().__init__(student, heads.DINOProjectionHead(*sizes))

    @staticmethod
    def make_transform() -> Any:
        return IBOTTransform(global_crop_size=SIZE, local_crop_size=16, n_local_views=3)


class LeJEPA(Host):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = tiny_vit(drop_path_rate=0.1)
        self.projection_head = heads.LeJEPAProjectionHead(FEATURES, 32, 16)
        self.criterion = LeJEPALoss()

    @staticmethod
    def make_transform() -> Any:
        return DINOTransform(global_crop_size=SIZE, local_crop_size=16, n_local_views=3)

    def forward(self, x: Tensor) -> Tensor:
        return self.projection_head(self.backbone(x))  # type: ignore[no-any-return]

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        projected = [self.forward(view) for view in batch[0]]
        seen, small = torch.stack(projected[:2]), torch.stack(projected[2:])
        return self.criterion(local_proj=small, global_proj=seen)  # type: ignore[no-any-return]

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.AdamW(self.parameters(), lr=5e-4, weight_decay=5e-2)


VITS = (DINOv2, IBOT, LeJEPA)
