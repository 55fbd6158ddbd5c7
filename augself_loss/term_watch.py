"""Tells a term that a training loop forgets: one not asked for, or not in what goes backward."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor


class TermUnusedWarning(UserWarning):
    """Step after step, the term was not asked for, or no backward pass came through it."""


class TermWatch:
    """Tells once if a term is not used for many steps in a row; a term once used is not watched.

    Args:
        name: of the class that the user called, for messages.
        patience: after how many steps.
    """

    def __init__(self, name: str, patience: int) -> None:
        self.name, self.patience = name, patience
        self.unused = 0
        self.done = False

    def skipped(self, *, stacklevel: int) -> None:
        """Count a step whose term nobody asked for.

        Args:
            stacklevel: of the user's call, for the warning.
        """
        self._count("a call of term() in each step", "Add it", stacklevel + 1)

    def computed(self, total: Tensor, *, stacklevel: int) -> None:
        """Count a step until a backward pass comes through its term.

        Args:
            total: the term that is returned.
            stacklevel: as above.
        """
        if not self.done and total.requires_grad:
            self._count("a backward pass through term()", "Add what it returns", stacklevel + 1)
            total.register_hook(self._used)  # type: ignore[no-untyped-call]

    def _count(self, expected: str, cure: str, stacklevel: int) -> None:
        if self.done or torch.compiler.is_compiling():
            return
        if self.unused >= self.patience:
            self.done = True
            warnings.warn(
                f"{self.name} expected {expected}, found none in {self.unused} steps: nothing is "
                f"learned from it. {cure} to your loss before backward(); until it begins, set "
                "its λ to 0.",
                TermUnusedWarning,
                stacklevel=stacklevel + 1,
            )
        self.unused += 1

    def _used(self, _gradient: Tensor) -> None:
        self.done = True
