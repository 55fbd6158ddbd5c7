"""Asks whether optimizers train the heads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import torch
from torch import Tensor, nn

from augself_loss.errors import LossError

Optimizer: TypeAlias = torch.optim.Optimizer


class Called(NamedTuple):
    """How messages call networks that are to learn.

    Args:
        together: their name.
        variable: what a script has them in.
    """

    together: str
    variable: str

    @property
    def held(self) -> str:
        """The expression that lists their parameters."""
        return f"{self.variable}.parameters()"


HEADS = Called("AugSelf's heads", "augself")


class Named:
    """A module whose networks have a name of their own in messages."""

    @property
    def networks_called(self) -> Called:
        """What messages call them."""
        return Called(f"{type(self).__name__}'s networks", "objective")


def called(module: nn.Module | None) -> Called:
    """Choose what messages call a module's networks: AugSelf's heads, unless it is named."""
    return module.networks_called if isinstance(module, Named) else HEADS


def check_optimizers(
    optimizers: Sequence[Optimizer],
    networks: Mapping[str, nn.Module],
    names: Called = HEADS,
) -> None:
    """Refuse optimizers that do not train all parameters of some networks.

    Args:
        optimizers: all optimizers of the run.
        networks: name → what they must hold. Parameters that FSDP1 flattened count where the flat
            one is held.
        names: what messages call them.

    Raises:
        LossError: something that is no optimizer, or parameters that none holds.
    """
    for optimizer in optimizers:
        if not hasattr(optimizer, "param_groups"):
            raise LossError(
                f"check_optimizer expected optimizers, found {type(optimizer).__name__}. Pass "
                "several separately: check_optimizer(first, second)."
            )
    held = [p for optimizer in optimizers for p in trained(optimizer)]
    missing = [f"{root}.{lost}" for root, one in networks.items() for lost in _missing(held, one)]
    if missing:
        raise LossError(
            f"The optimizer expected all parameters of {names.together}, found {len(missing)} "
            f"missing (first: {missing[0]}; it holds {len(held)}). They would never learn. Pass "
            f"them when you build the optimizer, [*model.parameters(), *{names.held}], or call "
            f"optimizer.add_param_group({{'params': {names.held}}})."
        )


def trained(optimizer: Optimizer) -> list[Tensor]:
    """List what an optimizer steps on."""
    listed = [p for group in optimizer.param_groups for p in group["params"]]
    # ZeroRedundancyOptimizer steps on what it shared out, not on what its groups got later.
    shared_out = getattr(optimizer, "_param_to_rank", None)
    if isinstance(shared_out, Mapping):
        known = {id(p) for p in shared_out}
        return [p for p in listed if id(p) in known]
    return listed


def _missing(held: Sequence[Tensor], network: nn.Module) -> list[str]:
    """Name a network's parameters that are not held, nor in a flat parameter that is."""
    own = {id(p) for p in held}
    infos = [info for p in held for info in getattr(p, "_param_infos", ())]
    flat = {(id(info.module), info.param_name) for info in infos}
    missing = []
    for prefix, module in network.named_modules():
        listed = {n: p for n, p in module._parameters.items() if p is not None}
        # FSDP1 without use_orig_params leaves plain tensors behind.
        for name, tensor in (listed or module.__dict__).items():
            known = id(tensor) in own or (id(module), name) in flat
            if isinstance(tensor, Tensor) and not known:
                missing.append(f"{prefix}.{name}".lstrip("."))
    return missing
