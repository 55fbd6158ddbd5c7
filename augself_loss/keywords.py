"""Tells the wrapped loss's arguments from the term's: its ``features`` and ``records``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch import nn

from augself_loss.errors import LossError

TERMS = ("features", "records")
"""Names of the term's arguments."""


class Keywords:
    """Sorts keyword arguments.

    Args:
        loss: the wrapped loss; one that takes arguments of the term's names needs the term's own
            as ``augself_features`` and ``augself_records``, unless its are given by position.
    """

    def __init__(self, loss: Callable[..., Any]) -> None:
        called = innermost(loss)
        try:
            self.signature = inspect.signature(
                called.forward if isinstance(called, nn.Module) else called
            )
        except (TypeError, ValueError):  # a callable of C
            self.signature = inspect.Signature()
        kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
        listed = self.signature.parameters
        self.taken = tuple(n for n in TERMS if n in listed and listed[n].kind in kinds)

    def sorted_out(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[Any, Any, dict[str, Any]]:
        """Return the term's features, its records, and the wrapped loss's keyword arguments.

        Raises:
            LossError: one of the term's is missing, or it cannot be told whose one is.
        """
        own, found = dict(kwargs), []
        for name in TERMS:
            if f"augself_{name}" in own:
                found.append(own.pop(f"augself_{name}"))
            elif name in own and not (name in self.taken and self._open(name, args)):
                found.append(own.pop(name))
            else:
                raise LossError(self._message(name, list(kwargs)))
        return found[0], found[1], own

    def _open(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether the wrapped loss's argument of this name is not filled by position."""
        try:
            return name not in self.signature.bind_partial(*args).arguments
        except TypeError:
            return True

    def _message(self, name: str, given: list[str]) -> str:
        if name in self.taken:
            return (
                f"The wrapped loss takes an argument '{name}' itself: expected the term's as "
                f"'augself_{name}', found the keywords {given}. Write augself_{name}=[...], or "
                f"pass the loss's own '{name}' by position."
            )
        return (
            f"with_augself expected '{name}', one entry per view, found the keywords {given}. Call "
            "it as wrapped(..., features=[f1, f2], records=[r1, r2])."
        )


def innermost(module: Any) -> Any:
    """Find what torch.compile, DDP, DataParallel, FSDP1, Fabric or an average wraps."""
    while isinstance(module, nn.Module):
        inner = getattr(module, "_orig_mod", None)
        inner = getattr(module, "module", None) if inner is None else inner
        if not isinstance(inner, nn.Module):
            break
        module = inner
    return module
