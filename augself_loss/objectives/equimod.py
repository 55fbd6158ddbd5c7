"""EquiMod: a view's embedding is predicted from the plain image's and the view's parameters.

    y = e(f),  ŷ_i = p(y_0 ⊕ u(t_i)),  L = NT-Xent([y_1; y_2], [ŷ_1; ŷ_2])

Reference: Devillers and Lefort, *EquiMod: An Equivariance Module to Improve Self-Supervised
Learning*, ICLR 2023.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from augself_loss.checks import check_whole
from augself_loss.errors import FeatureError, LossError
from augself_loss.objectives.condition import Condition
from augself_loss.objectives.parts import mlp, nt_xent
from augself_loss.parameters import Record


class EquiMod(nn.Module):
    """The equivariance term; add λ times it (the paper: 1) to any base loss.

    Args:
        feature_dim: width D of the features.
        condition: makes the parameters t of a record; the paper takes them raw, in the source's
            frame, with applied flags and the jitter's order.
        hidden_dim: hidden width of the embedding's MLP.
        embedding_dim: width of the embeddings.
        temperature: τ of NT-Xent.
        mean: per column of t, to standardise it; default a batch norm without weights does.
        std: likewise.

    Raises:
        LossError: one of mean and std without the other, or not one number per column.

    Example:
        >>> from augself_loss import FlipEncoder
        >>> term = EquiMod(16, Condition([FlipEncoder()]), hidden_dim=32, embedding_dim=8)
        >>> plain, one, two = torch.randn(3, 4, 16)
        >>> record = {"flip": torch.tensor([[0.0], [1.0], [0.0], [1.0]])}
        >>> term(plain, [one, two], [record, record]).shape
        torch.Size([])
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        feature_dim: int,
        condition: Condition,
        *,
        hidden_dim: int = 2048,
        embedding_dim: int = 128,
        temperature: float = 0.2,
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        feature_dim = check_whole("feature_dim", feature_dim)
        self.condition, self.temperature = condition, temperature
        width = condition.width
        if any(len(given) != width for given in (mean, std) if given is not None) or (
            (mean is None) != (std is None)
        ):
            raise LossError(
                f"EquiMod expected mean and std of {width} columns, or neither of them, found "
                f"{mean!r} and {std!r}."
            )
        self.embed = mlp(
            [feature_dim, hidden_dim, hidden_dim, embedding_dim], last="norm without weights"
        )
        self.parameters_mlp = mlp([width, embedding_dim], last="norm")
        self.predict = mlp([2 * embedding_dim, embedding_dim], last="norm without weights")
        self.standardise: nn.Module = nn.Identity()
        if mean is None or std is None:
            self.standardise = nn.BatchNorm1d(width, affine=False)
        self.register_buffer("mean", torch.zeros(width) if mean is None else torch.tensor(mean))
        self.register_buffer("std", torch.ones(width) if std is None else torch.tensor(std))

    def forward(
        self, plain: Tensor, features: Sequence[Tensor], records: Sequence[Record]
    ) -> Tensor:
        """Predict every view's embedding from the plain image's, and find it among all.

        Args:
            plain: features ``(B, D)`` of the images without augmentation.
            features: of the views, ``(B, D)`` each.
            records: of the views.

        Returns:
            Scalar.

        Raises:
            FeatureError: not one record per view, or views of another batch.
        """
        if not features or len(features) != len(records):
            raise FeatureError(
                f"EquiMod expected features and records of the same views, found {len(features)} "
                f"and {len(records)}."
            )
        if any(one.shape != plain.shape for one in features):
            raise FeatureError(
                f"EquiMod expected all features as the plain images', {tuple(plain.shape)}, found "
                f"{[tuple(one.shape) for one in features]}."
            )
        return self.compare(plain, features, torch.cat([self.condition(r) for r in records]))

    def compare(self, plain: Tensor, features: Sequence[Tensor], condition: Tensor) -> Tensor:
        """Compute the term from parameters ``(views · B, P)`` that are made already."""
        views = len(features)
        first, rest = self.embed(torch.cat([plain, *features])).split(
            [len(plain), views * len(plain)]
        )
        standard = self.standardise((condition.to(self.mean) - self.mean) / self.std)
        made = self.parameters_mlp(standard.to(first.dtype))
        predicted = self.predict(torch.cat([first.repeat(views, 1), made], dim=1))
        return nt_xent(rest, predicted, self.temperature)
