"""Supervised pretraining: the paper's other use of the term."""

from __future__ import annotations

from torch import Tensor, nn

from transfer.methods.base import Method


class Supervised(Method):
    """Cross-entropy of both views' classes."""

    def build(self, dim: int, classes: int) -> None:
        """Classifier."""
        if classes < 2:
            raise ValueError(
                "The supervised method expected pictures of at least two classes, found "
                f"{classes}: unlabelled pictures train the other methods only (of STL-10, take "
                "stl10-train)."
            )
        self.classifier = nn.Linear(dim, classes)
        self.criterion = nn.CrossEntropyLoss()

    def loss(self, views: list[Tensor], labels: Tensor) -> Tensor:
        """Mean cross-entropy of the two views."""
        logits = [self.classifier(self.backbone(view)).float() for view in views]
        loss: Tensor = sum(self.criterion(each, labels) for each in logits) / len(logits)
        return loss
