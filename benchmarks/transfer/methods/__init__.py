"""The methods that are compared, built from Lightly's parts, one a file."""

from __future__ import annotations

from transfer.config import Config
from transfer.methods.base import Method
from transfer.methods.byol import BYOL
from transfer.methods.moco import MoCo
from transfer.methods.simclr import SimCLR
from transfer.methods.simsiam import SimSiam
from transfer.methods.supervised import Supervised
from transfer.methods.swav import SwAV

CLASSES: dict[str, type[Method]] = {
    "simsiam": SimSiam,
    "simclr": SimCLR,
    "moco": MoCo,
    "byol": BYOL,
    "swav": SwAV,
    "supervised": Supervised,
}


def build(config: Config, classes: int) -> Method:
    """Build a run's method.

    Args:
        config: the run's settings.
        classes: how many classes its pictures have.
    """
    return CLASSES[config.method](config, classes)
