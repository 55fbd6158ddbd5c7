"""Adds AugSelf to a LightningModule, unchanged: ``add_augself(module, augself, recorder)``.

:func:`add_objective` does so with any other objective. Works with ``lightning`` and with
``pytorch_lightning``.
"""

from __future__ import annotations

import inspect
from typing import Any, TypeVar

from torch import nn

from augself_loss.adapters.lightning.layers import HOSTS, on_device, training
from augself_loss.adapters.lightning.random_state import KeepRandomState
from augself_loss.adapters.lightning.share import KeepGradientShare
from augself_loss.adapters.lightning.step import Step
from augself_loss.errors import LossError
from augself_loss.hosting.batches import At, Place
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.extend import extend
from augself_loss.hosting.objectives import check_multiview
from augself_loss.hosting.pairing import Views
from augself_loss.loss import AugSelfLoss
from augself_loss.objectives import Objective, Objectives
from augself_loss.recording.multiview import MultiViewRecorder

__all__ = ["AugSelfMixin", "KeepGradientShare", "KeepRandomState", "add_augself", "add_objective"]

Module = TypeVar("Module", bound=nn.Module)


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

    From then on the module takes the records off every batch before its own step sees it, captures
    features from the named submodules while that step runs, and adds the term to the loss that it
    returns (or, in manual optimization, to the first loss given to ``manual_backward``). The heads
    become the submodule ``augself``: they are moved, wrapped by DDP, averaged and checkpointed with
    the module. If the module's own ``configure_optimizers`` leaves them out, they join the
    optimizer group of the tapped submodule's last weights that has a learning rate, and the log
    (``augself_loss.optimizers``, at INFO) says which.

    Call it on an instance, or with ``self`` at the end of the module's ``__init__``, so that
    ``load_from_checkpoint`` works too.

    Args:
        module: a LightningModule.
        augself: the term; build it with ``encoders=recorder.encoders``.
        recorder: makes the views: the data set's transform or, with ``on_device``, a
            :class:`~augself_loss.recording.multiview.MultiViewRecorder` of Kornia pipelines.
        taps: name of the submodule that returns the features before the projector, ``(B, D)``. Of
            several, a view's features are those of the first that saw it; MoCo:
            ``("backbone", "backbone_momentum")``. With several depths, a dict, depth → such names:
            ``{"layer3": "backbone.layer3", "backbone": "backbone"}``.
        views: which views are paired, as ``augself.pairs`` says: the ``global`` ones (those with
            the most pixels), ``all``, or a list of indices.
        on_device: run the recorder on the batch's images in ``on_after_batch_transfer``, while
            training; uint8 images are divided by 255.
        images: where in the batch the views or images are: an index, a key, ``None`` for the
            batch itself, or a path if several loaders feed the module, ``("unlabelled", 0)``.
        log: prefix of the logged ``total``, ``base`` and terms; ``None`` logs nothing.
        in_order: your word that the taps' rows keep the views' order, for a module that changes
            views before the taps see them, see :class:`~augself_loss.taps.FeatureTaps`.

    Returns:
        The module itself, its class extended.

    Raises:
        LossError: no LightningModule, one that has a term or an ``augself`` already, an unknown tap
            or view, or a training step that reads the data loader itself.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the recorder's ranges exceed the loss's.

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
    _check(module, recorder, "add_augself", "with_augself")
    found = Step.beside(
        module, augself, recorder, taps, views, count=len(recorder.recorders), in_order=in_order,
        place=Place(images), device_recorder=recorder if on_device else None, log=log,
    )  # fmt: skip
    return _extended(module, found, augself)


