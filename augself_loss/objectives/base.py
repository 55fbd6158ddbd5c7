"""What all objectives share: one call form, λ per term, and the checks before training."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_weights, check_whole
from augself_loss.checks import Read, check_entry, check_values, entries_read
from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Recorded
from augself_loss.errors import FeatureError
from augself_loss.first_layer import fitted
from augself_loss.functional import weighted_sum
from augself_loss.lambdas import Lambdas
from augself_loss.objectives.given import by_lambdas, check_forms, check_lambdas
from augself_loss.optimizers import Named, check_optimizers
from augself_loss.output import Output
from augself_loss.parameters import Record, is_dense_float
from augself_loss.pooling import Pool, as_pool, pooled
from augself_loss.silence import cut, gated, silent_output, unheard
from augself_loss.trained_with import TrainedWith
from augself_loss.untouched import as_built

PLAIN = frozenset(
    {nn.Sequential, nn.Linear, nn.BatchNorm1d, nn.LayerNorm, nn.ReLU, nn.Identity, nn.SyncBatchNorm}
)
"""Layers that compute where their weights lie."""


class Objective(TrainedWith, Named, ABC):
    """A term beside a base loss, called like :class:`~augself_loss.loss.AugSelfLoss`.

    Args:
        weights: term name → λ ≥ 0; with all at 0 nothing is computed.
        pool: turns maps and tokens into ``(B, D)``, as in ``AugSelfLoss``.
        feature_dim: width D of the features; ``None`` takes any.
        encoders: encoders of the types that the term reads; the first batch's values are checked
            against their ranges.

    Attributes:
        third_view: in a word, what the third view must be, beside the two that are compared;
            ``None`` if the term needs none.
        read: record entries that the term reads → the encoder that knows their ranges, if any.
        least_views: how many views it compares at least, beside the third; with 1, a host that
            makes one view per image will do.
        reads_views: whether it needs their features.

    Raises:
        LossError: invalid weights or an invalid pool.
    """

    third_view: str | None = None
    least_views: int = 2
    reads_views: bool = True

    def __init__(
        self,
        weights: Mapping[str, float],
        pool: Pool | None = None,
        *,
        feature_dim: int | None = None,
        encoders: Iterable[Encoder] = (),
    ) -> None:
        super().__init__()
        check_weights(weights, weights)
        self.lambdas = Lambdas(weights)
        self.pool = as_pool(pool)
        self.feature_dim = None if feature_dim is None else check_whole("feature_dim", feature_dim)
        self.read: Read = entries_read({encoder.name: encoder for encoder in encoders})
        self._values_checked = False

    @property
    def weights(self) -> dict[str, float]:
        """Term name → λ. Change them with :meth:`set_weights`."""
        return self.lambdas.read()

    @property
    def silent(self) -> bool:
        """Whether every λ is 0, so that neither features nor a third view are needed."""
        return not any(self.weights.values())

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change some λ during training, see :meth:`AugSelfLoss.set_weights`.

        Args:
            weights: term name → new λ ≥ 0, by the names of ``weights``.

        Raises:
            LossError: a term that this objective does not have, or an invalid weight.
        """
        check_lambdas(type(self).__name__, weights, self.weights)
        self.lambdas.set(weights)

    def prepare(self, images: Tensor) -> Tensor:
        """Turn a third view's images into what the backbone is to see."""
        return images

    def check_third(self, record: Record) -> None:
        """Refuse a third view made otherwise than this objective wants; the base takes any.

        Args:
            record: the third view's. A host calls this in the first step.

        Raises:
            RecordError: it was made otherwise.
        """

    def forward(
        self,
        features: Sequence[Tensor] = (),
        records: Sequence[Record] = (),
        third: Tensor | None = None,
    ) -> Output:
        """Compute the term.

        Args:
            features: a list of the views', ``(B, D)`` each, or what ``pool`` turns into that.
                They are brought to the networks' dtype.
            records: a list of theirs.
            third: features of what :meth:`prepare` made of the third view.

        Returns:
            :class:`~augself_loss.loss.Output`: ``total``, the scalar to add to your loss, and
            ``terms``, unweighted.

        Raises:
            FeatureError: features of another shape or device or, in the first batch, that are not
                finite; or a third view's are missing, or not wanted.
            RecordError: no list of dicts; a record that lacks an entry, or is of another batch or
                device; in the first batch, values that the pipeline cannot draw.
            LossError: :meth:`terms` returned other names than those of ``weights``.
        """
        if not torch.compiler.is_compiling() and self.silent:
            device = self._device or _device_of(features, third)
            return silent_output(self.weights, device, *self.parameters())
        name = type(self).__name__
        check_forms(name, features, records, reads=self.reads_views)
        if (third is None) != (self.third_view is None):
            raise FeatureError(
                f"{name} expected no third view, found third=. Leave it out."
                if self.third_view is None
                else f"{name} expected third=, the backbone's features of {self.third_view}, found "
                "none. Pass third=backbone(objective.prepare(images))."
            )
        vectors = [pooled(view, self.pool) for view in features]
        beside = None if third is None else pooled(third, self.pool)
        self._check(vectors, records, beside)
        vectors = [self._fitted(view) for view in vectors]
        beside = None if beside is None else self._fitted(beside)
        silent = self.lambdas.silent()
        if silent is None:  # compiled: only the device knows λ
            vectors = self.heard(tuple(self.weights), *vectors)
            beside = None if beside is None else self.heard(tuple(self.weights), beside)[0]
        terms = by_lambdas(name, self.terms(vectors, records, beside), self.weights)
        lambdas = self.lambdas.on(next(iter(terms.values())).device, tuple(terms))
        if silent is None:
            terms = gated(terms, lambdas)
        for term in silent or ():  # not even its NaN counts, and DDP finds its networks
            terms[term] = cut(terms[term].detach(), *self.parameters())
        return Output(weighted_sum(terms, lambdas), terms)

    def heard(self, terms: Sequence[str], *given: Tensor) -> list[Tensor]:
        """Return what some terms alone read; it passes no gradient back while their λ are 0.

        For :meth:`terms` of several terms, lest NaN from a silent one's networks reach what the
        others read. Only compiled objectives need it: else a silent term's gradient ends at it.

        Args:
            terms: their names.
            *given: tensors, on one device.
        """
        if self.lambdas.silent() is not None or not given:
            return list(given)
        weight = self.lambdas.on(given[0].device, terms).sum()
        return [unheard(one, weight) for one in given]

    def fits(
        self, features: Sequence[Tensor], records: Sequence[Record], third: Tensor | None
    ) -> None:
        """Refuse what does not fit together; arguments as in a call, pooled to ``(B, D)``."""

    @abstractmethod
    def terms(
        self, features: Sequence[Tensor], records: Sequence[Record], third: Tensor | None
    ) -> dict[str, Tensor]:
        """Compute the terms, unweighted, by name; arguments as in a call, pooled to ``(B, D)``."""

    def check_optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Refuse optimizers that lack the objective's networks.

        Raises:
            LossError: none of them holds some parameter.
        """
        networks = {n: one for n, one in self.named_children() if one is not self.lambdas}
        check_optimizers(optimizers, networks, self.networks_called)

    def check_recorder(self, recorder: Recorded) -> None:
        """Refuse a recorder that cannot serve this objective; the base class accepts any.

        Raises:
            RecordError: it does not record what is needed.
        """

    def _check(
        self, features: Sequence[Tensor], records: Sequence[Record], third: Tensor | None
    ) -> None:
        """Refuse what does not fit; look once at values, which waits for the device."""
        name = type(self).__name__
        _check_vectors(name, features, self.feature_dim)
        self.fits(features, records, third)
        given = {f"features{number}": view for number, view in enumerate(features, start=1)}
        device = self._device
        for where, view in (given if third is None else {**given, "third=": third}).items():
            if not is_dense_float(view):
                raise FeatureError(
                    f"{name} expected {where} as a floating-point tensor, found {view.dtype} "
                    f"({view.layout})."
                )
            if view.device != device and self._stays:
                raise FeatureError(
                    f"{name} expected {where} on {device}, where its weights are, found "
                    f"{view.device}. Call .to('{view.device}') on it."
                )
        for number, record in enumerate(records if features else (), start=1):
            for entry, known in self.read.items():
                if entry in record:
                    columns = None if known is None else known.columns
                    check_entry(record[entry], columns, f"record{number}['{entry}']", features[0])
        if self._values_checked or torch.compiler.is_compiling():
            return
        check_values([view for view in features if view.numel()], records, self.read)
        check_values([v for v in [third] if v is not None and v.numel()], (), {}, "third=")
        self._values_checked = True

    def _fitted(self, features: Tensor) -> Tensor:
        """Bring features to the networks' dtype: those of a backbone in half precision."""
        dtype = next((p.dtype for p in self.parameters()), features.dtype)
        return features if features.dtype == dtype else fitted(features, dtype)

    @property
    def _device(self) -> torch.device | None:
        return next((p.device for p in self.parameters()), None)

    @property
    def _stays(self) -> bool:
        """Whether the networks compute where they lie: no wrapper brings them when called."""
        networks = [m for one in self.children() if one is not self.lambdas for m in one.modules()]
        plain = all(type(m) in PLAIN and as_built(m, type(m)) for m in networks)
        return plain and self._device is not None


def check_pairs(name: str, features: Sequence[Tensor], records: Sequence[Record]) -> None:
    """Refuse views without a record each.

    Args:
        name: the objective's, for the message.
        features: ``(B, D)`` each.
        records: one per view.

    Raises:
        FeatureError: no views, or not one record per view.
    """
    if not features or len(features) != len(records):
        raise FeatureError(
            f"{name} expected features and records of the same views, found {len(features)} and "
            f"{len(records)}. Pass one record per view."
        )


def _device_of(features: object, third: object) -> torch.device | None:
    """Find where a step's features are; one that nothing is computed of may hold anything."""
    given = [*features, third] if isinstance(features, (list, tuple)) else [third]
    return next((one.device for one in given if isinstance(one, Tensor)), None)


def _check_vectors(name: str, features: Iterable[Tensor], dim: int | None) -> None:
    shapes = [tuple(view.shape) for view in features]
    wrong = any(len(shape) != 2 or dim not in (None, shape[1]) for shape in shapes)
    if wrong or len(set(shapes)) > 1:
        raise FeatureError(
            f"{name} expected features (B, {dim or 'D'}) with the same shape for all views, found "
            f"{shapes}. For maps and tokens set pool='mean'; for another width set feature_dim."
        )
