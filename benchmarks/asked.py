"""Counts what a piece of work asks of a device: it runs on meta, where nothing is computed.

Images and modules are on meta, all else is on the host, as an accelerator would have it. To read
the device raises on meta: a count of no reads is PyTorch's word. What was copied from the host is
read there instead, and counted, so that work which waits for the device runs to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from literals import Literals
from operations import (
    FREE,
    INDEXING,
    READS,
    bytes_of,
    is_view,
    name_of,
    reads,
    storage_of,
    tensors_of,
    waits,
)
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils._pytree import tree_map_only
from torch.utils.weak import WeakTensorKeyDictionary

Mode: Any = TorchDispatchMode
META = torch.device("meta")


@dataclass
class Asked:
    """What one call asks for.

    Attributes:
        launches: operations that the device runs, copies to it included.
        copies: of them those from the host to the device.
        waits: copies that the host waits for until the device has come to them.
        reads: times that the host reads the device, and so waits for all that it was given.
        bytes: memory traffic, if every operation reads its inputs and writes its outputs once.
        host_operations: operations on the host.
        host_reads: of them those that read a tensor of the host, for which no device is waited.
    """

    launches: int = 0
    copies: int = 0
    waits: int = 0
    reads: int = 0
    bytes: int = 0
    host_operations: int = 0
    host_reads: int = 0


def asked(run: Callable[[], object]) -> Asked:
    """Count one call of ``run``, after one that warms up; its images and modules are on meta.

    Raises:
        RuntimeError, NotImplementedError: the host reads what was computed from the images.
    """
    for _ in range(2):
        counter = _Counter()
        with counter, Literals():
            run()
    return counter.seen


def unseen(function: Callable[..., Any]) -> Callable[..., Any]:
    """Leave out what a function asks for: it will be compiled, and its kernels are others."""

    def call(*args: Any, **kwargs: Any) -> Any:
        with _disable_current_modes():
            return function(*args, **kwargs)

    return call


class _Counter(Mode):  # type: ignore[misc]
    seen: Asked

    def __init__(self) -> None:
        super().__init__()
        self.seen = Asked()
        self.known: Any = WeakTensorKeyDictionary()  # a device's tensor → the same on the host

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        inputs = tensors_of((args, kwargs))
        if not any(tensor.is_meta for tensor in inputs) and kwargs.get("device") != META:
            return self._on_host(name_of(func), func(*args, **kwargs))
        if reads(func, args, kwargs):
            self.seen.reads += 1
            return self._answer(func, args, kwargs)
        out = func(*args, **kwargs)
        self._remember(func, args, kwargs, tensors_of(out))
        if not is_view(func) and not name_of(func).startswith(FREE):
            self.seen.launches += 1
            self.seen.bytes += sum(bytes_of(t) for t in [*inputs, *tensors_of(out)] if t.is_meta)
            self._count_copies(name_of(func), inputs, args, kwargs)
        return out

    def _on_host(self, name: str, out: Any) -> Any:
        if not name.startswith(FREE):
            self.seen.host_operations += 1
            self.seen.host_reads += name in READS
        return out

    def _count_copies(self, name: str, inputs: list[Tensor], args: Any, kwargs: Any) -> None:
        from_host = [tensor for tensor in inputs if not tensor.is_meta]
        if name in ("_to_copy", "copy_") and from_host:
            self.seen.copies += 1
            self.seen.waits += waits(asynchronous=kwargs.get("non_blocking") or args[-1] is True)
        elif name in INDEXING:
            indices = sum(tensor.ndim > 0 for tensor in from_host)
            self.seen.copies += indices
            self.seen.waits += indices

    def _answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """Read on the host what came from there; anything else raises, as meta has it."""
        inputs = tensors_of((args, kwargs))
        if all(tensor in self.known for tensor in inputs if tensor.is_meta):
            return self._twin(func, args, kwargs)
        if not inputs[0].is_meta:
            raise RuntimeError(
                f"asked expected nothing of what the images became on the host, found {func}."
            )
        return func(*args, **kwargs)

    def _remember(self, func: Any, args: Any, kwargs: Any, outputs: list[Tensor]) -> None:
        """Keep on the host, too, what is computed from nothing but what is known there."""
        drawn = torch.Tag.nondeterministic_seeded in func.tags
        inputs = [tensor for tensor in tensors_of((args, kwargs)) if tensor.is_meta]
        if not drawn and all(tensor in self.known for tensor in inputs):
            twins = tensors_of(self._twin(func, args, kwargs))
            self.known.update(zip(outputs, twins, strict=True))
        elif func._schema.is_mutable:
            self._forget({storage_of(tensor) for tensor in outputs})

    def _forget(self, storages: set[int]) -> None:
        """Forget what lies in memory that was written to with values that are not known."""
        for tensor in [known for known in self.known if storage_of(known) in storages]:
            del self.known[tensor]

    def _twin(self, func: Any, args: Any, kwargs: Any) -> Any:
        def twin(tensor: Tensor) -> Any:
            return self.known[tensor] if tensor.is_meta else tensor

        args, kwargs = tree_map_only(Tensor, twin, (args, kwargs))
        on_host = {"device": torch.device("cpu")} if "device" in kwargs else {}
        return func(*args, **{**kwargs, **on_host})
