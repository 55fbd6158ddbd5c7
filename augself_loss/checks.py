"""Refuses what does not fit, before any training time is spent.

Everything here but :func:`check_values` looks at shapes, dtypes and devices only: no sync.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from augself_loss.encoders import Encoder
from augself_loss.errors import FeatureError, LossError, RecordError
from augself_loss.parameters import Record


def check_weights(weights: Mapping[str, float], known: Iterable[str]) -> None:
    """Refuse no type at all, unknown types, and weights that are negative, infinite or NaN."""
    if not weights:
        raise LossError("weights expected at least one type, e.g. {'crop': 1.0}, found none.")
    for name, weight in weights.items():
        if name not in known:
            raise LossError(
                f"weights expected types out of {sorted(known)}, found '{name}'. For an "
                "augmentation of your own pass its encoder: encoders=[MyEncoder(...)]."
            )
        if isinstance(weight, bool) or not (math.isfinite(weight) and weight >= 0):
            raise LossError(
                f"The weight of '{name}' expected a finite number >= 0, found {weight}. "
                "Zero is fine, e.g. where a schedule starts."
            )


def check_features(features: Sequence[Tensor], feature_dim: int, *, training: bool) -> None:
    """Refuse features of the wrong rank, width, dtype, batch size or device."""
    for number, view in enumerate(features, start=1):
        where = f"features{number}"
        if not isinstance(view, Tensor):
            raise FeatureError(f"{where} expected a tensor (B, D), found {type(view).__name__}.")
        if not view.is_floating_point():
            raise FeatureError(f"{where} expected floating-point features, found {view.dtype}.")
        if view.ndim != 2:
            raise FeatureError(
                f"{where} expected (B, {feature_dim}), found {tuple(view.shape)}. For feature maps "
                "(B, D, H, W) or tokens (B, N, D) set pool='mean' (or 'cls' for the first token)."
            )
        if view.shape[1] != feature_dim:
            raise FeatureError(
                f"{where} expected width {feature_dim} (feature_dim), found {view.shape[1]}. Pass "
                "the backbone's output before the projector, or build the loss with "
                f"feature_dim={view.shape[1]}."
            )
        if view.shape[0] != features[0].shape[0]:
            raise FeatureError(
                "features1 and "
                f"{where} must have the same batch size, found {features[0].shape[0]} and "
                f"{view.shape[0]}."
            )
        if view.device != features[0].device:
            raise FeatureError(
                "features1 and "
                f"{where} must lie on one device, found {features[0].device} and {view.device}."
            )
    if features[0].shape[0] == 0:
        raise FeatureError("Expected at least one sample, found an empty batch.")
    if training and features[0].shape[0] == 1:
        raise FeatureError(
            "The heads' batch norm expected at least 2 samples in train mode, found 1. Drop the "
            "last batch (drop_last=True) or call .eval()."
        )


def check_records(encoders: Mapping[str, Encoder], records: Sequence[Record], like: Tensor) -> None:
    """Refuse records that lack an entry, or whose shape, dtype or device is not the features'."""
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise RecordError(f"record{number} expected a dict, found {type(record).__name__}.")
        for name, encoder in encoders.items():
            for entry in (name, *encoder.frame):
                if entry not in record:
                    reason = "" if entry == name else f", which '{name}' is measured in"
                    raise RecordError(
                        f"record{number} expected the entry '{entry}'{reason}, found "
                        f"{sorted(record)}. If that pipeline never applies it, have its recorder "
                        f"write the identity: types=['{entry}']; else drop '{name}' from weights."
                    )
            _check_entry(record[name], encoder, f"record{number}['{name}']", like)
            for entry in encoder.frame:
                _check_rows(record[entry], f"record{number}['{entry}']", like)


def _check_entry(entry: Tensor, encoder: Encoder, where: str, like: Tensor) -> None:
    _check_rows(entry, where, like)
    if entry.shape[1] != len(encoder.columns):
        raise RecordError(
            f"{where} expected (B, {len(encoder.columns)}) for {encoder.columns}, found "
            f"{tuple(entry.shape)}."
        )


def _check_rows(entry: Tensor, where: str, like: Tensor) -> None:
    if not isinstance(entry, Tensor) or not entry.is_floating_point() or entry.ndim != 2:
        found = f"{tuple(entry.shape)} {entry.dtype}" if isinstance(entry, Tensor) else type(entry)
        raise RecordError(f"{where} expected a floating-point tensor (B, columns), found {found}.")
    if entry.shape[0] != like.shape[0]:
        raise RecordError(
            f"{where} expected batch size {like.shape[0]} like the features, found "
            f"{entry.shape[0]}: it was recorded from another batch."
        )
    if entry.device != like.device:
        raise RecordError(
            f"{where} expected to lie on {like.device} like the features, found {entry.device}. "
            "Move the record with the batch."
        )


def check_values(
    encoders: Mapping[str, Encoder], features: Sequence[Tensor], records: Sequence[Record]
) -> None:
    """Refuse NaN and infinite features, and records from another pipeline. Reads them: a sync."""
    if features[0].is_meta:
        return
    for number, view in enumerate(features, start=1):
        if not bool(torch.isfinite(view).all()):
            raise FeatureError(
                f"features{number} holds NaN or infinite values; expected finite features. Look "
                "at the learning rate, the images' range and the precision of the backbone."
            )
    for record in records:
        for encoder in encoders.values():
            encoder.check(record)
