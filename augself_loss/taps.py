"""Takes features from named submodules while a training step runs: where users import it from."""

from __future__ import annotations

from augself_loss.hosting.taps import FeatureTaps

__all__ = ["FeatureTaps"]
