"""Keeps the heads alike in all processes of a run, or sees that the user's own DDP does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from augself_loss.errors import LossError
from augself_loss.hosting.processes import process_count

IGNORED = "_ddp_params_and_buffers_to_ignore"
"""Where DDP reads what it leaves alone, by name."""


def keep_apart(loss: nn.Module, model: nn.Module) -> None:
    """Let a DDP that is built around the model leave the loss that it holds alone.

    :class:`InSync` then keeps the loss in sync. Needed where the host computes its loss outside of
    ``forward``, and its DDP looks for parameters that ``forward`` did not use.

    Args:
        loss: a submodule of the model.
        model: without its DDP.
    """
    prefixes = [name for name, module in model.named_modules() if module is loss]
    named = [name for name, _ in (*loss.named_parameters(), *loss.named_buffers())]
    apart = [f"{prefix}.{name}" for prefix in prefixes for name in named]
    ignored = [*getattr(model, IGNORED, ()), *apart]
    tell: Any = DistributedDataParallel._set_params_and_buffers_to_ignore_for_model
    tell(model, ignored)


class InSync:
    """Runs a loss, in several processes by DDP around it.

    A loss that the user's model holds is left to the model's DDP, unless that leaves it alone;
    whether that was told of it is looked at in the first calls, and ever more rarely later. Where
    nothing learns, the first process's numbers are given to all once, and DDP does nothing.

    Args:
        loss: the loss.
        model: the user's model, in whatever wrapper.
    """

    def __init__(self, loss: nn.Module, model: nn.Module) -> None:
        self._loss, self._model = loss, model
        self._wrapped: nn.Module | None = None
        self._calls, self._given_to_all = 0, False

    def runner(self, prepare: Callable[[], object]) -> Any:
        """Return what is to be called for the loss.

        Args:
            prepare: gives the loss's parameters their shapes, before DDP takes them.

        Raises:
            LossError: the user's DDP does not know the heads, which differ already; or processes
                may run out of batches, and only the user's DDP knows.
        """
        if process_count() == 1 or not torch.is_grad_enabled():
            return self._loss
        if self._held():
            self._calls += 1
            if self._calls & (self._calls - 1) == 0 and not self._sharded():
                _check_alike(self._loss)
            return self._loss
        self._check_even()
        if self._wrapped is None and not self._given_to_all:
            prepare()
        if not any(p.requires_grad for p in self._loss.parameters()):  # DDP would refuse it
            self._give_to_all()
            return self._loss
        if self._wrapped is None:
            self._wrapped = DistributedDataParallel(self._loss)
        return self._wrapped

    def _check_even(self) -> None:
        """Refuse torch's Join: who ran out of batches goes on for the user's own DDP alone."""
        configured = (getattr(module, "_join_config", None) for module in self._model.modules())
        if any(getattr(config, "enable", False) for config in configured):
            raise LossError(
                "AugSelf expected the same number of batches in all processes, found your DDP "
                "within Join: the others would wait for the heads of one that ran out. Leave Join "
                "out, and give every process as many batches."
            )

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle without DDP, which belongs to this loss: a copy is wrapped anew."""
        return {**vars(self), "_wrapped": None}

    def _give_to_all(self) -> None:
        if self._wrapped is None and not self._given_to_all:
            for tensor in (*self._loss.parameters(), *self._loss.buffers()):
                dist.broadcast(tensor.detach(), 0)
        self._given_to_all = True

    def _held(self) -> bool:
        modules = list(self._model.modules())
        return any(m is self._loss for m in modules) and not any(map(self._ignored, modules))

    def _ignored(self, module: nn.Module) -> bool:
        """Whether a DDP of this module leaves the loss alone."""
        names = getattr(module, IGNORED, ())
        if not names:
            return False
        mine = {id(parameter) for parameter in self._loss.parameters()}
        return any(id(p) in mine for name, p in module.named_parameters() if name in names)

    def _sharded(self) -> bool:
        modules = [*self._model.modules(), *self._loss.modules()]
        return any(hasattr(m, "unshard") or "FullySharded" in type(m).__name__ for m in modules)


@torch.no_grad()
def _check_alike(loss: nn.Module) -> None:
    parameters = [p.detach().double().sum() for p in loss.parameters()]
    if not parameters:
        return
    sums = torch.stack(parameters) + 0.0  # no -0, whose bits are others
    bits = sums.view(torch.int64).masked_fill(sums.isnan(), -1)  # NaN is like NaN
    least, most = bits.clone(), bits.clone()
    dist.all_reduce(least, op=dist.ReduceOp.MIN)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    if not torch.equal(least, most):
        raise LossError(
            "AugSelf expected the same heads in all processes, found different ones. Your model "
            "holds the heads, but its DDP was built earlier, or without them. Set model.augself = "
            "augself before DistributedDataParallel(model), or keep the heads outside of the "
            "model: then AugSelf syncs them."
        )
