"""Wraps an existing loss: the sum to train on, both parts to log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_whole
from augself_loss.errors import LossError
from augself_loss.heads_watch import HeadsUnchangedWarning, HeadWatch
from augself_loss.keywords import Keywords, innermost, layers
from augself_loss.loss import AugSelfLoss
from augself_loss.output import Output

__all__ = ["HeadsUnchangedWarning", "WithAugSelf", "with_augself"]


class WithAugSelf(nn.Module):
    """A loss with the AugSelf term added; made by :func:`with_augself`.

    Attributes:
        augself: the term as given; a call runs it.
        base: the loss of the last call, before the term was added, detached.
        augself_output: the term's :class:`~augself_loss.output.Output` of the last call, detached.
    """

    base: Tensor | None
    augself_output: Output | None

    def __init__(
        self,
        loss: Callable[..., Tensor],
        augself: nn.Module,
        *,
        patience: int = 32,
        frozen_backbone: bool = False,
    ) -> None:
        super().__init__()
        self.loss = loss
        self.augself = augself
        self.frozen_backbone = frozen_backbone
        self.base = self.augself_output = None
        self._keywords = Keywords.of(loss)
        self._watch = HeadWatch(_unwrapped(augself).heads, patience)

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        """Compute ``loss(*args, **kwargs)`` plus the AugSelf term.

        Args:
            *args: what the wrapped loss takes.
            **kwargs: what the wrapped loss takes; plus, for the term, ``features``, the backbone's
                ``(B, D)`` per view, and ``records``, one per view. If the wrapped loss has
                arguments of these names, the term's are ``augself_features`` and
                ``augself_records``.

        Returns:
            The sum, a scalar.

        Raises:
            LossError: the wrapped loss returns no scalar tensor, or ``features`` or ``records``
                could be the loss's as well as the term's.
            FeatureError: no features have a gradient, though the wrapped loss has one.
        """
        features, records, own = self._keywords.sorted_out(args, kwargs)
        base = self.loss(*args, **own)
        if not isinstance(base, Tensor) or base.numel() != 1:
            found = tuple(base.shape) if isinstance(base, Tensor) else type(base).__name__
            raise LossError(
                f"with_augself expected a loss that returns a scalar tensor, found {found}. Wrap "
                "a function that reduces it, or that picks the loss from several outputs."
            )
        trains = self.training and torch.is_grad_enabled()
        if trains and not self.frozen_backbone and self._watch.trained:
            self._watch.check_gradients(base, features)
        out = _averaged(self.augself(features, records))
        self.base = base.detach()
        self.augself_output = Output(
            out.total.detach(), {name: term.detach() for name, term in out.terms.items()}
        )
        if trains and not torch.compiler.is_compiling():
            self._watch.look(stacklevel=5)
        return base + out.total

    def check_optimizer(self, *optimizers: torch.optim.Optimizer) -> None:
        """Refuse optimizers that lack the heads, see :meth:`AugSelfLoss.check_optimizer`."""
        _unwrapped(self.augself).check_optimizer(*optimizers)

    def set_weights(self, weights: Mapping[str, float]) -> None:
        """Change some weights, see :meth:`AugSelfLoss.set_weights`."""
        _unwrapped(self.augself).set_weights(weights)


def with_augself(
    loss: Callable[..., Tensor],
    augself: nn.Module,
    *,
    patience: int = 32,
    frozen_backbone: bool = False,
) -> WithAugSelf:
    """Add the AugSelf term to a loss.

    Args:
        loss: the host's loss: a module or any callable that returns a scalar tensor.
        augself: the term, an :class:`~augself_loss.loss.AugSelfLoss`, bare or wrapped: compiled,
            in DDP, DataParallel, FSDP, Fabric, or averaged. Calls go through the wrapper.
        patience: warn once if the heads got gradients this many times and never changed. Raise it
            above your number of gradient-accumulation steps.
        frozen_backbone: accept features without a gradient: only the heads, and what the loss
            trains, learn.

    Returns:
        Module whose call ``wrapped(*loss_args, features=[f1, f2], records=[r1, r2])`` returns the
        sum; ``wrapped.base`` and ``wrapped.augself_output`` keep both parts for logging. If the
        loss itself takes ``features`` or ``records``, pass the term's as ``augself_features`` and
        ``augself_records``.

    Raises:
        LossError: ``augself`` is no AugSelfLoss, ``loss`` cannot be called or already has the term,
            or ``patience`` is not an integer >= 1.

    Example:
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> wrapped = with_augself(nn.MSELoss(), augself)
        >>> z, f = torch.randn(4, 3), torch.randn(4, 8, requires_grad=True)
        >>> record = {"flip": torch.zeros(4, 1)}
        >>> wrapped(z, z, features=[f, f], records=[record, record]).shape
        torch.Size([])
        >>> wrapped.base
        tensor(0.)
    """
    _unwrapped(augself)
    if not callable(loss):
        raise LossError(f"with_augself expected a callable loss, found {type(loss).__name__}.")
    if any(isinstance(layer, WithAugSelf) for layer in layers(loss)):
        raise LossError(
            "with_augself expected a loss without AugSelf, found one that has it. Put all types "
            "and pairs into one AugSelfLoss."
        )
    patience = check_whole("patience", patience)
    return WithAugSelf(loss, augself, patience=patience, frozen_backbone=frozen_backbone)


def _unwrapped(augself: Any) -> AugSelfLoss:
    """Find the AugSelfLoss in its wrappers."""
    for layer in layers(augself):
        if isinstance(layer, AugSelfLoss):
            return layer
    raise LossError(
        f"with_augself expected an AugSelfLoss, found {type(innermost(augself)).__name__}. If a "
        "model holds the loss, pass the AugSelfLoss itself."
    )


def _averaged(out: Output) -> Output:
    """Average what DataParallel gathered from its devices; else there is nothing to do."""
    if out.total.ndim == 0:
        return out
    return Output(out.total.mean(), {name: term.mean() for name, term in out.terms.items()})
