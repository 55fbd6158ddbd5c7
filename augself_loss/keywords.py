"""Tells the wrapped loss's arguments from the term's: its ``features`` and ``records``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from torch import nn

from augself_loss.errors import LossError

TERMS = ("features", "records")
"""Names of the term's arguments."""


@dataclass(frozen=True)
class Keywords:
    """Sorts the keyword arguments of a call.

    A wrapped loss that takes arguments of the term's names needs the term's own as
    ``augself_features`` and ``augself_records``, unless its are given by position.

    Args:
        taken: name that the wrapped loss takes too → its position, ``None`` if it has none.
    """

    taken: dict[str, int | None]

    @classmethod
    def of(cls, loss: Callable[..., Any]) -> Keywords:
        """Read the arguments of a wrapped loss."""
        called = innermost(loss)
        try:
            signature = inspect.signature(
                called.forward if isinstance(called, nn.Module) else called
            )
        except (TypeError, ValueError):  # a callable of C
            return cls({})
        taken: dict[str, int | None] = {}
        for position, (name, parameter) in enumerate(signature.parameters.items()):
            if name in TERMS and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
                taken[name] = position
            elif name in TERMS and parameter.kind is parameter.KEYWORD_ONLY:
                taken[name] = None
        return cls(taken)

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
            elif name in own and self._clear(name, args):
                found.append(own.pop(name))
            else:
                raise LossError(self._message(name, list(kwargs)))
        return found[0], found[1], own

    def _clear(self, name: str, args: tuple[Any, ...]) -> bool:
        """Whether a keyword can only be the term's: the wrapped loss has its own by position."""
        if name not in self.taken:
            return True
        position = self.taken[name]
        return position is not None and len(args) > position

    def _message(self, name: str, given: list[str]) -> str:
        if name in self.taken:
            return (
                f"The wrapped loss has its own argument '{name}': with_augself expected "
                f"'augself_{name}', found the keywords {given}. Write augself_{name}=[...], or "
                f"pass the loss's own '{name}' by position."
            )
        return (
            f"with_augself expected '{name}' with one entry per view, found the keywords {given}. "
            "Call wrapped(..., features=[f1, f2], records=[r1, r2])."
        )


def innermost(module: Any) -> Any:
    """Find what torch.compile, DDP, DataParallel, FSDP1, Fabric or an average wraps.

    A network may call one of its children ``module`` too; a wrapper hands on what it is given.
    """
    while (inner := _held(module)) is not None and _hands_on(module):
        module = inner
    return module


def layers(module: Any) -> Iterator[Any]:
    """List a module, what it holds as a wrapper would, what that holds, and so on inwards."""
    while module is not None:
        yield module
        module = _held(module)


def _held(module: Any) -> nn.Module | None:
    """Return what a wrapper would name so."""
    if not isinstance(module, nn.Module):
        return None
    inner = getattr(module, "_orig_mod", None)
    inner = getattr(module, "module", None) if inner is None else inner
    return inner if isinstance(inner, nn.Module) else None


def _hands_on(module: nn.Module) -> bool:
    """Whether a module takes whatever it is given: torch.compile's, or ``(*args, **kwargs)``."""
    if hasattr(module, "_orig_mod"):
        return True
    taken = inspect.signature(module.forward).parameters.values()
    return all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in taken)
