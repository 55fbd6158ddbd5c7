"""VISSL's collator ``augself_collator``: runs another one and passes the records on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from vissl.data.collators import get_collator, register_collator

from augself_loss.adapters.vissl.transform import KEY, NAME
from augself_loss.errors import PipelineError, RecordError

COLLATOR = "augself_collator"
MIXING = ("multicrop_mixup_collator", "cutmixup_collator")
"""VISSL's collators that make one image of two."""


@register_collator(COLLATOR)  # type: ignore[untyped-decorator]
def augself_collator(
    batch: Sequence[Mapping[str, Any]], name: str, params: Mapping[str, Any]
) -> dict[str, Any]:
    """Collate samples as VISSL's own collator does, and stack their records.

    Args:
        batch: samples with their packed records, ``(N, P)`` int32 each.
        name: the collator that the config names.
        params: its COLLATE_FUNCTION_PARAMS.

    Returns:
        That collator's batch, and the records ``(B, N, P)``.

    Raises:
        RecordError: samples without records.
    """
    if any(KEY not in sample for sample in batch):
        raise RecordError(
            f"augself_collator expected samples with their records, found {list(batch[0])}. Wrap "
            f"DATA.TRAIN.TRANSFORMS in '{NAME}', or start with AugSelf's launcher, which does it."
        )
    bare = [{key: held for key, held in sample.items() if key != KEY} for sample in batch]
    collated: dict[str, Any] = get_collator(name, params)(bare)
    return {**collated, KEY: torch.stack([sample[KEY] for sample in batch])}


def check_collator(name: str) -> None:
    """Refuse a collator whose images have no record of their own.

    Raises:
        PipelineError: it mixes images.
    """
    if name in MIXING:
        raise PipelineError(
            f"AugSelf expected a collator that does not mix images, found '{name}': a mix of two "
            "images has no parameters to predict. Use simclr_collator, multicrop_collator or "
            "moco_collator."
        )
