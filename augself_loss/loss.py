"""AugSelfLoss: the heads, their weights, and the auxiliary loss they give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, overload

import torch
from torch import Tensor

from augself_loss.arguments import check_choice, check_types, check_weights, check_whole
from augself_loss.checks import (
    check_augmented,
    check_fit,
    check_predictions,
    check_recorder,
    check_records,
    check_values,
    entries_read,
)
from augself_loss.constant_types import warn_of_constants
from augself_loss.depths import Depths, FeatureDim, Pools, Reads
from augself_loss.encoders import Encoder, Preset, default_encoders
from augself_loss.encoders.base import Recorded
from augself_loss.functional import (
    Pairs,
    check_pairs,
    ordered_pairs,
    pair_records,
    term_losses,
    weighted_sum,
)
from augself_loss.heads import Heads
from augself_loss.lambdas import Lambdas, rename_old
from augself_loss.learned_width import learn_from_features, learn_from_released, learn_from_saved
from augself_loss.optimizers import check_optimizers
from augself_loss.output import Output
from augself_loss.parameters import Record
from augself_loss.pooling import Pool
from augself_loss.silence import gated, silent_output
from augself_loss.trained_with import TrainedWith
from augself_loss.views import Features, as_views, with_detached

__all__ = ["AugSelfLoss", "CheckValues", "Output"]

CheckValues: TypeAlias = Literal["first", "always", "never"]


class AugSelfLoss(TrainedWith):
    """Predict the difference of two views' augmentation parameters from their features.

    Its heads hold parameters: put them into your optimizer, DDP wrapper and checkpoint, and call
    :meth:`check_optimizer` to be sure.

    Args:
        feature_dim: width D of the backbone's output, before the projector. If omitted, the first
            features set it, or a loaded checkpoint: until then the first layers have no shape,
            which DDP, FSDP and some optimizers (Adagrad, Muon) refuse. A dict names several depths
            of the backbone, ``{"layer3": 1024, "backbone": 2048}``: a view's features are then a
            dict with these names.
        weights: type name → λ ≥ 0; a type at 0 adds nothing, not even a NaN. The types are those
            of the encoders: crop, flip, color, blur, rotation, … Default: crop and color at 1.
        hidden_dim: width of the heads' hidden layers.
        preset: ``paper`` gives the released code's targets; ``default`` replaces the defective
            ones, see docs/differences.md.
        encoders: replacements for the encoders of their name, or encoders for augmentations of
            your own. A recorder has its pipeline's: ``encoders=recorder.encoders``. For two
            pipelines, pass both recorders'; the ranges of shared types are united.
        symmetric: compare both orders of every pair and average.
        pairs: with more than two views, ``all`` pairs, the ``first`` with every other, or a list.
        detach_second: stop the gradient into the second features of a pair (momentum encoders).
        pool: turns maps ``(B, D, H, W)``, ``(B, D, T, H, W)`` and tokens ``(B, N, D)`` into
            vectors: ``mean`` over all places or tokens; ``cls``, the first token;
            ``Patches(prefix=1)``, a ViT's patches without its class token; ``mean_channels_last``
            for maps ``(B, H, W, D)``; ``2``, the means of 2 × 2 places, see :class:`Grid`. ``None``
            accepts ``(B, D)`` only. With several depths, one for all or a dict.
        depths: type name → the depth that its head reads, or a list of depths, whose vectors are
            concatenated; default: the last one in ``feature_dim``.
        check_values: when to check the values of features and records (one device sync each):
            on the ``first`` batch, ``always``, or ``never``. Skipped while compiling.

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

    def __init__(  # noqa: PLR0913 - every one can be said alone
        self,
        feature_dim: FeatureDim = None,
        weights: Mapping[str, float] | None = None,
        *,
        hidden_dim: int = 512,
        preset: Preset = "default",
        encoders: Iterable[Encoder] = (),
        symmetric: bool = True,
        pairs: Pairs = "all",
        detach_second: bool = False,
        pool: Pools = None,
        depths: Reads | None = None,
        check_values: CheckValues = "first",
    ) -> None:
        super().__init__()
        hidden_dim = check_whole("hidden_dim", hidden_dim)
        check_choice("preset", preset, ("default", "paper"))
        check_choice("check_values", check_values, ("first", "always", "never"))
        check_pairs(pairs)
        weights = {"crop": 1.0, "color": 1.0} if weights is None else weights
        known = default_encoders(encoders)
        check_weights(weights, known)
        self.encoders = {name: e.under(preset) for name, e in known.items() if name in weights}
        self.depths = Depths(feature_dim, pool, depths, self.types)
        self.symmetric, self.pairs, self.detach_second = symmetric, pairs, detach_second
        self.check_values = check_values
        widths = {name: encoder.width for name, encoder in self.encoders.items()}
        self.heads = Heads(self.depths.head_widths(), widths, hidden_dim)
        self.heads.read_columns(self.depths.columns())
        self.lambdas = Lambdas({name: weights[name] for name in self.encoders})
        self.trained_with = {name: repr(encoder) for name, encoder in self.encoders.items()}
        self._values_checked = False

    @property
    def types(self) -> tuple[str, ...]:
        """Names of the predicted types, in order."""
        return tuple(self.encoders)

    @property
    def feature_dim(self) -> int | dict[str, int | None] | None:
        """Width D of the features, per depth if there are several; ``None`` until learned."""
        return self.depths.feature_dim

    @property
    def pool(self) -> Pool | dict[str, Pool | None] | None:
        """How maps and tokens become vectors, per depth if there are several."""
        return self.depths.pool

    @property
    def weights(self) -> dict[str, float]:
        """Type name → λ. Change them with :meth:`set_weights`."""
        return self.lambdas.read()

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change some weights during training (schedules): no recompilation, no sync.

        Call it on every process, and between steps: a term computed before cannot be run backward
        after. Build a resumed run with its original weights; its checkpoint brings these back.

        Args:
            weights: type name → new λ ≥ 0; types left out keep theirs.

        Raises:
            LossError: a type that this loss was not built with, or an invalid weight.
        """
        check_weights(weights, self.types)
        self.lambdas.set(weights)

    def reset_parameters(self) -> None:
        """Restore the weights that it was built with; the heads' layers reset themselves."""
        self.lambdas.reset_parameters()

    @overload
    def forward(
        self, features1: Features, features2: Features, record1: Record, record2: Record, *,
        pairs: Pairs | None = ..., types: Sequence[str] | None = ...,
    ) -> Output: ...  # fmt: skip
    @overload
    def forward(
        self, features: Sequence[Features], records: Sequence[Record], *,
        pairs: Pairs | None = ..., types: Sequence[str] | None = ...,
    ) -> Output: ...  # fmt: skip
    def forward(
        self, *given: Any, pairs: Pairs | None = None, types: Sequence[str] | None = None,
        **named: Any,
    ) -> Output:  # fmt: skip
        """Compute the auxiliary loss of two views, or of a list of views.

        ``augself(features1, features2, record1, record2)`` or ``augself([f1, …], [r1, …])``.

        Args:
            *given: either form. Features are ``(B, D)`` (or maps and tokens, see ``pool``), one
                tensor per view; with several depths, one dict of tensors per view. Records lie on
                the features' device, one per view.
            pairs: replaces the pairs that the loss was built with.
            types: compute only these types; default all.
            **named: either form by name, ``features1`` … ``record2`` or ``features, records``.

        Returns:
            :class:`Output` with ``total`` and ``terms``.

        Raises:
            FeatureError: features of the wrong rank, width, batch size, device or values.
            RecordError: a record that lacks a type, or is of another batch or pipeline.
            LossError: fewer than two views, wrong pairs, or unknown types.
        """
        views, records = as_views(given, named)
        encoders = self._chosen(types)
        chosen = self.pairs if pairs is None else pairs
        order = ordered_pairs(len(records), chosen, symmetric=self.symmetric)
        zeros = self.lambdas.silent()
        quiet = zeros is not None and zeros.issuperset(encoders)
        features = self._vectors(views, quiet=quiet)
        read = entries_read(encoders)
        check_records(encoders, records, features[0], read)
        looking = self._looks()
        if looking:
            check_values(features, records, read)
        if quiet and self.training and len(features[0]) == 1:  # too few for the batch norms
            return silent_output(encoders, features[0].device, *features, *self.heads.parameters())
        weights = self.lambdas.on(features[0].device, tuple(encoders))
        silent = zeros or ()
        read_pairs = order
        if self.detach_second:
            features, read_pairs = with_detached(features, order, symmetric=self.symmetric)
        predictions = self.heads(features, read_pairs, tuple(encoders), silent)
        if zeros is None:
            predictions = gated(predictions, weights)
        if looking:
            learning = [name for name in predictions if name not in silent]
            check_predictions([predictions[name] for name in learning])
            if not self._values_checked:
                warn_of_constants(learning, records, stacklevel=4)
            self._values_checked = True
        terms = term_losses(encoders, predictions, *pair_records(records, order, read))
        return Output(weighted_sum(terms, weights, zeros=zeros is None or bool(zeros)), terms)

    def predict(self, features1: Features, features2: Features) -> dict[str, Tensor]:
        """Predict each type's difference 1→2 in the target's units (plots, metrics).

        Args:
            features1: features of view 1, ``(B, D)``; with several depths, a dict of them.
            features2: features of view 2.

        Returns:
            Type name → ``(B, width)``: values in [−1, 1], or probabilities.
        """
        features = self._vectors([features1, features2])
        raw = self.heads(features, [(0, 1)])
        return {name: encoder.readout(raw[name]) for name, encoder in self.encoders.items()}

    def shape_heads(self, features: Sequence[Features]) -> None:
        """Learn D from a batch's features, as a call does, if nothing set it."""
        self._vectors(features)

    def check_optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Refuse optimizers that lack the heads: the classic mistake.

        Args:
            *optimizers: all optimizers of the run.

        Raises:
            LossError: none of them holds some head parameter.
        """
        check_optimizers(optimizers, {"heads": self.heads})

    def check_recorder(self, recorder: Recorded) -> None:
        """Refuse a recorder that cannot serve this loss.

        Args:
            recorder: any recorder, or any object with ``layout`` and ``encoders``.

        Raises:
            RecordError: it does not record what the loss predicts; or, of several views, none of
                its pipelines augments it.
            EncoderError: it samples from wider ranges than the loss was built for.
        """
        check_augmented([name for name, weight in self.weights.items() if weight], recorder)
        check_recorder(self.encoders, recorder)

    def load_released_heads(self, state_dicts: Mapping[str, Mapping[str, Tensor]]) -> None:
        """Load heads that the released AugSelf code saved.

        Args:
            state_dicts: type name, the released code's (crop, color, flip, blur, rot, sol) or
                ours → state dict of that MLP, keys ``0.weight`` … ``6.bias``.

        Raises:
            LossError: a type that this loss lacks, or weights of other shapes.
        """
        learn_from_released(self.depths, self.heads, state_dicts)
        self.heads.load_released(state_dicts)

    def extra_repr(self) -> str:
        """Show the types and how views are compared."""
        return f"types={self.types}, symmetric={self.symmetric}, pairs={self.pairs!r}"

    def _vectors(self, features: Sequence[Features], *, quiet: bool = False) -> list[Tensor]:
        """Turn features into vectors, refuse what does not fit, learn D if nothing set it."""
        found, dims = self.depths.vectors(features)
        check_fit(found[0], self.heads, training=self.training and not quiet)
        learn_from_features(self.depths, self.heads, dims)
        return found

    def _chosen(self, types: Sequence[str] | None) -> dict[str, Encoder]:
        chosen = self.types if types is None else check_types(types, self.types)
        return {name: encoder for name, encoder in self.encoders.items() if name in chosen}

    def _looks(self) -> bool:
        """Say whether to look at values, which waits for the device."""
        first = self.check_values == "first" and not self._values_checked
        return (first or self.check_values == "always") and not torch.compiler.is_compiling()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        learn_from_saved(self.depths, self.heads, state_dict, f"{prefix}heads.")
        rename_old(state_dict, prefix, self.types)
        super()._load_from_state_dict(state_dict, prefix, *args)
