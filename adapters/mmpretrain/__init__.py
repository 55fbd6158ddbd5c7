"""Adds AugSelf to MMPretrain's algorithms from a config file: ``model = dict(type='AugSelf', …)``.

A config file names this module in ``custom_imports``, puts ``RecordedMultiView`` in MultiView's
place and has its records packed; nothing else of the file changes.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import Tensor, nn

from augself_loss.errors import LossError, missing_extra
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.extend import extend
from augself_loss.hosting.pairing import Views
from augself_loss.hosting.settings import Settings
from augself_loss.loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder, mark_of

try:
    from mmengine.model import BaseAveragedModel
    from mmpretrain.models import BaseSelfSupervisor
    from mmpretrain.registry import MODELS

    from augself_loss.adapters.mmpretrain.data import (
        KorniaDataPreprocessor,
        RecordedMultiView,
        recorder_of,
    )
    from augself_loss.adapters.mmpretrain.recorder import MMRecorder
    from augself_loss.adapters.mmpretrain.step import LOG, Step, last_map
except ImportError as error:
    raise missing_extra(__name__, "mmpretrain", "mmpretrain") from error

__all__ = [
    "KorniaDataPreprocessor",
    "MMRecorder",
    "RecordedMultiView",
    "add_augself",
    "build_augself",
]

Algorithm = TypeVar("Algorithm", bound=nn.Module)


@MODELS.register_module(name="AugSelf")  # type: ignore[untyped-decorator]
def build_augself(
    algorithm: str | type | Mapping[str, Any],
    augself: Mapping[str, Any] | None = None,
    **config: Any,
) -> Any:
    """Build an algorithm with the AugSelf term, from ``dict(type='AugSelf', …)``.

    Args:
        algorithm: the algorithm's ``type``, all its other keys staying where they are (so that
            the file may inherit them by ``_base_``); or its whole dict.
        augself: the term: ``weights`` (type name → λ), ``pipeline`` (the data set's, whose ranges
            and records are read; not with a ``KorniaDataPreprocessor``), ``taps`` and ``views``
            as :func:`add_augself`'s, ``feature_dim`` (default: the neck's ``in_channels``), and
            any option of :class:`~augself_loss.loss.AugSelfLoss`; ``pool`` is ``mean`` here.
        **config: the algorithm's own keys: ``backbone``, ``neck``, ``head``, …

    Returns:
        The algorithm, with its own parameter names and ``augself.*``.

    Raises:
        LossError: an unknown type, tap or view, no pipeline, or no feature width.
        PipelineError: a pipeline that cannot be recorded, or whose records get lost.
        RecordError: the pipeline does not record what the term predicts.

    Example:
        >>> from mmengine.registry import init_default_scope
        >>> init_default_scope("mmpretrain")
        >>> view = [dict(type="RandomResizedCrop", scale=8), dict(type="RandomFlip", prob=0.5)]
        >>> pipeline = [
        ...     dict(type="RecordedMultiView", num_views=2, transforms=[view]),
        ...     dict(type="PackInputs", algorithm_keys=("aug_params",)),
        ... ]
        >>> neck = dict(type="NonLinearNeck", in_channels=512, hid_channels=8, out_channels=8)
        >>> neck["norm_cfg"] = dict(type="BN1d")
        >>> model = MODELS.build(
        ...     dict(
        ...         type="AugSelf",
        ...         algorithm="BarlowTwins",
        ...         augself=dict(weights=dict(crop=1.0), pipeline=pipeline),
        ...         backbone=dict(type="ResNet", depth=18),
        ...         neck=neck,
        ...         head=dict(type="LatentCrossCorrelationHead", in_channels=8,
        ...                   loss=dict(type="CrossCorrelationLoss")),
        ...     )
        ... )
        >>> model.augself.types
        ('crop',)
    """
    named = dict(algorithm) if isinstance(algorithm, Mapping) else {"type": algorithm}
    whole = {**config, **named}
    node = dict(augself or {})
    pipeline = node.pop("pipeline", None)
    settings = Settings.read(node, pool="mean", feature_dim=_feature_dim(whole))
    recorder = None if pipeline is None else recorder_of(pipeline)
    model = MODELS.build(whole)
    recorder = _recorder(model, recorder)
    loss = settings.loss(recorder.encoders)
    return add_augself(model, loss, recorder, taps=settings.taps, views=settings.views)


def add_augself(
    model: Algorithm,
    augself: AugSelfLoss,
    recorder: MultiViewRecorder,
    *,
    taps: Taps | None = None,
    views: Views = "global",
) -> Algorithm:
    """Add the AugSelf term to an algorithm that is built, in place.

    From then on ``loss`` reads the records of its batch, takes features from the named submodules
    and returns the term with its losses; ``parse_losses`` adds it and logs ``augself/total``,
    ``augself/base`` and each type. The heads are the submodule ``augself``; all other names stay.

    Args:
        model: one of MMPretrain's self-supervised algorithms.
        augself: the term; build it with ``encoders=recorder.encoders`` and ``pool='mean'``.
        recorder: of ``RecordedMultiView`` or of the model's ``KorniaDataPreprocessor``.
        taps: names of the submodules that take images and return features; default the backbone,
            and its momentum copy where a view only sees that (MoCo). Of a loss of several depths a
            dict, depth → such names: ``{"layer3": "backbone.layer3", "backbone": "backbone"}``.
        views: which views are paired: the ``global`` ones (those with the most pixels), ``all``,
            or a list of indices.

    Returns:
        The model itself, its class extended.

    Raises:
        LossError: no self-supervised algorithm, one that has the term already, an unknown tap.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the loss's ranges do not hold the recorder's.
    """
    if not isinstance(model, BaseSelfSupervisor):
        raise LossError(
            "AugSelf expected one of MMPretrain's self-supervised algorithms (SimCLR, BYOL, …), "
            f"found {type(model).__name__}. Set another model type, or leave augself out."
        )
    host: Any = model
    on_device = isinstance(host.data_preprocessor, KorniaDataPreprocessor)
    step = Step.beside(
        host, augself, recorder, _backbones(model) if taps is None else taps, views,
        count=len(recorder.recorders), read=last_map,
        mark=None if on_device else mark_of(recorder.layout),
    )  # fmt: skip
    if on_device:
        host.data_preprocessor.records = True
    extend(host, _training)
    host.augself, host.augself_step = augself, step
    return model


def _feature_dim(config: Mapping[str, Any]) -> int | None:
    neck = config.get("neck")
    return neck.get("in_channels") if isinstance(neck, Mapping) else None


def _recorder(model: Any, recorder: MultiViewRecorder | None) -> MultiViewRecorder:
    preprocessor: Any = getattr(model, "data_preprocessor", None)
    on_device = isinstance(preprocessor, KorniaDataPreprocessor)
    if on_device == (recorder is not None):
        raise LossError(
            "AugSelf expected either augself=dict(pipeline=train_pipeline), with "
            "RecordedMultiView in that pipeline, or a data_preprocessor of type "
            f"'KorniaDataPreprocessor', found {'both' if on_device else 'neither'}."
        )
    return preprocessor.recorder if recorder is None else recorder


def _backbones(model: nn.Module) -> list[str]:
    """Name the backbone and its momentum copies, which algorithms keep as ``(backbone, neck)``."""
    known = dict(model.named_modules())
    averaged = [name for name, module in known.items() if isinstance(module, BaseAveragedModel)]
    copies = [f"{name}.module.0" for name in averaged]
    kind = type(known["backbone"])
    return ["backbone", *(name for name in copies if isinstance(known.get(name), kind))]


def _training(host: Any) -> Mapping[str, Any]:
    """Say what an algorithm with the term does otherwise."""

    @functools.wraps(host.loss)
    def loss(self: Any, inputs: Any, data_samples: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        views = step.separate(inputs, data_samples)
        with step.watch(self, views):
            losses = host.loss(self, views, data_samples, *args, **kwargs)
            return {**losses, **step.term(self.augself)}

    @functools.wraps(host.parse_losses)
    def parse_losses(self: Any, losses: dict[str, Any]) -> tuple[Tensor, dict[str, Any]]:
        # MMEngine would add up every key with "loss" in it, a user's own type among them.
        terms = {name: value for name, value in losses.items() if name.startswith(LOG)}
        loss, logged = host.parse_losses(self, {k: v for k, v in losses.items() if k not in terms})
        if terms:
            base, loss = loss, loss + terms[f"{LOG}total"]
            logged.update({"loss": loss, f"{LOG}base": base, **terms})
        return loss, logged

    @functools.wraps(host.train_step)
    def train_step(self: Any, data: Any, optim_wrapper: Any) -> Any:
        several = optim_wrapper.values() if hasattr(optim_wrapper, "values") else ()
        optimizers = [wrapper.optimizer for wrapper in list(several) or [optim_wrapper]]
        self.augself_step.check_optimizers(self.augself, optimizers)
        return host.train_step(self, data, optim_wrapper)

    @functools.wraps(host.init_weights)
    def init_weights(self: Any) -> None:
        # Keep the heads out of the host's initialization: it would draw for their layers too.
        heads = self._modules.pop("augself")
        try:
            host.init_weights(self)
        finally:
            self._modules["augself"] = heads

    return {"loss": loss, "parse_losses": parse_losses, "train_step": train_step,
            "init_weights": init_weights}  # fmt: skip
