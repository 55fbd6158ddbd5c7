"""Refuses features and records that do not fit, before any training time is spent.

Everything here but :func:`check_values` and :func:`check_predictions` looks at shapes, dtypes and
devices only: no sync.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from augself_loss.encoders import BUILT_IN, Encoder
from augself_loss.encoders.base import Recorded
from augself_loss.errors import EncoderError, FeatureError, RecordError
from augself_loss.parameters import Record, identity_record, is_dense_float
from augself_loss.untouched import first_as_built

KNOWN = {kind.name: kind() for kind in BUILT_IN}
"""Entry name → an encoder that knows its range, for entries that a target only reads."""

Read: TypeAlias = Mapping[str, Encoder | None]
"""Entry that the targets read → the encoder that knows its columns and ranges, where one does."""

LARGEST_FEATURE = 1e15
"""Beyond this, the variance in the heads' batch norm may leave float32: it then divides by infinity
and passes on zeros, whatever the features were."""

POOL = (
    "Pool them first: pool='mean' for maps (B, D, H, W) or tokens (B, N, D), pool='cls' or "
    "Patches(prefix=1) for a ViT's tokens, pool='mean_channels_last' for maps (B, H, W, D). "
    "augself_loss.taps.find_taps(model, images) says which one fits."
)
"""What to do about features with more than two axes."""


def check_features(features: Sequence[Tensor], feature_dim: int, name: str = "features{}") -> None:
    """Refuse features of the wrong rank, width, dtype, batch size or device.

    Args:
        features: one per view.
        feature_dim: width D.
        name: what to call a view's, for its number.
    """
    for number, view in enumerate(features, start=1):
        where = name.format(number)
        if not isinstance(view, Tensor):
            raise FeatureError(f"{where} expected a tensor (B, D), found {type(view).__name__}.")
        if not is_dense_float(view):
            raise FeatureError(f"{where} expected floating-point features, found {_kind(view)}.")
        if view.ndim != 2:
            cure = POOL if view.ndim > 2 else "Pass a batch; of one sample features[None]."
            raise FeatureError(
                f"{where} expected shape (B, {feature_dim}), found {tuple(view.shape)}. {cure}"
            )
        if view.shape[1] != feature_dim:
            raise FeatureError(
                f"{where} expected width {feature_dim} (feature_dim), found {view.shape[1]}. Pass "
                "the backbone's output before the projector, or build the loss with "
                f"feature_dim={view.shape[1]}."
            )
        if view.shape[0] != features[0].shape[0]:
            raise FeatureError(
                f"{name.format(1)} and {where} expected the same batch size, found "
                f"{features[0].shape[0]} and {view.shape[0]}. Pass the features of two views of "
                "the same images."
            )
        if view.device != features[0].device:
            raise FeatureError(
                f"{name.format(1)} and {where} expected the same device, found "
                f"{features[0].device} and {view.device}. Move one of them with .to(...)."
            )


def check_fit(features: Tensor, heads: nn.ModuleDict, *, training: bool) -> None:
    """Refuse a batch too small for the heads' norms, and features that lie elsewhere than heads."""
    if features.shape[0] == 0:
        raise FeatureError(
            "AugSelf expected at least one sample, found an empty batch. Skip such a batch."
        )
    if training and features.shape[0] == 1:
        raise FeatureError(
            "AugSelf's heads expected at least 2 samples in train mode, for their batch norm, "
            "found 1. Drop the last batch (drop_last=True), or call augself.eval()."
        )
    head: Any = next(iter(heads.values()))
    if not first_as_built(head):
        return  # a wrapper may bring it when it is called
    device = head[0].weight.device
    if features.device != device:
        raise FeatureError(
            f"AugSelf's heads expected features on {device}, where the heads are, found "
            f"{features.device}. Call augself.to('{features.device}')."
        )


def entries_read(encoders: Mapping[str, Encoder]) -> Read:
    """List every record entry that the encoders' targets read, each once."""
    read: dict[str, Encoder | None] = {}
    for encoder in encoders.values():
        for entry in (encoder.name, *encoder.frame, *encoder.optional):
            if entry not in read:
                read[entry] = encoders.get(entry, KNOWN.get(entry))
    return read


def check_records(
    encoders: Mapping[str, Encoder],
    records: Sequence[Record],
    like: Tensor,
    read: Read,
) -> None:
    """Refuse records that lack an entry, or whose shape, dtype or device is not the features'.

    Args:
        encoders: type name → encoder.
        records: one per view.
        like: some view's features.
        read: the entries that the encoders read, see :func:`entries_read`.
    """
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise RecordError(
                f"record{number} expected a dict, found {type(record).__name__}. Pass the record "
                "that the recorder returned with the view."
            )
        for name, encoder in encoders.items():
            for entry in (name, *encoder.frame):
                if entry not in record:
                    reason = "" if entry == name else f", needed for '{name}'"
                    raise RecordError(
                        f"record{number} expected the entry '{entry}'{reason}, found "
                        f"{list(record)}. If this view's pipeline never applies it, build its "
                        f"recorder with types=['{entry}']; otherwise drop '{name}' from weights."
                    )
        for entry, known in read.items():
            if entry in record:
                columns = None if known is None else known.columns
                check_entry(record[entry], columns, f"record{number}['{entry}']", like)


