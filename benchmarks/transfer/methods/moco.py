"""MoCo v2 (Chen et al., 2020)."""

from __future__ import annotations

from typing import Any, ClassVar

from lightly.loss import NTXentLoss
from lightly.models.modules import MoCoProjectionHead
from torch import Tensor, no_grad

from transfer.methods.base import Method
from transfer.methods.momentum import follow, slow_copy


class MoCo(Method):
    """Finds each query's key, made by the slow encoder, among those of earlier batches.

    AugSelf compares the query's features with the key's, which carry no gradient (the paper's way).
    """

    taps: ClassVar[tuple[str, ...]] = ("backbone", "backbone_slow")

    def build(self, dim: int, classes: int) -> None:  # noqa: ARG002
        """Projector, slow copies, and the queue of keys."""
        config = self.config
        hidden, out = config.projector, config.embedding
        self.projector = self.conditioned(lambda d: MoCoProjectionHead(d, hidden, out), dim)
        self.backbone_slow = slow_copy(self.backbone)
        self.projector_slow = slow_copy(self.projector)
        bank = (config.queue, config.embedding)
        self.criterion = NTXentLoss(config.temperature, bank, gather_distributed=True)

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:  # noqa: ARG002
        """Cross-entropy of finding the key."""
        slow, trained = self.backbone_slow, self.backbone
        follow(self, (slow, trained), (self.projector_slow, self.projector))
        with no_grad():
            key = self.projector_slow(slow(views[1]))
        loss: Tensor = self.criterion(self.projector(trained(views[0])).float(), key.float())
        return loss

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the queue: Lightly does not, and a resumed run would compare with noise."""
        bank = self.criterion.memory_bank
        checkpoint["queue"] = {"bank": bank.bank, "position": bank.bank_ptr}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Take the queue back."""
        queue, bank = checkpoint["queue"], self.criterion.memory_bank
        bank.bank, bank.bank_ptr = queue["bank"], queue["position"]
