"""What an operation that PyTorch dispatches means to a device: a launch, a copy, a read."""

from __future__ import annotations

import math
import sys
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

FREE = ("empty", "new_empty", "detach", "lift_fresh", "promote_types", "_unsafe_view", "resize")
"""Operations that launch nothing."""
READS = ("_local_scalar_dense", "nonzero", "is_nonzero", "equal", "unique", "_unique2")
"""Operations whose result the host waits for."""
INDEXING = ("index", "index_put", "index_put_", "_index_put_impl_")
ASYNCHRONOUS = ("_to_device_nonblocking", "_as_tensor_nonblocking")
"""Kornia's own copies: since 0.9 they do not wait on CUDA, which it asks the device for."""


def name_of(func: Any) -> str:
    """Name an operation without its overload."""
    name: str = func.name().removeprefix("aten::").partition(".")[0]
    return name


def tensors_of(tree: Any) -> list[Tensor]:
    """List the tensors in arguments or results."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def is_view(func: Any) -> bool:
    """Whether an operation returns its input's memory."""
    aliases = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


def bytes_of(tensor: Tensor) -> int:
    """Count a tensor's bytes; along a dimension that it is expanded in they are there once."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return math.prod(size for size, stride in sizes if stride) * tensor.element_size()


def storage_of(tensor: Tensor) -> int:
    """Tell a tensor's memory from others', on meta too."""
    storage: int = tensor.untyped_storage()._cdata
    return storage


def reads(func: Any, args: Any, kwargs: Any) -> bool:
    """Whether the host waits for the result of an operation with a tensor of the device."""
    name, inputs = name_of(func), tensors_of((args, kwargs))
    if name in READS:
        return True
    if name == "_to_copy":
        return bool(kwargs.get("device") == torch.device("cpu"))
    if name == "copy_" or name in INDEXING:
        return not inputs[0].is_meta or (name in INDEXING and _seeks(name, inputs))
    return False


def _seeks(name: str, inputs: list[Tensor]) -> bool:
    """Whether indexing has to find a mask's places; one value is filled in without."""
    masks = any(t.is_meta and t.dtype in (torch.bool, torch.uint8) for t in inputs[1:])
    return masks and not (name != "index" and inputs[-1].numel() == 1)


def waits(*, asynchronous: object = False) -> bool:
    """Whether the host waits for the copy that is being made, if an accelerator were CUDA."""
    frame: Any = sys._getframe(1)
    while frame is not None and not asynchronous:
        asynchronous = frame.f_code.co_name in ASYNCHRONOUS
        frame = frame.f_back
    return not asynchronous
