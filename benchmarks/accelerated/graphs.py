"""The term captured as a CUDA graph: replays show what the device alone takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from accelerated.attempts import Row, attempt
from accelerated.compare import Way, compare
from accelerated.names import COMPILED, GROUPED, PRODUCTS
from accelerated.target import Target
from accelerated.terms import calls, named, settings, ways_of

TITLE = "The term as a CUDA graph: replays, against its products' replays"
CAPTURED = (PRODUCTS, GROUPED, COMPILED)
TOLERANCE = 1e-3
"""Of a replay's total, against the same work done anew."""


@dataclass
class Captured:
    """A run as a graph.

    Args:
        run: what was captured; it holds the memory that the graph reads.
        graph: the graph.
        total: the term that every replay writes; ``None`` of products.
    """

    run: Callable[[], Any]
    graph: Any
    total: Any

    def __call__(self) -> None:
        """Replay it."""
        self.graph.replay()


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List the terms that are captured: the smallest and the largest batch."""
    chosen = [one for one in settings(target) if one[0] != 1024]
    return {named(*one): partial(_case, target, *one) for one in chosen}


def captured(run: Callable[[], Any], target: Target) -> Captured:
    """Capture a run, after some on a stream of their own, as PyTorch asks for.

    Raises:
        Skipped: a device without CUDA's graphs.
    """
    target.need_cuda()
    cuda: Any = torch.cuda
    stream = cuda.Stream(target.device)
    stream.wait_stream(cuda.current_stream(target.device))
    with cuda.stream(stream):
        for _ in range(3):
            run()
    cuda.current_stream(target.device).wait_stream(stream)
    target.synchronize()
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        total = run()
    return Captured(run, graph, total)


def _case(target: Target, batch: int, types: int, dtype: torch.dtype) -> list[Row]:
    target.need_cuda()
    plain = ways_of(target, batch, types, dtype)
    made: dict[str, Captured] = {}

    def way(name: str) -> Way:
        def prepare() -> Callable[[], object]:
            made[name] = captured(plain[name](), target)
            return made[name]

        return prepare

    ways = {name: way(name) for name in CAPTURED}
    done = compare(ways, target, budget=2, calls=calls(target))

    def columns(name: str) -> Row:
        checked, failed = attempt(lambda: _checked(made[name]))
        total = {"total": failed["status"]} if checked is None else checked
        return {**done.against(name, PRODUCTS), **total}

    return done.rows(columns)


def _checked(made: Captured) -> Row:
    """Compare a replay's total with that of the run itself."""
    if made.total is None:
        return {}
    made()
    replayed, again = float(made.total), float(made.run())
    alike = abs(replayed - again) <= TOLERANCE * abs(again)  # NaN is not
    return {"total": "the run's" if alike else f"{replayed:.4f} for {again:.4f}"}
