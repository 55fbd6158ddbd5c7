"""What the compared ways are called, in tables and where aims look for them."""

from __future__ import annotations

KORNIA, TORCHVISION = "Kornia", "torchvision v2"
FUSED, FUSED_COMPILED = "fused", "fused, compiled"
PRODUCTS = "products"
SEPARATE, GROUPED, COMPILED = "heads one by one", "heads grouped", "compiled"
"""The term's."""
ALONE, RECORDER, STEP = "Kornia alone", "recorder", "AugSelf step"
"""What waits for the device as often as Kornia does."""


def with_augself(way: str) -> str:
    """Name the step that has the term."""
    return f"{way}, AugSelf"
