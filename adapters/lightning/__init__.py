"""Adds AugSelf to a LightningModule, unchanged: ``add_augself(module, augself, recorder)``.

Works with ``lightning`` and with ``pytorch_lightning``; what a step does to a batch is in
:mod:`augself_loss.adapters.lightning.step`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from torch import nn

from augself_loss.adapters.lightning.host import host_classes
from augself_loss.adapters.lightning.random_state import KeepRandomState
from augself_loss.adapters.lightning.step import Step, loss_in, plus
from augself_loss.errors import LossError
from augself_loss.hosting.optimizers import join, optimizers_in
from augself_loss.hosting.pairing import Views, check_views
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.loss import AugSelfLoss
from augself_loss.recording.multiview import MultiViewRecorder

__all__ = ["AugSelfMixin", "KeepRandomState", "add_augself"]

Module = TypeVar("Module", bound=nn.Module)

EVALUATION = ("validation_step", "test_step", "predict_step")
HOSTS = host_classes("LightningModule")


def add_augself(
    module: Module,
    augself: AugSelfLoss,
    recorder: MultiViewRecorder,
    *,
    taps: str | Sequence[str],
    views: Views = "global",
    on_device: bool = False,
    images: int | str | None = 0,
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
            ``("backbone", "backbone_momentum")``.
        views: which views are paired, as ``augself.pairs`` says: the ``global`` ones (those with
            the most pixels), ``all``, or a list of indices.
        on_device: run the recorder on the batch's images in ``on_after_batch_transfer``, while
            training; uint8 images are divided by 255.
        images: where in the batch the views or images are: an index, a key, or ``None`` for the
            batch itself.
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
    _check_module(module)
    if not isinstance(augself, AugSelfLoss):
        raise LossError(
            f"add_augself expected an AugSelfLoss, found {type(augself).__name__}. Pass the loss "
            "itself, before it is compiled or wrapped."
        )
    if not isinstance(recorder, MultiViewRecorder):
        raise LossError(
            "add_augself expected the MultiViewRecorder (or LightlyRecorder) that makes the views, "
            f"found {type(recorder).__name__}. Wrap it: MultiViewRecorder(recorder)."
        )
    augself.check_recorder(recorder)
    check_views(views, len(recorder.recorders))
    device_recorder = recorder if on_device else None
    tapped = FeatureTaps(module, taps, in_order=in_order)
    step = Step(tapped, recorder.layout, views, images, device_recorder, log)
    host: Any = module
    cls: Any = type(module)
    host.__class__ = _extended(cls, on_device)
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


def _check_module(module: object) -> None:
    if not isinstance(module, HOSTS):
        raise LossError(
            f"add_augself expected a LightningModule, found {type(module).__name__}. Add the term "
            "before torch.compile wraps the module; outside of Lightning use with_augself."
        )
    if hasattr(module, "augself"):
        raise LossError(
            f"'{type(module).__name__}' has an 'augself' already; add_augself expected a module "
            "without one. Several types and pairs go into one AugSelfLoss."
        )
    step: Any = module.training_step
    if "dataloader_iter" in inspect.signature(step).parameters:
        raise LossError(
            "add_augself expected a training_step that takes a batch, found one that takes "
            "'dataloader_iter'. Add the term in it yourself: split_views and AugSelfLoss."
        )


@functools.cache
def _extended(host: Any, on_device: bool) -> Any:
    """Build the subclass that adds the term; it pickles as (original class, state)."""
    methods: dict[str, Any] = {
        "training_step": _training_step(host.training_step),
        "manual_backward": _manual_backward(host.manual_backward),
        "configure_optimizers": _configure_optimizers(host.configure_optimizers),
        "__reduce_ex__": lambda self, _: (_restored, (host, on_device), self.__getstate__()),
        "__module__": host.__module__,
        "__doc__": host.__doc__,
    }
    for name in EVALUATION:
        if all(getattr(host, name) is not getattr(base, name) for base in HOSTS):
            methods[name] = _evaluation_step(getattr(host, name))
    if on_device:
        methods["on_after_batch_transfer"] = _after_transfer(host.on_after_batch_transfer)
    return type(host.__name__, (host,), methods)


def _restored(host: Any, on_device: bool) -> Any:
    extended = _extended(host, on_device)
    return extended.__new__(extended)


def _training_step(host: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(host)
    def training_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        batch, views = step.separate(batch)
        with step.watch(self, views):
            output = host(self, batch, *args, **kwargs)
            if not self.automatic_optimization:
                step.check_manual()
            elif output is not None:
                output = plus(output, step.term(self, loss_in(output)))
        return output

    return training_step


def _manual_backward(host: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(host)
    def manual_backward(self: Any, loss: Any, *args: Any, **kwargs: Any) -> Any:
        step: Step = self.augself_step
        if step.waiting:
            loss = loss_in(loss) + step.term(self, loss)
        return host(self, loss, *args, **kwargs)

    return manual_backward


def _evaluation_step(host: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(host)
    def evaluation_step(self: Any, batch: Any, *args: Any, **kwargs: Any) -> Any:
        return host(self, self.augself_step.stripped(batch), *args, **kwargs)

    return evaluation_step


def _after_transfer(host: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(host)
    def on_after_batch_transfer(self: Any, batch: Any, dataloader_idx: int) -> Any:
        batch = host(self, batch, dataloader_idx)
        return self.augself_step.augmented(batch, self.dtype) if self.trainer.training else batch

    return on_after_batch_transfer


def _configure_optimizers(host: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(host)
    def configure_optimizers(self: Any) -> Any:
        configured = host(self)
        optimizers = list(optimizers_in(configured))
        if optimizers:
            names = self.augself_step.taps.names
            join(optimizers, self.augself, {name: self.get_submodule(name) for name in names})
            self.augself.check_optimizer(*optimizers)
        return configured

    return configure_optimizers
