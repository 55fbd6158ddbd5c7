"""Counts what a piece of work asks of a device: kernels, syncs, operations, bytes, peak memory."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed._tools.mem_tracker import MemTracker
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

import augself_loss
import augself_loss.adapters

Mode: Any = TorchDispatchMode
FREE = ("empty", "new_empty", "detach", "promote_types", "_unsafe_view", "resize")
"""Operations that launch nothing."""
SYNCS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique")
"""Operations whose result the host waits for."""
OURS = tuple(
    str(Path(str(package.__file__)).parent) for package in (augself_loss, augself_loss.adapters)
)
"""Folders of the library: what Python runs elsewhere is the host's."""


@dataclass(frozen=True)
class Cost:
    """What one call asks for, forward and backward together."""

    kernels: int
    syncs: int
    flops: int
    bytes: int


class _Counter(Mode):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.kernels = self.syncs = self.bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.name().removeprefix("aten::").partition(".")[0]
        aliases = [value.alias_info for value in func._schema.returns]
        is_view = any(alias is not None and not alias.is_write for alias in aliases)
        if not is_view and not name.startswith(FREE):
            self.kernels += 1
            self.syncs += name in SYNCS
            tensors = [t for t in tree_leaves((args, kwargs, out)) if isinstance(t, Tensor)]
            self.bytes += sum(t.numel() * t.element_size() for t in tensors)
        return out


def cost(run: Callable[[], object]) -> Cost:
    """Count one call of ``run``; views and allocations launch nothing and are not counted."""
    run()
    with _Counter() as counter:
        run()
    # Apart: it hooks every module, and heads that are hooked are called one by one.
    with FlopCounterMode(display=False) as flops:
        run()
    return Cost(counter.kernels, counter.syncs, flops.get_total_flops(), counter.bytes)


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
