"""AugSelfLoss: the heads, their weights, and the auxiliary loss they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import torch
from einops import reduce
from torch import Tensor, nn

from augself_loss.checks import check_features, check_records, check_values, check_weights
from augself_loss.encoders import Encoder, Preset, default_encoders
from augself_loss.errors import LossError
from augself_loss.functional import (
    Pairs,
    ordered_pairs,
    stack_records,
    term_losses,
    weighted_sum,
)
from augself_loss.heads import Heads
from augself_loss.parameters import Record

Pool: TypeAlias = Literal["mean", "cls"]
CheckValues: TypeAlias = Literal["first", "always", "never"]

RELEASED_NAMES = {"rot": "rotation", "sol": "solarize"}
"""Names of the released code's heads that differ from ours."""


class Output(NamedTuple):
    """What the loss returns.

    Args:
        total: Σ λ_a · L_a, the scalar to add to the host's loss.
        terms: type name → L_a, unweighted scalars, to log.
    """

    total: Tensor
    terms: dict[str, Tensor]


class AugSelfLoss(nn.Module):
    """Predict the difference of two views' augmentation parameters from their features.

    Its heads hold parameters: put them into your optimizer, DDP wrapper and checkpoint, and call
    :meth:`check_optimizer` to be sure.

    Args:
        feature_dim: width D of the backbone's output, before the projector.
        weights: type name → λ ≥ 0. The types are those of the encoders: crop, flip, color, blur,
            rotation, solarize, grayscale, vertical_flip, … Default: crop and color at 1.
        hidden_dim: width of the heads' hidden layers.
        preset: ``paper`` gives the released code's targets; ``default`` differs where those are
            defective (see the README's "Where it differs from the released code").
        encoders: replace the encoder of their name, or add an augmentation of your own. A
            recorder knows its pipeline's: ``encoders=recorder.encoders``.
        symmetric: compare both orders of every pair and average.
        pairs: with more than two views, ``all`` pairs, the ``first`` with every other, or a list.
        detach_second: no gradient into the second features of a pair (momentum encoders).
        pool: for feature maps ``(B, D, H, W)`` and tokens ``(B, N, D)``: ``mean`` over places, or
            ``cls``, the first token. ``None`` accepts ``(B, D)`` only.
        check_values: when to look at the values of features and records (one device sync each):
            on the ``first`` batch, ``always``, or ``never``. Not done while compiling.

    Raises:
        LossError: no type, an unknown type, a weight that is negative or NaN, wrong dimensions.

    Example:
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> record = {"flip": torch.tensor([[0.0], [1.0], [1.0]])}
        >>> out = augself(torch.randn(3, 8), torch.randn(3, 8), record, record)
        >>> sorted(out.terms)
        ['flip']

    Reference:
        Lee et al., NeurIPS 2021, equation 1.
    """

    weight: Tensor

    def __init__(
        self,
        feature_dim: int,
        weights: Mapping[str, float] | None = None,
        *,
        hidden_dim: int = 512,
        preset: Preset = "default",
        encoders: Iterable[Encoder] = (),
        symmetric: bool = True,
        pairs: Pairs = "all",
        detach_second: bool = False,
        pool: Pool | None = None,
        check_values: CheckValues = "first",
    ) -> None:
        super().__init__()
        for name, size in (("feature_dim", feature_dim), ("hidden_dim", hidden_dim)):
            if isinstance(size, bool) or not isinstance(size, int) or size < 1:
                raise LossError(f"{name} expected a whole number >= 1, found {size!r}.")
        _check_choice("preset", preset, ("default", "paper"))
        _check_choice("pool", pool, (None, "mean", "cls"))
        _check_choice("check_values", check_values, ("first", "always", "never"))
        weights = {"crop": 1.0, "color": 1.0} if weights is None else dict(weights)
        known = default_encoders(encoders)
        check_weights(weights, known)
        self.encoders = {name: known[name].under(preset) for name in weights}
        self.feature_dim = feature_dim
        self.symmetric, self.pairs, self.detach_second = symmetric, pairs, detach_second
        self.pool, self.check_values = pool, check_values
        widths = {name: encoder.width for name, encoder in self.encoders.items()}
        self.heads = Heads(feature_dim, widths, hidden_dim)
        self.register_buffer("weight", torch.tensor(list(weights.values()), dtype=torch.float32))
        self._values_checked = False

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the types that are predicted, in order."""
        return tuple(self.encoders)

    @property
    def weights(self) -> dict[str, float]:
        """Type name → λ. Change them with :meth:`set_weights`."""
        return dict(zip(self.types, self.weight.tolist(), strict=True))

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change some weights during training (schedules); no recompilation, kept in the state.

        Args:
            weights: type name → new λ ≥ 0; types left out keep theirs.

        Raises:
            LossError: a type that this loss was not built with, or a weight that is no weight.
        """
        check_weights(weights, self.types)
        merged = {**self.weights, **weights}
        self.weight.copy_(torch.tensor([merged[name] for name in self.types]))

    def forward(
        self,
        features1: Tensor | Sequence[Tensor],
        features2: Tensor | Sequence[Record],
        record1: Record | None = None,
        record2: Record | None = None,
        *,
        pairs: Pairs | None = None,
        types: Sequence[str] | None = None,
    ) -> Output:
        """Compute the auxiliary loss of two views, or of a list of views.

        Two views: ``augself(features1, features2, record1, record2)``. More than two:
        ``augself([f1, f2, f3], [r1, r2, r3])``.

        Args:
            features1: features of view 1, ``(B, D)`` (or maps and tokens, see ``pool``); or the
                list of all views' features.
            features2: features of view 2; or the list of all views' records.
            record1: record of view 1, on the features' device.
            record2: record of view 2.
            pairs: other pairs than the loss was built with.
            types: compute these types only; default all.

        Returns:
            :class:`Output` with ``total`` and ``terms``.

        Raises:
            FeatureError: features of the wrong rank, width, batch size, device or values.
            RecordError: a record that lacks a type, or is of another batch or pipeline.
            LossError: fewer than two views, wrong pairs, or unknown types.
        """
        features, records = _as_views(features1, features2, record1, record2)
        encoders = self._chosen(types)
        views = [self._pooled(view) for view in features]
        self._check(encoders, views, records)
        order = ordered_pairs(len(views), self.pairs if pairs is None else pairs, symmetric=False)
        predictions, order = self._predict(views, order, encoders)
        names = _entry_names(records)
        record_a = stack_records([records[i] for i, _ in order], names)
        record_b = stack_records([records[j] for _, j in order], names)
        terms = term_losses(encoders, predictions, record_a, record_b)
        return Output(weighted_sum(terms, self._weights_of(encoders)), terms)

    def predict(self, features1: Tensor, features2: Tensor) -> dict[str, Tensor]:
        """Predict every type's difference 1→2 in the target's units (plots, metrics).

        Args:
            features1: features of view 1, ``(B, D)``.
            features2: features of view 2, ``(B, D)``.

        Returns:
            Type name → ``(B, width)``: values in [−1, 1], or probabilities.
        """
        views = [self._pooled(features1), self._pooled(features2)]
        check_features(views, self.feature_dim, training=self.training)
        raw = self.heads(*(self._cast(view) for view in views))
        return {name: encoder.readout(raw[name]) for name, encoder in self.encoders.items()}

    def check_optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Refuse optimizers that forgot the heads: the classic mistake.

        Args:
            *optimizers: all optimizers of the run.

        Raises:
            LossError: some head parameter is in none of them.
        """
        held = {id(p) for o in optimizers for group in o.param_groups for p in group["params"]}
        missing = [name for name, p in self.named_parameters() if id(p) not in held]
        if missing:
            raise LossError(
                f"The optimizer holds {len(held)} parameters, but not {len(missing)} of AugSelf's "
                f"heads (first: {missing[0]}): they would never learn. Pass them when you build "
                "it, [*model.parameters(), *augself.parameters()], or call "
                "optimizer.add_param_group({'params': augself.parameters()})."
            )

    def load_released_heads(self, state_dicts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load heads that the released AugSelf code saved.

        Args:
            state_dicts: the released code's type name (crop, color, flip, blur, rot, sol) or ours
                → state dict of that MLP, keys ``0.weight`` … ``6.bias``.

        Raises:
            LossError: a type that this loss lacks, or weights of other shapes.
        """
        for released, state in state_dicts.items():
            name = RELEASED_NAMES.get(released, released)
            if name not in self.heads:
                raise LossError(
                    f"Found a released head '{released}', expected types out of {self.types}. "
                    f"Build the loss with weights for '{name}'."
                )
            try:
                self.heads[name].load_state_dict(dict(state))
            except RuntimeError as error:
                raise LossError(
                    f"The released head '{released}' does not fit feature_dim={self.feature_dim} "
                    f"and this hidden_dim: {error}"
                ) from error

    def extra_repr(self) -> str:
        """Show the types and how views are compared."""
        return f"types={self.types}, symmetric={self.symmetric}, pairs={self.pairs!r}"

    def _chosen(self, types: Sequence[str] | None) -> dict[str, Encoder]:
        if types is None:
            return self.encoders
        unknown = [name for name in types if name not in self.encoders]
        if unknown or not types:
            raise LossError(f"types expected some of {self.types}, found {list(types)}.")
        return {name: self.encoders[name] for name in self.types if name in types}

    def _weights_of(self, encoders: Mapping[str, Encoder]) -> Tensor:
        if len(encoders) == len(self.encoders):
            return self.weight
        return torch.stack([self.weight[self.types.index(name)] for name in encoders])

    def _pooled(self, features: Tensor) -> Tensor:
        if self.pool is None or not isinstance(features, Tensor):
            return features
        if features.ndim == 4 and self.pool == "mean":
            return reduce(features, "b d h w -> b d", "mean")
        if features.ndim == 3:
            return (
                features[:, 0] if self.pool == "cls" else reduce(features, "b n d -> b d", "mean")
            )
        return features

    def _check(
        self, encoders: Mapping[str, Encoder], views: Sequence[Tensor], records: Sequence[Record]
    ) -> None:
        check_features(views, self.feature_dim, training=self.training)
        check_records(encoders, records, views[0])
        if torch.compiler.is_compiling() or self.check_values == "never":
            return
        if self.check_values == "always" or not self._values_checked:
            check_values(encoders, views, records)
            self._values_checked = True

    def _cast(self, features: Tensor) -> Tensor:
        """Bring features to the heads' dtype, unless autocast will choose it."""
        if torch.is_autocast_enabled(features.device.type):
            return features
        return features.to(next(self.heads.parameters()).dtype)

    def _predict(
        self,
        views: Sequence[Tensor],
        pairs: Sequence[tuple[int, int]],
        encoders: Mapping[str, Encoder],
    ) -> tuple[dict[str, Tensor], list[tuple[int, int]]]:
        """Run the heads on all ordered pairs, stacked along the batch as batch norm sees them."""
        cast = [self._cast(view) for view in views]
        left = [cast[i] for i, _ in pairs]
        right = [cast[j].detach() if self.detach_second else cast[j] for _, j in pairs]
        order = list(pairs)
        if self.symmetric:
            left, right = left + right, right + left
            order += [(j, i) for i, j in pairs]
        return self.heads(torch.cat(left), torch.cat(right), tuple(encoders)), order


