"""Takes features from named submodules while a training step runs, and finds their names."""

from __future__ import annotations

from augself_loss.hosting.tap_finder import find_taps
from augself_loss.hosting.tap_table import FoundTap, FoundTaps
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.untap import untap

__all__ = ["FeatureTaps", "FoundTap", "FoundTaps", "find_taps", "untap"]
