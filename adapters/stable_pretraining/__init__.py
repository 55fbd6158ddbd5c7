"""Adds AugSelf to stable-pretraining: ``add_augself(module, augself, recorder)``.

Views and their records come from :class:`StablePretrainingRecorder`, given the data set's transform
or its augmentation on the device.
"""

from __future__ import annotations

import itertools
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from augself_loss.adapters.lightning.layers import starting
from augself_loss.adapters.lightning.random_state import KeepRandomState
from augself_loss.adapters.lightning.step import Step
from augself_loss.adapters.stable_pretraining.makers import RECORD
from augself_loss.adapters.stable_pretraining.notes import IMAGE
from augself_loss.adapters.stable_pretraining.recorder import StablePretrainingRecorder, views_of
from augself_loss.eager import eager
from augself_loss.errors import LossError, RecordError, missing_extra
from augself_loss.hosting.depth_taps import Taps, listed, renamed
from augself_loss.hosting.extend import extend
from augself_loss.hosting.pairing import Views
from augself_loss.loss import AugSelfLoss
from augself_loss.parameters import Layout
from augself_loss.recording.multiview import RECORD_DTYPE

try:
    import stable_pretraining
    from stable_pretraining.backbone.utils import TeacherStudentWrapper
except ImportError as error:
    raise missing_extra(__name__, "stable-pretraining", "stable-pretraining") from error

__all__ = ["KeepRandomState", "StablePretrainingRecorder", "add_augself"]

Module = TypeVar("Module", bound=nn.Module)

NAME = "augself"
"""Of the heads among the module's components."""
EVALUATION = ("validate", "test", "predict")
"""Stages without the term."""


def add_augself(
    module: Module,
    augself: AugSelfLoss,
    recorder: StablePretrainingRecorder,
    *,
    taps: Taps = "backbone",
    views: Views = "global",
    log: str | None = "augself",
    in_order: bool = False,
) -> Module:
    """Add the AugSelf term to a stable-pretraining module, in place.

    Its forward function (SimCLR's, BYOL's, VICReg's, Barlow Twins', SwAV's, or your own) is
    wrapped: while it trains, features are captured from the named submodule, and the term is added
    to the ``loss`` that it returns. The heads become the component ``augself``: they are moved,
    wrapped by DDP and saved with the module, and trained by the tapped submodule's optimizer, in
    every form of ``optim``.

    Call it before you give the module to callbacks that wrap the forward function too
    (``OnlineProbe``), so that the logged base loss is the method's alone.

    Args:
        module: a ``stable_pretraining.Module``, built with ``forward=`` or a subclass with one.
        augself: the term; build it with ``encoders=recorder.encoders``.
        recorder: makes the views.
        taps: name of the component that returns the features before the projector, ``(B, D)``; in
            a ``TeacherStudentWrapper``, the student is tapped. Of several names, a view's features
            are those of the first that saw it. With several depths, a dict, depth → such names.
        views: which views are paired, as ``augself.pairs`` says: the ``global`` ones (those with
            the most pixels), ``all``, or a list of indices.
        log: prefix of the logged ``total``, ``base`` and terms; ``None`` logs nothing.
        in_order: your word that the taps' rows keep the views' order, for a forward function that
            changes views before the taps see them.

    Returns:
        The module itself.

    Raises:
        LossError: no such module, one that already has the term, an unknown tap or view, or
            an ``optim`` of which no group trains the tapped submodule.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the recorder's ranges exceed the loss's.

    Example:
        >>> import stable_pretraining as spt
        >>> from stable_pretraining import forward
        >>> from stable_pretraining.data import transforms
        >>> flip = transforms.RandomHorizontalFlip()
        >>> recorder = StablePretrainingRecorder(transforms.MultiViewTransform([flip, flip]))
        >>> module = spt.Module(
        ...     forward=forward.simclr,
        ...     backbone=nn.Sequential(nn.Flatten(), nn.Linear(48, 8)),
        ...     projector=nn.Linear(8, 4),
        ...     simclr_loss=spt.losses.NTXEntLoss(temperature=0.5),
        ... )
        >>> augself = AugSelfLoss(8, {"flip": 1.0}, encoders=recorder.encoders)
        >>> add_augself(module, augself, recorder).augself.types
        ('flip',)
    """
    _check(module, recorder)
    host: Any = module
    names = renamed(taps, lambda name: _student(module, name))
    step = Step.beside(
        host, augself, recorder, names, views, count=recorder.views, in_order=in_order, log=log
    )
    _train_with(host, listed(names)[0])
    extend(host, starting)
    host.augself, host.augself_step = augself, step
    host.forward = types.MethodType(_with_term(host.forward.__func__), host)
    return module


