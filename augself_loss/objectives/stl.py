"""STL: the transformation is read from a pair of features, and carried over to another picture.

Images come in partners (2k, 2k + 1), whose views were made by the same draws. With t(f1 ⊕ f2) the
transformation 1→2 and W(·) a matrix made of it:

    f̂2 = W(t of the partner's pair) f1,  and the other way round
    L = λe · NT-Xent(g_e(f), g_e(f̂)) + λt · NT-Xent(g_t(t of even), g_t(t of odd))

Reference: Yu et al., *Self-supervised Transformation Learning for Equivariant Representations*,
NeurIPS 2024.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_numbers, check_whole
from augself_loss.draws import undisturbed
from augself_loss.objectives.alike import Alike
from augself_loss.objectives.base import Objective
from augself_loss.objectives.parts import mlp, nt_xent
from augself_loss.parameters import Record
from augself_loss.pooling import Pool


class Predicted(NamedTuple):
    """STL's intermediate results, ``(B, …)`` each.

    Args:
        forth: transformation 1→2.
        back: transformation 2→1.
        first: view 1's features, predicted from view 2's.
        second: view 2's features, predicted from view 1's.
    """

    forth: Tensor
    back: Tensor
    first: Tensor
    second: Tensor


class STL(Objective):
    """The equivariance and the transformation terms; the base loss is yours.

    Args:
        feature_dim: width D of the features.
        hidden_dim: hidden width of the projectors.
        embedding_dim: width of what NT-Xent compares.
        transformation_dim: width r of a transformation.
        rank: ``None``: W is a full D × D matrix, whose weights, D² · r, outgrow a backbone.
            Otherwise the identity plus a sum of that many outer products, 2 · D · rank · r weights.
        temperature: τ.
        equivariance: λe. A term at 0 is not computed, and its value is 0.
        transformation: λt, likewise.
        shared: record entries that partners have in common; checked on the first batch. Without
            records, and with ``()``, it is your word that partners share their draws.
        pool: turns maps and tokens into ``(B, D)``.

    Example:
        >>> stl = STL(16, hidden_dim=32, embedding_dim=8, transformation_dim=8)
        >>> one, two = torch.randn(2, 4, 16)
        >>> record = {"crop": torch.rand(2, 4).repeat_interleave(2, dim=0)}  # of two partners each
        >>> sorted(stl([one, two], [record, record]).terms)
        ['equivariance', 'transformation']
    """

    def __init__(
        self,
        feature_dim: int,
        *,
        hidden_dim: int = 512,
        embedding_dim: int = 128,
        transformation_dim: int = 128,
        rank: int | None = None,
        temperature: float = 0.2,
        equivariance: float = 1.0,
        transformation: float = 0.1,
        shared: Sequence[str] = ("crop", "color", "grayscale"),
        pool: Pool | None = None,
    ) -> None:
        weights = {"equivariance": equivariance, "transformation": transformation}
        super().__init__(weights, pool, feature_dim=feature_dim)
        dim, width = check_whole("feature_dim", feature_dim), transformation_dim
        self.rank = None if rank is None else check_whole("rank", rank)
        (self.temperature,) = check_numbers("temperature", [temperature], above=0)
        self.alike, self.read = Alike("STL", 2, tuple(shared)), dict.fromkeys(shared)
        with undisturbed():
            self.encode = mlp([2 * dim, width, width])
            self.make = nn.Linear(width, dim * (dim if rank is None else 2 * rank), bias=False)
            self.equivariance_mlp = mlp([dim, hidden_dim, embedding_dim])
            self.transformation_mlp = mlp([width, width, width])

    def terms(
        self,
        features: Sequence[Tensor],
        records: Sequence[Record],
        third: Tensor | None = None,  # noqa: ARG002
    ) -> dict[str, Tensor]:
        """Compute the terms, unweighted, by name; one whose λ is 0 costs nothing and is 0."""
        one, two = self.alike.views(features, records)
        silent = self.lambdas.silent() or ()
        dtype = torch.promote_types(one.dtype, torch.float32)
        terms = dict.fromkeys(self.weights, one.new_zeros((), dtype=dtype))
        read = self._read(one, two)
        if "equivariance" not in silent:
            one, two, *mine = self.heard(["equivariance"], one, two, *read)
            terms["equivariance"] = self._equivariance(one, two, self._moved(one, two, *mine))
        if "transformation" not in silent:
            terms["transformation"] = self._transformation(*self.heard(["transformation"], *read))
        return terms

    def predict(self, features1: Tensor, features2: Tensor) -> Predicted:
        """Read both transformations, and apply each partner's to the other's features."""
        self.alike.views([features1, features2])
        read = self._read(features1, features2)
        return Predicted(*read, *self._moved(features1, features2, *read))

    def _read(self, one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
        """Read the transformations 1→2 and 2→1."""
        return self.encode(torch.cat([one, two], dim=1)), self.encode(torch.cat([two, one], dim=1))

    def _moved(self, one: Tensor, two: Tensor, forth: Tensor, back: Tensor) -> list[Tensor]:
        """Predict view 1's features and view 2's, by the partners' transformations."""
        return [self._carry(_swapped(back), two), self._carry(_swapped(forth), one)]

    def _equivariance(self, one: Tensor, two: Tensor, predicted: Sequence[Tensor]) -> Tensor:
        one, two, *made = [self.equivariance_mlp(view) for view in (one, two, *predicted)]
        return nt_xent(torch.cat([one, two]), torch.cat(made), self.temperature)

    def _transformation(self, forth: Tensor, back: Tensor) -> Tensor:
        even, odd = (self.transformation_mlp(torch.cat([forth[i::2], back[i::2]])) for i in (0, 1))
        return nt_xent(even, odd, self.temperature)

    def _carry(self, transformation: Tensor, features: Tensor) -> Tensor:
        """Apply the matrix of every row's transformation to its features."""
        made, dim = self.make(transformation), features.shape[1]
        if self.rank is None:
            return torch.einsum("bij,bj->bi", made.view(-1, dim, dim), features)
        out, into = made.view(-1, 2, dim, self.rank).unbind(1)
        inner = torch.einsum("bjr,bj->br", into, features)
        return features + torch.einsum("bir,br->bi", out, inner)


def _swapped(rows: Tensor) -> Tensor:
    """Exchange partners: rows 2k and 2k + 1."""
    return rows.view(-1, 2, rows.shape[1]).flip(1).flatten(0, 1)
