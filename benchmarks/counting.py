"""Counts what a piece of work costs beside its time: operations, Python frames, flops, memory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

import augself_loss
import augself_loss.adapters

Mode: Any = TorchDispatchMode
OURS = tuple(
    str(Path(str(package.__file__)).parent) for package in (augself_loss, augself_loss.adapters)
)
"""Folders of the library: what Python runs elsewhere is the host's."""


def flops(run: Callable[[], object]) -> int:
    """Count the multiplications and additions of one call's matrix products and convolutions."""
    run()
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


class _Operations(Mode):  # type: ignore[misc]
    seen: int

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen += 1
        return func(*args, **(kwargs or {}))


def operations(run: Callable[[], object]) -> int:
    """Count the tensor operations of one call, views and casts too: each costs the host time."""
    run()
    counter = _Operations()
    with counter:
        run()
    return counter.seen


def frames(run: Callable[[], object]) -> int:
    """Count the Python frames of the library's own files that one call opens."""
    run()
    seen: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(OURS):
            seen[frame.f_code.co_filename] += 1

    sys.setprofile(note)
    try:
        run()
    finally:
        sys.setprofile(None)
    return seen.total()


def peak_memory(run: Callable[[], object], *modules: nn.Module) -> int:
    """Return the most bytes that lived at once during one call, parameters and gradients too."""
    run()
    tracker: Any = MemTracker()
    tracker.track_external(*modules)
    with tracker:
        run()
    snapshot = tracker.get_tracker_snapshot("peak")
    return max(int(sum(kinds.values())) for kinds in snapshot.values()) // 2


def peak_allocated(run: Callable[[], object], module: nn.Module) -> int:
    """Return the same, of modules that are called several times: by the allocator's own events.

    Args:
        run: one call, which drops the gradients of the one before.
        module: whose weights count too.
    """
    run()
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        run()
    assert seen.profiler is not None
    events = [e for e in seen.profiler.kineto_results.events() if e.name() == "[memory]"]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    return sum(p.nbytes for p in module.parameters()) + max(accumulate(changes), default=0)


def calls_compiled(run: Callable[[], object]) -> int:
    """Count the kernels that compiled code calls in one forward and backward."""
    from torch._inductor.utils import run_and_get_code  # noqa: PLC0415 - slow to import

    torch._dynamo.reset()
    _, sources = run_and_get_code(run)
    lines = [line.strip() for source in sources for line in _wrapper(source)]
    return sum(line.startswith(("extern_kernels.", "cpp_fused", "triton_")) for line in lines)


def _wrapper(source: str) -> list[str]:
    """Pick the lines of the generated code that call kernels."""
    return source.partition("def call(")[2].splitlines()
