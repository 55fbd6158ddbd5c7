"""The term alone, forward and backward, against the matrix products that it cannot do without."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import torch
from products import products
from sampled import TYPES
from term import grouping, loss_of, step_of

from accelerated.attempts import Row
from accelerated.compare import Way, compare
from accelerated.names import COMPILED, GROUPED, PRODUCTS, SEPARATE
from accelerated.target import Target

TITLE = "The term, forward and backward, against its matrix products (D = 512)"
DIM = 512


def settings(target: Target) -> list[tuple[int, int, torch.dtype]]:
    """List batch size, number of types and dtype; those that say most come first."""
    batches = (8,) if target.tiny else (256, 4096, 1024)
    return list(product(batches, (2, 6), (torch.bfloat16, torch.float32)))


def named(batch: int, types: int, dtype: torch.dtype) -> str:
    """Name a setting."""
    return f"{types} types, batch {batch}, {str(dtype).removeprefix('torch.')}"


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List the terms that are computed."""
    return {named(*chosen): partial(_case, target, *chosen) for chosen in settings(target)}


def ways_of(target: Target, batch: int, types: int, dtype: torch.dtype) -> dict[str, Way]:
    """Prepare the products, and the term in each way."""
    names = TYPES[:types]

    def term(module: Any) -> Callable[[], Any]:
        return step_of(module, batch, DIM, dtype, device=target.device)

    def compiled() -> Callable[[], Any]:
        target.need_compiler()
        return term(torch.compile(loss_of(DIM, names)))

    return {
        PRODUCTS: lambda: products(batch, DIM, types, dtype, device=target.device),
        SEPARATE: lambda: in_groups(term(loss_of(DIM, names)), chosen=False),
        GROUPED: lambda: in_groups(term(loss_of(DIM, names)), chosen=True),
        COMPILED: compiled,
    }


def calls(target: Target) -> int:
    """Say how many terms are computed in a row: a step does not wait for its term either."""
    return 10 if target.is_cuda else 1


def in_groups(run: Callable[[], Any], *, chosen: bool) -> Callable[[], Any]:
    """Run a term with its heads grouped, or one by one."""

    def call() -> Any:
        with grouping(chosen):
            return run()

    return call


def _case(target: Target, batch: int, types: int, dtype: torch.dtype) -> list[Row]:
    done = compare(ways_of(target, batch, types, dtype), target, budget=2, calls=calls(target))
    return done.rows(lambda name: done.against(name, PRODUCTS))
