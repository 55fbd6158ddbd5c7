"""Watches the heads while they train: whether anything but them learns, and whether they do."""

from __future__ import annotations

import logging
import warnings
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.errors import FeatureError
from augself_loss.optimizers import called
from augself_loss.views import tensors_in

# The name by which users know it from their logs.
logger = logging.getLogger("augself_loss.wrapper")


class HeadsUnchangedWarning(UserWarning):
    """The heads received gradients again and again, and never changed."""


class HeadWatch:
    """Tells steps that train the heads alone, and heads that no optimizer changes.

    Args:
        heads: what is watched, if there is anything.
        patience: after how many gradients heads that never changed are told.
    """

    def __init__(self, heads: nn.Module | None, patience: int) -> None:
        # FSDP1 without use_orig_params keeps none: its flat parameter is not watched.
        self.parameter = next(reversed([] if heads is None else list(heads.parameters())), None)
        self.patience, self.names = patience, called(heads)
        self.done = self.said = False
        self.seen = 0
        self.before: Tensor | None = None
        self.version = 0

    @property
    def trained(self) -> bool:
        """Whether the heads are to learn."""
        return self.parameter is None or self.parameter.requires_grad

    def look(self, *, stacklevel: int) -> None:
        """Count a call whose last backward left a gradient; decide after ``patience`` of them.

        Args:
            stacklevel: of the user's call, for the warning.
        """
        if self.done or self.parameter is None or not self.trained:  # frozen on purpose
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
                    f"Expected {self.names.together} to change, found them unchanged after "
                    f"{self.seen} gradients: they may not be in the optimizer. Add "
                    f"{self.names.held} to it, and check with "
                    f"{self.names.variable}.check_optimizer(optimizer).",
                    HeadsUnchangedWarning,
                    stacklevel=stacklevel,
                )

    def check_gradients(self, base: Tensor, features: Any) -> None:
        """Refuse features without a gradient beside a loss that has one; log where none has."""
        given = tensors_in(features)
        if not given or any(view.requires_grad for view in given):
            return  # a momentum encoder's features need none
        found = (
            "features with a gradient for at least one view, found none: the backbone would not "
            "learn from the term. The features were detached, or computed under torch.no_grad() "
            "or in a reentrant checkpoint (pass use_reentrant=False). If the backbone is frozen on "
            "purpose, pass with_augself(..., frozen_backbone=True)."
        )
        if base.requires_grad:
            raise FeatureError(f"with_augself expected {found}")
        if not self.said and not torch.compiler.is_compiling():
            self.said = True
            logger.warning("Only AugSelf's heads get a gradient: with_augself expected %s", found)

    def _count(self, _parameter: Tensor) -> None:
        self.seen += 1
