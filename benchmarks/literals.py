"""Shows the copies of tensors that are made of Python's numbers, which meta hides."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

Mode: Any = TorchFunctionMode
OF_NUMBERS = ("tensor", "as_tensor", "asarray", "new_tensor")


class Literals(Mode):  # type: ignore[misc]
    """Makes them on the host and copies them to meta, as an accelerator has it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in OF_NUMBERS and out.is_meta:
            given = args[1:] if name == "new_tensor" else args
            numbers = given[0] if given else (kwargs or {})["data"]
            if not isinstance(numbers, Tensor):
                on_host = torch.as_tensor(numbers, dtype=out.dtype, device="cpu")
                return on_host.to(out.device).requires_grad_(out.requires_grad)
        elif name in ("__getitem__", "__setitem__") and args[0].is_meta:
            for entry in args[1] if isinstance(args[1], tuple) else (args[1],):
                if isinstance(entry, list):
                    torch.as_tensor(entry, device="cpu").to(args[0].device)
        return out