def check_augmented(names: Iterable[str], recorder: Recorded) -> None:
    """Refuse types that no pipeline of a recorder of all views applies: they teach a constant.

    Args:
        names: types whose λ is not 0.
        recorder: one of several views; what a single view's lacks another's may apply.

    Raises:
        RecordError: a type that none applies.
    """
    if not hasattr(recorder, "recorders"):
        return
    applied = [encoder.name for encoder in recorder.encoders]
    for name in names:
        if name not in applied:
            near = [other for other in applied if other.startswith(name)]
            cure = f"Write {near[0]!r} in weights" if near else f"Drop {name!r} from weights"
            raise RecordError(
                f"The loss expected pipelines that augment '{name}', found that they augment "
                f"{applied}. {cure}, or add the augmentation."
            )


def check_recorder(encoders: Mapping[str, Encoder], recorder: Recorded) -> None:
    """Refuse records that lack what is predicted, or are sampled from wider ranges."""
    record = identity_record(recorder.layout, 2)
    check_records(encoders, [record], torch.empty(2, 1), entries_read(encoders))
    for pipeline in recorder.encoders:
        known = encoders.get(pipeline.name)
        if type(known) is type(pipeline) and not known.holds(pipeline):
            raise EncoderError(
                f"The loss's '{pipeline.name}' expected values in {known.ranges}, found a "
                f"pipeline that samples from {pipeline.ranges}. Build the loss with "
                "encoders=recorder.encoders."
            )


def _kind(tensor: Tensor) -> str:
    """Name a tensor's dtype, and its layout where that is not the usual one."""
    nested = "nested " if tensor.is_nested else ""
    layout = "" if tensor.layout is torch.strided else f" ({tensor.layout})"
    return f"{nested}{tensor.dtype}{layout}"


def check_entry(entry: Tensor, columns: tuple[str, ...] | None, where: str, like: Tensor) -> None:
    """Refuse a record's entry that is none, or is not of the features' batch and device."""
    if not isinstance(entry, Tensor):
        raise RecordError(
            f"{where} expected a floating-point tensor (B, columns), found "
            f"{type(entry).__name__}. Pass a record as its recorder returned it."
        )
    if not is_dense_float(entry) or entry.ndim != 2:
        raise RecordError(
            f"{where} expected a floating-point tensor (B, columns), found {tuple(entry.shape)} "
            f"{_kind(entry)}. Pass a record as its recorder returned it."
        )
    if columns is not None and entry.shape[1] != len(columns):
        raise RecordError(
            f"{where} expected shape (B, {len(columns)}) for {columns}, found "
            f"{tuple(entry.shape)}. Pass a record as its recorder returned it."
        )
    if entry.shape[0] != like.shape[0]:
        raise RecordError(
            f"{where} expected batch size {like.shape[0]} like the features, found "
            f"{entry.shape[0]}. Pass the record of the same batch."
        )
    if entry.device != like.device:
        raise RecordError(
            f"{where} expected device {like.device} like the features, found {entry.device}. Move "
            "the record with the batch."
        )


@torch.no_grad()  # a checkpointed loss is computed twice, and looks at the values once
def check_values(
    features: Sequence[Tensor],
    records: Sequence[Record],
    read: Read,
    name: str = "features{}",
) -> None:
    """Refuse NaN and infinite features, and records from another pipeline. Reads them: a sync."""
    if not features or features[0].is_meta:
        return
    for number, view in enumerate(features, start=1):
        where = name.format(number)
        largest = float(view.detach().abs().amax())
        if not math.isfinite(largest):
            raise FeatureError(
                f"{where} expected finite features, found NaN or infinity. Check the learning "
                "rate, the images' range and the precision of the backbone."
            )
        if largest > LARGEST_FEATURE:
            raise FeatureError(
                f"{where} expected values up to {LARGEST_FEATURE:g}, found {largest:.4g}: their "
                "variance would overflow float32. Lower the learning rate, or normalize the "
                "features."
            )
    for record in records:
        for entry, encoder in read.items():
            if encoder is not None and entry in record:
                encoder.check(record)


def check_predictions(predictions: Sequence[Tensor]) -> None:
    """Refuse heads that give NaN or infinity for finite features. Reads them: a sync."""
    if not predictions:
        return
    outputs = torch.cat([prediction.detach().flatten() for prediction in predictions])
    if not outputs.is_meta and not bool(torch.isfinite(outputs).all()):
        raise FeatureError(
            "Expected AugSelf's heads to return finite values for finite features, found NaN or "
            "infinity. In float16, values above 65504 overflow: normalize the features, or use "
            "bfloat16. Otherwise the heads' weights may be NaN: lower the learning rate."
        )
