"""Adds AugSelf to a LightningModule, unchanged: ``add_augself(module, augself, recorder)``.

Works with ``lightning`` and with ``pytorch_lightning``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from torch import nn

from augself_loss.adapters.lightning.host import host_classes
from augself_loss.adapters.lightning.random_state import KeepRandomState
from augself_loss.adapters.lightning.share import KeepGradientShare
from augself_loss.adapters.lightning.step import Step
from augself_loss.errors import LossError
from augself_loss.hosting.batches import At, Place
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.extend import extend
from augself_loss.hosting.pairing import Views
from augself_loss.hosting.term import loss_in, plus
from augself_loss.loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder

__all__ = ["AugSelfMixin", "KeepGradientShare", "KeepRandomState", "add_augself"]

Module = TypeVar("Module", bound=nn.Module)

EVALUATION = ("validation_step", "test_step", "predict_step")
HOSTS = host_classes("LightningModule")


def add_augself(
    module: Module,
    augself: AugSelfLoss,
    recorder: MultiViewRecorder,
    *,
    taps: Taps,
    views: Views = "global",
    on_device: bool = False,
    images: At = 0,
    log: str | None = "augself",
    in_order: bool = False,
) -> Module:
    """Add the AugSelf term to a LightningModule's training step, in place.

    From then on the module takes the records off every batch before its own step sees it, takes
    features from the named submodules while that step runs, and adds the term to the loss that it
    returns (or, in manual optimization, to the first loss given to ``manual_backward``). The heads
    become the submodule ``augself``: they are moved, wrapped by DDP, averaged and checkpointed with
    the module. If the module's own ``configure_optimizers`` did not take them, they join the
    optimizer group of the tapped submodule's last weights that has a learning rate, and the log
    (``augself_loss.optimizers``, at INFO) says which.

    Call it on an instance, or with ``self`` at the end of the module's ``__init__`` (then
    ``load_from_checkpoint`` works too).

    Args:
        module: a LightningModule.
        augself: the term; build it with ``encoders=recorder.encoders``.
        recorder: what makes the views: the transform of the data set, or, ``on_device``, a
            :class:`~augself_loss.recording.multiview.MultiViewRecorder` of Kornia pipelines.
        taps: name of the submodule that returns the features before the projector, ``(B, D)``; of
            several, a view's features are those of the first one that saw it. MoCo:
            ``("backbone", "backbone_momentum")``. Of a loss of several depths a dict, depth → such
            names: ``{"layer3": "backbone.layer3", "backbone": "backbone"}``.
        views: which views are paired, as ``augself.pairs`` says: the ``global`` ones (those with
            the most pixels), ``all``, or a list of indices.
        on_device: run the recorder on the batch's images in ``on_after_batch_transfer``, while
            training; uint8 images are divided by 255.
        images: where in the batch the views or images are: an index, a key, ``None`` for the
            batch itself, or a path, ``("unlabelled", 0)``, where several loaders feed the module.
        log: prefix of the logged ``total``, ``base`` and terms; ``None`` logs nothing.
        in_order: your word that the taps' rows keep the views' order, for a module that changes
            views before the taps see them, see :class:`~augself_loss.taps.FeatureTaps`.

    Returns:
        The module itself, its class extended.

    Raises:
        LossError: no LightningModule, one that has the term already, an unknown tap or view, or
            a training step that reads the data loader itself.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the loss's ranges do not hold the recorder's.

    Example:
        >>> import lightning.pytorch as pl
        >>> import kornia.augmentation as K
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> class Host(pl.LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
        ...     def training_step(self, batch, batch_idx):
        ...         (view1, view2), _ = batch
        ...         return (self.backbone(view1) - self.backbone(view2)).square().mean()
        >>> recorder = MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip()))
        >>> host = add_augself(
        ...     Host(), AugSelfLoss(8, {"flip": 1.0}), recorder, taps="backbone", on_device=True
        ... )
        >>> host.augself.types
        ('flip',)
    """
    _check(module, recorder)
    host: Any = module
    step = Step.beside(
        host, augself, recorder, taps, views, count=len(recorder.recorders), in_order=in_order,
        place=Place(images), device_recorder=recorder if on_device else None, log=log,
    )  # fmt: skip
    extend(host, _training)
    if on_device:
        extend(host, _on_device)
    host.augself, host.augself_step = augself, step
    return module


class AugSelfMixin:
    """For a LightningModule of your own: ``class Mine(AugSelfMixin, LightningModule)``.

    Offers :func:`add_augself` as a method, to be called at the end of ``__init__``.
    """

    def add_augself(
        self, augself: AugSelfLoss, recorder: MultiViewRecorder, **options: Any
    ) -> None:
        """Add the term to this module, see :func:`add_augself`."""
        if not isinstance(self, nn.Module):
            raise LossError(
                f"AugSelfMixin expected to extend a LightningModule, found {type(self).__name__}."
            )
        add_augself(self, augself, recorder, **options)


def _check(module: object, recorder: object) -> None:
    if not isinstance(module, HOSTS):
        raise LossError(
            f"add_augself expected a LightningModule, found {type(module).__name__}. Add the term "
            "before torch.compile wraps the module; outside of Lightning use with_augself."
        )
    step: Any = module.training_step
    if "dataloader_iter" in inspect.signature(step).parameters:
        raise LossError(
            "add_augself expected a training_step that takes a batch, found one that takes "
            "'dataloader_iter'. Add the term in it yourself: split_views and AugSelfLoss."
        )
    if not isinstance(recorder, MultiViewRecorder):
        raise LossError(
            "add_augself expected the MultiViewRecorder (or LightlyRecorder) that makes the views, "
            f"found {type(recorder).__name__}. Wrap it: MultiViewRecorder(recorder)."
        )


def _training(host: Any) -> Mapping[str, Any]:
    """Say what a module with the term does otherwise; Lightning reads the steps' signatures."""

    @functools.wraps(host.training_step)
    def training_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        batch, views = step.separate(batch)
        with step.watch(self, views):
            output = host.training_step(self, batch, *args, **kwargs)
            if not self.automatic_optimization:
                step.check_manual()
            elif output is not None:
                output = plus(output, step.term(self, loss_in(output)))
        return output

    @functools.wraps(host.manual_backward)
    def manual_backward(self: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        if step.waiting:
            loss = loss_in(loss) + step.term(self, loss_in(loss))
        return host.manual_backward(self, loss, *args, **kwargs)

    @functools.wraps(host.configure_optimizers)
    def configure_optimizers(self: Any) -> Any:
        configured = host.configure_optimizers(self)
        self.augself_step.join(self, self.augself, configured)
        return configured

    return {
        "training_step": training_step,
        "manual_backward": manual_backward,
        "configure_optimizers": configure_optimizers,
        **_evaluation(host),
    }


def _evaluation(host: Any) -> dict[str, Any]:
    """Let the steps that the module has of its own see batches without records."""

    def stripping(own: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(own)
        def evaluation_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
            return own(self, self.augself_step.place.stripped(batch), *args, **kwargs)

        return evaluation_step

    own = [n for n in EVALUATION if all(getattr(host, n) is not getattr(h, n) for h in HOSTS)]
    return {name: stripping(getattr(host, name)) for name in own}


def _on_device(host: Any) -> Mapping[str, Any]:
    """Augment what arrived on the device, while training."""

    @functools.wraps(host.on_after_batch_transfer)
    def on_after_batch_transfer(self: Any, batch: Any, dataloader_idx: int) -> Any:
        batch = host.on_after_batch_transfer(self, batch, dataloader_idx)
        step: Step = self.augself_step
        if step.device_recorder is None or not self.trainer.training:
            return batch
        return step.place.augmented(batch, step.device_recorder, self.dtype)

    return {"on_after_batch_transfer": on_after_batch_transfer}
