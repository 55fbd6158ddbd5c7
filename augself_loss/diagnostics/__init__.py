"""What the features know of the augmentations: two questions, each the other's inverse.

:func:`read_parameters`: which parameters lie between two views, given the features of both?
:func:`equivariance`: what are the second view's features, given the first's and the parameters?

Needs scikit-learn.
"""

from augself_loss.diagnostics.equivariance import Predictor, Transformed, equivariance
from augself_loss.diagnostics.ranking import Ranks, Retrieval, rank_predictions
from augself_loss.diagnostics.readout import ALPHAS, Probe, Readout, read_parameters
from augself_loss.diagnostics.replayed import Replays, equivariance_by_replay, transformed

__all__ = [
    "ALPHAS",
    "Predictor",
    "Probe",
    "Ranks",
    "Readout",
    "Replays",
    "Retrieval",
    "Transformed",
    "equivariance",
    "equivariance_by_replay",
    "rank_predictions",
    "read_parameters",
    "transformed",
]
