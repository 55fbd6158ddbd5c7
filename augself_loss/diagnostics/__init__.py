"""What the features know of the augmentations.

Needs scikit-learn.
"""

from augself_loss.diagnostics.readout import ALPHAS, Probe, Readout, read_parameters

__all__ = ["ALPHAS", "Probe", "Readout", "read_parameters"]
