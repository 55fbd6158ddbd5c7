"""Adds AugSelf to a Trainer of Hugging Face's Transformers: ``add_augself(trainer, …)``."""

from __future__ import annotations

from typing import Any, TypeVar

from augself_loss.errors import LossError, missing_extra
from augself_loss.hosting.batches import At, Place
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.extend import extend
from augself_loss.hosting.in_sync import InSync, keep_apart
from augself_loss.hosting.objectives import check_multiview, check_once, check_shaped
from augself_loss.hosting.pairing import Views
from augself_loss.loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder

try:
    import transformers
except ImportError as error:
    raise missing_extra(__name__, "transformers", "transformers") from error

from augself_loss.adapters.transformers.layers import training
from augself_loss.adapters.transformers.step import Step

__all__ = ["add_augself"]

T = TypeVar("T")


def add_augself(
    trainer: T,
    augself: AugSelfLoss,
    recorder: MultiViewRecorder,
    *,
    taps: Taps,
    views: Views = "global",
    on_device: bool = False,
    images: At = "pixel_values",
    log: str | None = "augself",
    in_order: bool = False,
) -> T:
    """Add the AugSelf term to a Trainer's loss, in place, whether it computes it or the model does.

    From then on the Trainer takes the records off every training batch before the model sees it,
    captures features from the named submodules while ``compute_loss`` runs, and adds the term. The
    heads become the model's submodule ``augself``: they are in its optimizer and its checkpoints,
    and their gradients are clipped with the model's. Evaluation sees batches without records, with
    ``on_device`` the images as they are, and its loss has no term.

    Args:
        trainer: a ``transformers.Trainer``, or one of a subclass, with its model.
        augself: the term; build it with ``encoders=recorder.encoders``.
        recorder: makes the views: the data set's transform or, with ``on_device``, a
            :class:`~augself_loss.recording.multiview.MultiViewRecorder` of Kornia pipelines.
        taps: name of the model's submodule that returns the features before the projector,
            ``(B, D)``. Of several, a view's features are those of the first that saw it. With
            several depths, a dict, depth → such names.
        views: which views are paired, as ``augself.pairs`` says: the ``global`` ones (those with
            the most pixels), ``all``, or a list of indices.
        on_device: run the recorder on the images of every training batch, where the model is;
            uint8 images are divided by 255.
        images: where in the batch the views or images are: a key, or a path of keys and indices.
        log: prefix of ``total``, ``base`` and terms in the Trainer's log, means of this process
            since it logged last; ``None`` logs none.
        in_order: your word that the taps' rows keep the views' order, for a model that changes
            views before the taps see them, see :class:`~augself_loss.taps.FeatureTaps`.

    Returns:
        The Trainer itself, its class extended.

    Raises:
        LossError: no Trainer, one that has a term already or whose model has an ``augself``, an
            unknown tap or view, a loss without ``feature_dim``, or a Trainer that makes its model
            anew, shards it, or copies it to several devices.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the recorder's ranges exceed the loss's.

    Example:
        >>> import kornia.augmentation as K
        >>> from torch import nn
        >>> from transformers import TrainingArguments
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> class Model(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
        ...     def forward(self, pixel_values):
        ...         first, second = (self.backbone(view) for view in pixel_values)
        ...         return {"loss": (first - second).square().mean()}
        >>> arguments = TrainingArguments("runs", use_cpu=True, report_to=[])
        >>> trainer = transformers.Trainer(Model(), arguments)
        >>> recorder = MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip()))
        >>> augself = AugSelfLoss(8, {"flip": 1.0}, encoders=recorder.encoders)
        >>> trainer = add_augself(trainer, augself, recorder, taps="backbone", on_device=True)
        >>> trainer.model.augself.types
        ('flip',)
    """
    _check(trainer, recorder)
    host: Any = trainer
    step = Step.beside(
        host.model, augself, recorder, taps, views, count=len(recorder.recorders),
        in_order=in_order, place=Place(images), device_recorder=recorder if on_device else None,
        log=log, in_sync=InSync(augself, host.model),
    )  # fmt: skip
    check_shaped(augself, "The Trainer")  # it counts parameters
    host.model.augself = augself.to(host.args.device)
    keep_apart(augself, host.model)  # the Trainer's DDP looks for unused parameters by default
    if host.optimizer is not None:
        step.join(host.model, augself, host.optimizer)
    extend(host, training)
    host.augself_step = step
    return trainer


def _check(trainer: Any, recorder: object) -> None:
    if not isinstance(trainer, transformers.Trainer):
        raise LossError(
            f"add_augself expected a transformers.Trainer, found {type(trainer).__name__}. In a "
            "loop of your own, with Accelerate too, use AugSelf."
        )
    check_once(trainer, "add_augself")
    check_multiview(recorder, "add_augself")
    if trainer.model_init is not None:
        raise LossError(
            "add_augself expected a Trainer with one model, found model_init, which makes the "
            "model anew and loses the heads. Pass model= instead."
        )
    if trainer.args.n_gpu > 1:
        raise LossError(
            f"add_augself expected one device per process, found {trainer.args.n_gpu}: the Trainer "
            "copies the model to each in threads. Start it by torchrun or accelerate launch, or "
            "show it one device (CUDA_VISIBLE_DEVICES=0)."
        )
    sharded = [n for n in ("deepspeed", "fsdp") if getattr(trainer, f"is_{n}_enabled", False)]
    if sharded:
        raise LossError(
            f"add_augself expected a model that is whole in every process, found {sharded[0]}. Use "
            "DDP, the default of torchrun; or FSDP in a loop of your own with AugSelf."
        )