def _with_term(host: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a forward function; the host pickles it by its name."""

    def forward(self: Any, batch: Any, stage: str, *args: Any, **kwargs: Any) -> Any:
        if stage in EVALUATION or not torch.is_grad_enabled():
            return host(self, batch, stage, *args, **kwargs)
        step: Step = self.augself_step
        trainer = getattr(self, "_trainer", None)
        if trainer is not None:
            step.check_optimizers(self.augself, trainer.optimizers)
        with step.watch(self, step.take(_packed(views_of(batch), step.layout))):
            output = host(self, batch, stage, *args, **kwargs)
            return step.added(self, output)

    # What is noted on the way must run as it stands; the host's own function may be compiled.
    wrapped: Callable[..., Any] = eager(forward, all_the_way=False)
    return wrapped


def _packed(views: Sequence[dict[str, Any]], layout: Layout) -> list[Tensor]:
    """List views and their records, as recorders of several views do; in the batch both stay."""
    records = [view[RECORD] for view in views]
    for record in records:
        if record.dtype != RECORD_DTYPE or record.ndim != 2 or record.shape != records[0].shape:
            raise RecordError(
                f"AugSelf expected records (B, P) int32 for {list(layout)}, found "
                f"{tuple(record.shape)} {record.dtype}: another recorder made them. Pass "
                "add_augself the recorder that makes the views."
            )
    return [*(view[IMAGE] for view in views), torch.stack(records, dim=1)]


def _check(module: Any, recorder: object) -> None:
    if not isinstance(module, stable_pretraining.Module):
        raise LossError(
            f"add_augself expected a stable_pretraining.Module, found {type(module).__name__}. "
            "For another LightningModule use augself_loss.adapters.lightning."
        )
    if not hasattr(module.forward, "__func__"):
        raise LossError(
            "add_augself expected the module's own forward function, found "
            f"{type(module.forward).__name__}. Call add_augself before anything replaces it."
        )
    if not isinstance(recorder, StablePretrainingRecorder):
        raise LossError(
            "add_augself expected the StablePretrainingRecorder that makes the views, found "
            f"{type(recorder).__name__}. Wrap the transform: StablePretrainingRecorder(transform)."
        )


def _student(module: nn.Module, name: str) -> str:
    """Name the student, where a tap is a pair of student and teacher."""
    tapped = dict(module.named_modules()).get(name)
    return f"{name}.student" if isinstance(tapped, TeacherStudentWrapper) else name


def _train_with(module: Any, tap: str) -> None:
    """Let the optimizer of the tapped submodule train the heads too: the paper's recipe.

    A single optimizer takes all of the module's parameters. Of several, each names its modules by
    a regular expression; that of the tap's gets one alternative more.
    """
    optim = getattr(module, "optim", None)
    if not isinstance(optim, Mapping) or optim.get("optimizer") is not None:
        return
    patterns = {name: group["modules"] for name, group in optim.items() if "modules" in group}
    if not patterns or any(re.match(pattern, NAME) for pattern in patterns.values()):
        return
    chosen = None
    for name in itertools.accumulate(tap.split("."), "{}.{}".format):
        # As the host does: a child has its parent's optimizer, or its own.
        chosen = next((key for key, pattern in patterns.items() if re.match(pattern, name)), chosen)
    if chosen is None:
        raise LossError(
            f"add_augself expected an entry of optim whose 'modules' match '{tap}' or '{NAME}', "
            f"found {patterns}: the heads would never learn. Write one as '…|{NAME}'."
        )
    modules = rf"{patterns[chosen]}|{NAME}(\.|$)"
    module.optim = {**optim, chosen: {**optim[chosen], "modules": modules}}
