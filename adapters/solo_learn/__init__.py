"""Adds AugSelf to solo-learn: ``SoloRecorder(transform)`` and ``add_augself(model, …)``.

Serves the methods that pretrain in solo-learn 1.0.2 (PyPI) and 1.0.6 (source). They are
LightningModules, so a step is what :mod:`augself_loss.adapters.lightning` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

from augself_loss.adapters.solo_learn.recorder import COMMAND, SoloRecorder
from augself_loss.errors import LossError, missing_package
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.extend import extend
from augself_loss.hosting.pairing import Views
from augself_loss.loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder

try:
    from solo.methods.base import BaseMethod

    from augself_loss.adapters import lightning
    from augself_loss.adapters.solo_learn.random_state import KeepRandomState
except ImportError as error:
    raise missing_package(__name__, "solo-learn and what it imports", COMMAND) from error

__all__ = ["KeepRandomState", "SoloRecorder", "add_augself"]

Method = TypeVar("Method", bound=nn.Module)

BACKBONES = ("backbone", "encoder")
"""What solo-learn calls a method's backbone: in 1.0.6, and in 1.0.2."""
IMAGES = 1
"""A batch is (indices, views, targets)."""


def add_augself(
    model: Method,
    augself: AugSelfLoss,
    recorder: MultiViewRecorder,
    *,
    taps: Taps | None = None,
    views: Views = "global",
    on_device: bool = False,
    log: str | None = "augself",
    in_order: bool = False,
) -> Method:
    """Add the AugSelf term to one of solo-learn's methods, in place.

    :func:`augself_loss.adapters.lightning.add_augself` describes what happens to a step. The heads
    become an entry of the method's ``learnable_params``, so its optimizer's learning rate and
    weight decay are theirs too.

    Args:
        model: ``METHODS[name](...)``, before the Trainer gets it.
        augself: the term: ``AugSelfLoss(model.features_dim, weights, encoders=recorder.encoders)``.
        recorder: the :class:`SoloRecorder` that is the data set's transform or, with
            ``on_device``, a :class:`~augself_loss.recording.multiview.MultiViewRecorder` of Kornia
            pipelines.
        taps: name of the submodule that returns the features, ``(B, features_dim)``; default the
            method's backbone. solo-learn's momentum methods show it every large view, so their
            online features are paired as well. With several depths, a dict, depth → name.
        views: which views are paired: the ``global`` ones (the large crops), ``all``, or a list.
        on_device: augment on the device; the data set then returns single images.
        log: prefix of the logged ``total``, ``base`` and terms; ``None`` logs nothing.
        in_order: your word that the taps' rows keep the views' order.

    Returns:
        The model itself, its class extended.

    Raises:
        LossError: no pretraining method (linear evaluation has no term), one that already has the
            term, or an unknown tap or view.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the recorder's ranges exceed the loss's.

    Example:
        In ``main_pretrain.py``, below ``transform = ...``::

            transform = SoloRecorder(transform)
            weights = {"crop": 1.0, "color": 1.0}  # 1.0.6: dict(cfg.augself)
            augself = AugSelfLoss(model.features_dim, weights, encoders=transform.encoders)
            add_augself(model, augself, transform)
    """
    if not isinstance(model, BaseMethod):
        raise LossError(
            "add_augself expected one of solo-learn's pretraining methods (a BaseMethod), found "
            f"{type(model).__name__}. Call it where the backbone is pretrained, not for linear "
            "evaluation."
        )
    children = dict(model.named_children())
    backbone = next((name for name in BACKBONES if name in children), BACKBONES[0])
    lightning.add_augself(
        model, augself, recorder, taps=backbone if taps is None else taps, views=views,
        on_device=on_device, images=IMAGES, log=log, in_order=in_order,
    )  # fmt: skip
    extend(model, _learning)
    return model


def _learning(host: Any) -> Mapping[str, Any]:
    """Give the heads to the method's own optimizer."""

    def learnable_params(self: Any) -> list[dict[str, Any]]:
        heads = {"name": "augself", "params": self.augself.parameters()}
        return [*host.learnable_params.fget(self), heads]

    return {"learnable_params": property(learnable_params)}
