"""Relatives of AugSelf that use the same record: one file per method.

:class:`~augself_loss.objectives.cassle.ConditionedProjector` (CASSLE) gives a projector the
augmentation of its own view, :class:`~augself_loss.objectives.equimod.EquiMod` predicts a view's
embedding from the plain image's, :class:`~augself_loss.objectives.stl.STL` reads the transformation
from pairs of features, :class:`~augself_loss.objectives.care.CARE` keeps angles between images that
are augmented alike, :class:`~augself_loss.objectives.essl.ESSL` tells how a view is turned.
"""

from __future__ import annotations

from augself_loss.objectives.base import Objective
from augself_loss.objectives.care import CARE
from augself_loss.objectives.cassle import ConditionedProjector
from augself_loss.objectives.condition import Condition
from augself_loss.objectives.equimod import EquiMod
from augself_loss.objectives.essl import ESSL, four_rotations
from augself_loss.objectives.generated import GeneratedMLP
from augself_loss.objectives.parts import mlp, nt_xent
from augself_loss.objectives.stl import STL
from augself_loss.objectives.together import Objectives

__all__ = [
    "CARE", "ESSL", "STL", "Condition", "ConditionedProjector", "EquiMod", "GeneratedMLP",
    "Objective", "Objectives", "four_rotations", "mlp", "nt_xent",
]  # fmt: skip
