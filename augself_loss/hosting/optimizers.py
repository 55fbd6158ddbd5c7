"""Finds the optimizers of a host, and lets forgotten heads join them: the paper's recipe."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import takewhile
from operator import is_not
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from augself_loss.errors import LossError
from augself_loss.hosting.processes import is_first_process
from augself_loss.optimizers import Called, Optimizer, called, trained

Group: TypeAlias = dict[str, Any]
# The name by which the documentation tells users to find it in their logs.
logger = logging.getLogger("augself_loss.optimizers")


def optimizers_in(configured: Any) -> Iterator[Optimizer]:
    """List optimizers in whatever form a host holds them: one, lists, or dicts of them."""
    if isinstance(configured, torch.optim.Optimizer):
        yield configured
    elif isinstance(configured, Mapping):
        yield from optimizers_in(configured.get("optimizer"))
    elif isinstance(configured, (list, tuple)):
        for entry in configured:
            yield from optimizers_in(entry)


def with_weights(root: nn.Module, taps: Sequence[str]) -> dict[str, nn.Module]:
    """Find the modules with whose weights heads are to learn.

    Args:
        root: the host's module.
        taps: names of tapped submodules.

    Returns:
        name → the tapped module; of one that has no weights, such as the pooling of a ResNet whose
        ``fc`` is the projector, what stands before it in the nearest module around it that has any.
    """
    return {name: _weighed(root, name) for name in taps}


def _weighed(root: nn.Module, name: str) -> nn.Module:
    module = root.get_submodule(name)
    while name and not _has_weights(module):
        name, tapped = name.rpartition(".")[0], module
        module = root.get_submodule(name)
        earlier = nn.ModuleList(takewhile(partial(is_not, tapped), module.children()))
        module = earlier if _has_weights(earlier) else module
    return module


def _has_weights(module: nn.Module) -> bool:
    return next(module.parameters(), None) is not None


def join(
    optimizers: Sequence[Optimizer], heads: nn.Module, beside: Mapping[str, nn.Module]
) -> None:
    """Let forgotten heads learn with the tapped modules, and log in which group they do.

    They join a group rather than form one, since schedulers count the groups: that of the tapped
    module's last weights, where learning rates differ by layer; never one of learning rate 0 while
    there is another.

    Args:
        optimizers: all optimizers of the run.
        heads: what must be trained.
        beside: name → tapped module, see :func:`with_weights`.

    Raises:
        LossError: no group trains a tapped module, or the optimizer copied its parameters when it
            was built and cannot take more.
    """
    held = {id(p) for optimizer in optimizers for p in trained(optimizer)}
    forgotten = {name: p for name, p in heads.named_parameters() if id(p) not in held}
    if not forgotten:
        return
    names, chosen = called(heads), _chosen(optimizers, beside)
    if chosen is None:
        raise _untrained(
            names,
            f"AugSelf expected a parameter group that trains the tapped {list(beside)}, to add "
            "the heads to, found none (is it frozen?)",
        )
    optimizer, group = chosen
    if _copied(optimizer):
        group = _add_group(optimizer, group, forgotten, names)
    else:
        _extend(optimizer, group, forgotten, names)
    if is_first_process():
        number = next(i for i, g in enumerate(optimizer.param_groups) if g is group)
        name = type(optimizer).__name__
        logger.info(
            "Added %s, which were in no optimizer, to group %d of %s (learning rate %s).",
            names.together, number, name, group.get("lr"),
        )  # fmt: skip


def _chosen(
    optimizers: Sequence[Optimizer], beside: Mapping[str, nn.Module]
) -> tuple[Optimizer, Group] | None:
    """Find the group of the tapped modules' last weights, one that learns if there is any."""
    places = [(optimizer, group) for optimizer in optimizers for group in optimizer.param_groups]
    place_of = {id(p): place for place in places for p in place[1]["params"]}
    tapped = [p for module in beside.values() for p in _last_first(module) if id(p) in place_of]
    candidates: list[tuple[Optimizer, Group]] = [place_of[id(p)] for p in tapped]
    if not candidates:
        return None
    learning = (place for place in [*candidates, *reversed(places)] if _learns(place[1]))
    return next(learning, candidates[0])


def _last_first(module: nn.Module) -> list[Tensor]:
    """List a module's parameters from its end, matrices first: they decay as the heads' do."""
    from_end = list(module.parameters())[::-1]
    return sorted(from_end, key=lambda p: p.ndim < 2)


def _learns(group: Group) -> bool:
    """Whether a group has a learning rate, or will have one after its warm-up."""
    rates = (group.get("lr", 1.0), group.get("initial_lr", 0.0))
    return any(float(rate) != 0 for rate in rates)


def _copied(optimizer: Optimizer) -> bool:
    """Whether an optimizer steps by another one, to which its groups were copied."""
    inner = [o for o in vars(optimizer).values() if isinstance(o, torch.optim.Optimizer)]
    lists = {id(group["params"]) for group in optimizer.param_groups}
    return any(id(group["params"]) not in lists for o in inner for group in o.param_groups)


def _add_group(
    optimizer: Optimizer, like: Group, forgotten: Mapping[str, Tensor], names: Called
) -> Group:
    """Give an optimizer that copied its groups one more, as only its own method can."""
    settings = {key: value for key, value in like.items() if not key.startswith("param")}
    own = type(optimizer).add_param_group is not torch.optim.Optimizer.add_param_group
    reason = (
        "a scheduler was built for its groups"
        if "initial_lr" in like
        else "it takes no more groups"
    )
    if own and "initial_lr" not in like:
        try:
            optimizer.add_param_group({**settings, "params": list(forgotten.values())})
        except RuntimeError as error:
            reason = str(error)
        else:
            return optimizer.param_groups[-1]
    raise _untrained(
        names,
        f"{type(optimizer).__name__} copies its parameters when it is built: it expected the "
        f"heads then, found none, and {reason}",
    )


def _extend(
    optimizer: Optimizer, group: Group, forgotten: Mapping[str, Tensor], names: Called
) -> None:
    """Put parameters into a group, and the state beside it that some optimizers begin with."""
    settings = {key: value for key, value in group.items() if not key.startswith("param")}
    if any(p in optimizer.state for p in group["params"]):
        try:
            cls: Any = type(optimizer)
            twin = cls([{**settings, "params": list(forgotten.values())}], **optimizer.defaults)
        except (TypeError, ValueError) as error:
            raise _untrained(
                names,
                f"{type(optimizer).__name__} makes its state when it is built: it expected the "
                f"heads then, found: {error}",
            ) from error
        optimizer.state.update(twin.state)
    group["params"].extend(forgotten.values())
    if "param_names" in group:
        group["param_names"].extend(f"augself.{name}" for name in forgotten)


def _untrained(names: Called, why: str) -> LossError:
    return LossError(
        f"{names.together} are in no optimizer and would never learn. {why}. Pass "
        f"{names.held} to the optimizer when you build it (Lightning: [..., "
        f"*self.{names.held}] in configure_optimizers)."
    )
