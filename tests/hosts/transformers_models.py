"""Models for Transformers' Trainer as users write them; they know nothing of AugSelf."""

from __future__ import annotations

import copy
from typing import Any

import torch
from pytorch_pipelines import SIZE
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import PreTrainedModel, Trainer, ViTConfig, ViTModel

FEATURES = 12


def config() -> ViTConfig:
    return ViTConfig(
        hidden_size=FEATURES, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
        image_size=SIZE, patch_size=4, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
    )  # fmt: skip


class SimSiam(nn.Module):
    """Any module: it computes its loss itself, and the Trainer takes it."""

    taps: Any = "backbone.layernorm"

    def __init__(self) -> None:
        super().__init__()
        self.backbone = ViTModel(config(), add_pooling_layer=False)
        self.predictor = nn.Linear(FEATURES, FEATURES)

    def forward(self, pixel_values: list[Tensor]) -> dict[str, Tensor]:
        z1, z2 = (self.backbone(view).last_hidden_state[:, 0] for view in pixel_values)
        ahead = cosine_similarity(self.predictor(z1), z2.detach()).mean()
        back = cosine_similarity(self.predictor(z2), z1.detach()).mean()
        return {"loss": -(ahead + back) / 2}


class DINO(PreTrainedModel):  # type: ignore[misc]
    """A model of Transformers: a student of many crops, and a teacher; it returns their logits."""

    config_class = ViTConfig
    taps: Any = "backbone.layernorm"

    def __init__(self) -> None:
        super().__init__(config())
        self.backbone = ViTModel(config(), add_pooling_layer=False)
        self.head = nn.Linear(FEATURES, FEATURES)
        self.teacher = copy.deepcopy(self.backbone).requires_grad_(False)

    def forward(self, pixel_values: list[Tensor], **_: Any) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            targets = [self._class_token(self.teacher, view) for view in pixel_values[:2]]
        outs = [self.head(self._class_token(self.backbone, view)) for view in pixel_values]
        return torch.stack(targets), torch.stack(outs)

    def _class_token(self, network: nn.Module, view: Tensor) -> Tensor:
        found = network(view, interpolate_pos_encoding=True)
        return found.last_hidden_state[:, 0]  # type: ignore[no-any-return]


class DINOTrainer(Trainer):  # type: ignore[misc]
    """Computes the loss itself, and moves the teacher after a step."""

    def compute_loss(self, model: nn.Module, inputs: Any, *_: Any, **__: Any) -> Tensor:
        targets, outs = model(**inputs)
        pairs = [(t, o) for i, t in enumerate(targets) for j, o in enumerate(outs) if i != j]
        losses = [cross_entropy(out, target.softmax(1)) for target, out in pairs]
        return torch.stack(losses).mean()

    @torch.no_grad()
    def training_step(self, *args: Any, **kwargs: Any) -> Tensor:
        slow, fast = self.model.teacher.parameters(), self.model.backbone.parameters()
        for teacher, student in zip(slow, fast, strict=True):
            teacher.lerp_(student, 0.01)
        with torch.enable_grad():
            return super().training_step(*args, **kwargs)  # type: ignore[no-any-return]


METHODS: dict[str, Any] = {"SimSiam": (SimSiam, Trainer), "DINO": (DINO, DINOTrainer)}
"""Name → the model, and the Trainer that a user trains it by."""
