"""Says what may be added to a host."""

from __future__ import annotations

from torch import nn
from torch.nn.parameter import is_lazy

from augself_loss.errors import LossError
from augself_loss.hosting.conditioned import conditioned
from augself_loss.loss import AugSelfLoss
from augself_loss.objectives import ConditionedProjector, Objective, Objectives
from augself_loss.recording.multiview import MultiViewRecorder


def check_augself(augself: object, name: str) -> None:
    """Refuse what is no AugSelfLoss, where nothing else is known to work.

    Args:
        augself: what was given.
        name: who asks.

    Raises:
        LossError: it is none.
    """
    if isinstance(augself, AugSelfLoss):
        return
    other = isinstance(augself, (Objective, Objectives))
    way = (
        "For other objectives use add_objective (Lightning) or PlainStep (your own loop)."
        if other
        else "Pass the loss itself, not a compiled or wrapped one."
    )
    raise LossError(f"{name} expected an AugSelfLoss, found {type(augself).__name__}. {way}")


def check_once(host: object, name: str) -> None:
    """Refuse a host that has a term already.

    Args:
        host: the object whose step the term is added to.
        name: who asks.

    Raises:
        LossError: it has one.
    """
    if hasattr(host, "augself_step"):
        raise LossError(
            f"{name} expected a {type(host).__name__} without a term, found one that an earlier "
            "call added. Build it anew first (in a notebook, run that cell too). Several types and "
            "pairs go into one AugSelfLoss, several objectives into one Objectives."
        )


def check_attribute(root: nn.Module, attribute: str, name: str) -> None:
    """Refuse a module that has something else where the networks are to be.

    Args:
        root: the host's module.
        attribute: what the networks will be called in it.
        name: who asks.

    Raises:
        LossError: it has.
    """
    if hasattr(root, attribute):
        found = type(getattr(root, attribute)).__name__
        raise LossError(
            f"{name} keeps its networks as '{attribute}', and expected {type(root).__name__} to "
            f"have nothing of that name, found its own: {found}. Rename it; or, if an earlier term "
            f"left it, del model.{attribute}."
        )


def check_shaped(objective: nn.Module, name: str) -> None:
    """Refuse a loss that learns the features' width in the first step.

    Args:
        objective: the loss.
        name: who needs the shapes of its heads before.

    Raises:
        LossError: it was built without ``feature_dim``, and has not learned it yet.
    """
    if any(is_lazy(parameter) for parameter in objective.parameters()):
        raise LossError(
            f"{name} expected heads that have a shape before the first step, found a loss without "
            "feature_dim. Pass the width of the features that the tap returns, e.g. "
            "AugSelfLoss(512, …) for a ResNet-18."
        )


def check_multiview(recorder: object, name: str) -> None:
    """Refuse a recorder of one view, and what is none.

    Args:
        recorder: what was given.
        name: who asks.

    Raises:
        LossError: it makes no views.
    """
    if not isinstance(recorder, MultiViewRecorder):
        raise LossError(
            f"{name} expected the MultiViewRecorder (or LightlyRecorder) that makes the views, "
            f"found {type(recorder).__name__}. Wrap it: MultiViewRecorder(recorder)."
        )


def check_objective(root: nn.Module, objective: object, name: str) -> None:
    """Refuse what is no objective, and none at all where nothing is conditioned.

    Args:
        root: the host's module.
        objective: the loss, or ``None``.
        name: who asks.

    Raises:
        LossError: neither.
    """
    if objective is None:
        if not conditioned(root):
            raise LossError(
                f"{name} without an objective expected a ConditionedProjector in "
                f"{type(root).__name__}, found none. Replace its projector by one, or pass an "
                "objective."
            )
    elif not isinstance(objective, (AugSelfLoss, Objective, Objectives)):
        way = "Pass it itself, before it is compiled or wrapped."
        if isinstance(objective, ConditionedProjector):
            way = "It takes the projector's place in the model; pass None as the objective."
        raise LossError(
            f"{name} expected an AugSelfLoss or another objective, found "
            f"{type(objective).__name__}. {way}"
        )