def add_objective(  # noqa: PLR0913 - every one can be said alone
    module: Module,
    objective: Objective | Objectives | AugSelfLoss | None,
    recorder: MultiViewRecorder,
    *,
    taps: Taps,
    views: Views = "global",
    third: int | None = None,
    through: str | None = None,
    on_device: bool = False,
    images: At = 0,
    log: str | None = "objective",
    in_order: bool = False,
) -> Module:
    """Add any objective to a LightningModule, in place, as :func:`add_augself` adds AugSelf's.

    Its networks become the submodule ``objective``; nothing else may have that name. A
    :class:`~augself_loss.objectives.ConditionedProjector` in the module, and in its momentum copy,
    is called with features alone, and gets the record of the view they came from.

    Args:
        module: a LightningModule.
        objective: an :class:`~augself_loss.objectives.Objective`, or several as
            :class:`~augself_loss.objectives.Objectives`; ``None`` if the module holds a
            conditioned projector and no term is added.
        recorder: as for :func:`add_augself`.
        taps: as for :func:`add_augself`. With a conditioned projector, name every network whose
            features are projected, including the momentum encoder.
        views: which views to pair, of those without the third.
        third: index of the objective's own view, which the module's own step does not see.
            EquiMod's is the image without augmentation, E-SSL's a small view.
        through: name of the submodule to call with that view's images; by default what the step
            called with the others: of ``taps="backbone.pool"`` the ``backbone``.
        on_device: as for :func:`add_augself`.
        images: as for :func:`add_augself`.
        log: as for :func:`add_augself`.
        in_order: as for :func:`add_augself`.

    Returns:
        The module itself, its class extended.

    Raises:
        LossError: as for :func:`add_augself`; or a missing or superfluous third view.
        RecordError: the recorder does not record what the objective needs.

    Example:
        >>> import lightning.pytorch as pl
        >>> import kornia.augmentation as K
        >>> from augself_loss.objectives import ESSL
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> class Host(pl.LightningModule):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.backbone = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten())
        ...     def training_step(self, batch, batch_idx):
        ...         (view1, view2), _ = batch
        ...         return (self.backbone(view1) - self.backbone(view2)).square().mean()
        >>> view = KorniaRecorder(K.RandomResizedCrop((8, 8)))
        >>> small = KorniaRecorder(K.RandomResizedCrop((4, 4)))
        >>> recorder = MultiViewRecorder([view, view, small])
        >>> host = add_objective(
        ...     Host(), ESSL(12), recorder, taps="backbone", third=2, on_device=True
        ... )
        >>> host.objective.weights
        {'essl': 0.4}
    """
    _check(module, recorder, "add_objective", "PlainStep")
    found = Step.beside(
        module, objective, recorder, taps, views, count=len(recorder.recorders), in_order=in_order,
        third=third, through=through, anything=True, name="objective", place=Place(images),
        device_recorder=recorder if on_device else None, log=log,
    )  # fmt: skip
    return _extended(module, found, objective)


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
                "AugSelfMixin expected a LightningModule as a base too, found "
                f"{type(self).__name__}. Write class Model(AugSelfMixin, LightningModule)."
            )
        add_augself(self, augself, recorder, **options)


def _extended(module: Module, step: Step, objective: nn.Module | None) -> Module:
    host: Any = module
    extend(host, training)
    if step.device_recorder is not None:
        extend(host, on_device)
    host.augself_step = step
    if step.name is not None:
        setattr(host, step.name, objective)
    return module


def _check(module: object, recorder: object, name: str, elsewhere: str) -> None:
    """Refuse what the caller, of that name, cannot add a term to; say what does elsewhere."""
    if not isinstance(module, HOSTS):
        raise LossError(
            f"{name} expected a LightningModule, found {type(module).__name__}. Call it "
            f"before torch.compile wraps the module; outside of Lightning use {elsewhere}."
        )
    step: Any = module.training_step
    if "dataloader_iter" in inspect.signature(step).parameters:
        raise LossError(
            f"{name} expected a training_step that takes a batch, found one that takes "
            "'dataloader_iter'. Add the term in that step yourself, with split_views and "
            "AugSelfLoss."
        )
    check_multiview(recorder, name)
