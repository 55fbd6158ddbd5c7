"""Wraps an existing loss: the sum to train on, both parts to log."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.checks import check_whole
from augself_loss.errors import LossError
from augself_loss.loss import AugSelfLoss, Output
from augself_loss.parameters import Record


class HeadsUnchangedWarning(UserWarning):
    """The heads received gradients again and again, and never changed."""


class WithAugSelf(nn.Module):
    """A loss with the AugSelf term added; made by :func:`with_augself`.

    Attributes:
        base: the loss of the last call, before the term was added, detached.
        augself_output: the term's :class:`~augself_loss.loss.Output` of the last call, detached.
    """

    base: Tensor | None
    augself_output: Output | None

    def __init__(
        self, loss: Callable[..., Tensor], augself: AugSelfLoss, *, patience: int = 32
    ) -> None:
        super().__init__()
        self.loss = loss
        self.augself = augself
        self.base = self.augself_output = None
        self._watch = _HeadWatch(augself, patience)

    def forward(
        self,
        *args: Any,
        features: Sequence[Tensor],
        records: Sequence[Record],
        **kwargs: Any,
    ) -> Tensor:
        """Compute ``loss(*args, **kwargs)`` plus the AugSelf term.

        Args:
            *args: what the wrapped loss takes.
            features: per view, the backbone's features ``(B, D)``.
            records: per view, its record.
            **kwargs: what the wrapped loss takes.

        Returns:
            The sum, a scalar.

        Raises:
            LossError: the wrapped loss does not return a scalar tensor.
        """
        base = self.loss(*args, **kwargs)
        if not isinstance(base, Tensor) or base.numel() != 1:
            found = tuple(base.shape) if isinstance(base, Tensor) else type(base).__name__
            raise LossError(
                f"with_augself expected a loss that returns a scalar tensor, found {found}. Wrap "
                "a function that picks or reduces it."
            )
        out: Output = self.augself(features, records)
        self.base = base.detach()
        self.augself_output = Output(
            out.total.detach(), {name: term.detach() for name, term in out.terms.items()}
        )
        if self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            self._watch.look()
        return base + out.total


def with_augself(
    loss: Callable[..., Tensor], augself: AugSelfLoss, *, patience: int = 32
) -> WithAugSelf:
    """Add the AugSelf term to a loss.

    Args:
        loss: the host's loss: a module or any callable that returns a scalar tensor.
        augself: the term.
        patience: warn once when the heads got gradients this many times and never changed. Raise
            it above your number of gradient-accumulation steps.

    Returns:
        Module whose call ``wrapped(*loss_args, features=[f1, f2], records=[r1, r2])`` returns the
        sum; ``wrapped.base`` and ``wrapped.augself_output`` keep both parts for logging.

    Raises:
        LossError: ``augself`` is no AugSelfLoss, ``loss`` cannot be called, or ``patience`` is
            no whole number of at least 1.

    Example:
        >>> augself = AugSelfLoss(feature_dim=8, weights={"flip": 1.0}, hidden_dim=16)
        >>> wrapped = with_augself(nn.MSELoss(), augself)
        >>> z, f = torch.randn(4, 3), torch.randn(4, 8)
        >>> record = {"flip": torch.zeros(4, 1)}
        >>> wrapped(z, z, features=[f, f], records=[record, record]).shape
        torch.Size([])
        >>> wrapped.base
        tensor(0.)
    """
    if not isinstance(augself, AugSelfLoss):
        raise LossError(f"with_augself expected an AugSelfLoss, found {type(augself).__name__}.")
    if not callable(loss):
        raise LossError(f"with_augself expected a loss to call, found {type(loss).__name__}.")
    check_whole("patience", patience)
    return WithAugSelf(loss, augself, patience=patience)


class _HeadWatch:
    """Warns once when a head parameter gets gradients and an optimizer never changes it."""

    def __init__(self, augself: AugSelfLoss, patience: int) -> None:
        self.parameter = list(augself.heads.parameters())[-1]
        self.patience = patience
        self.done = False
        self.seen = 0
        self.before: Tensor | None = None
        self.version = 0

    def look(self) -> None:
        """Count a call whose last backward left a gradient; decide after ``patience`` of them."""
        if self.done or not self.parameter.requires_grad:  # frozen on purpose
            return
        if self.before is None:
            self.before, self.version = self.parameter.detach().clone(), self.parameter._version
            self.parameter.register_post_accumulate_grad_hook(self._count)  # type: ignore[no-untyped-call]
        elif self.parameter._version != self.version:
            self.done = True  # an optimizer wrote to it
        elif self.seen >= self.patience:
            self.done = True
            if torch.equal(self.before.to(self.parameter), self.parameter):
                warnings.warn(
                    f"AugSelf's heads got gradients {self.seen} times and never changed: are they "
                    "in the optimizer? Add augself.parameters() to it, and prove it with "
                    "augself.check_optimizer(optimizer).",
                    HeadsUnchangedWarning,
                    stacklevel=5,
                )

    def _count(self, _parameter: Tensor) -> None:
        self.seen += 1
