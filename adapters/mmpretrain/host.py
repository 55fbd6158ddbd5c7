"""What the MMPretrain adapter takes from MMPretrain, MMCV and MMEngine, in one place."""

from __future__ import annotations

from augself_loss.errors import missing_extra

try:
    import mmcv.transforms as mmcv_transforms
    import mmpretrain.datasets.transforms as mmpretrain_transforms
    from mmcv.transforms import BaseTransform, Compose
    from mmengine import dist
    from mmengine.model import BaseAveragedModel
    from mmengine.utils import get_object_from_string
    from mmpretrain.datasets.transforms import MultiView
    from mmpretrain.models import BaseSelfSupervisor, SelfSupDataPreprocessor
    from mmpretrain.registry import MODELS, TRANSFORMS
except ImportError as error:
    raise missing_extra("augself_loss.adapters.mmpretrain", "mmpretrain", "mmpretrain") from error

__all__ = [
    "MODELS",
    "TRANSFORMS",
    "BaseAveragedModel",
    "BaseSelfSupervisor",
    "BaseTransform",
    "Compose",
    "MultiView",
    "SelfSupDataPreprocessor",
    "dist",
    "get_object_from_string",
    "mmcv_transforms",
    "mmpretrain_transforms",
]