def _check_choice(name: str, value: object, choices: tuple[object, ...]) -> None:
    if value not in choices:
        raise LossError(f"{name} expected one of {choices}, found {value!r}.")


def _as_views(
    features1: Tensor | Sequence[Tensor],
    features2: Tensor | Sequence[Record],
    record1: Record | None,
    record2: Record | None,
) -> tuple[list[Tensor], list[Record]]:
    """Read both call forms as a list of features and a list of records."""
    if isinstance(features1, Tensor) and isinstance(features2, Tensor):
        if record1 is None or record2 is None:
            raise LossError(
                "AugSelfLoss expected (features1, features2, record1, record2), found no record "
                "of one view. Pass what the recorder returned for both."
            )
        return [features1, features2], [record1, record2]
    if isinstance(features1, Tensor) or isinstance(features2, (Tensor, Mapping)):
        raise LossError(
            "AugSelfLoss expected two tensors and two records, or a list of features and a list "
            f"of records, found {type(features1).__name__} and {type(features2).__name__}."
        )
    features, records = list(features1), list(features2)
    if record1 is not None or record2 is not None or len(features) != len(records):
        raise LossError(
            f"AugSelfLoss expected one record per view, found {len(features)} features and "
            f"{len(records)} records."
        )
    return features, records


def _entry_names(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in records for name in record))
