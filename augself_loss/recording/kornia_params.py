"""Reads the parameters and settings of Kornia's augmentations, whichever version wrote them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.encoders.base import Columns, Value


def device_of(steps: Iterable[Mapping[str, Any]]) -> torch.device:
    """Where parameters lie: on an accelerator if any does, since reading it back would wait for it.

    Kornia moved to an accelerator still draws some parameters (crops, colour) on the host.
    """
    devices = (v.device for params in steps for v in params.values() if isinstance(v, Tensor))
    return next((d for d in devices if d.type != "cpu"), torch.device("cpu"))


def on(device: torch.device, value: Any) -> Any:
    """Bring a parameter to a device without waiting for it; leave what is no tensor."""
    return value.to(device, non_blocking=True) if isinstance(value, Tensor) else value


def size_of(params: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the image that a step was given; Kornia counts a crop's padding in."""
    height, width = params["forward_input_shape"].tolist()[-2:]
    if "padding_size" in params:
        left, right, top, bottom = params["padding_size"][0].tolist()
        return height - top - bottom, width - left - right
    return height, width


def config_of(module: nn.Module) -> dict[str, Any]:
    """List how an augmentation was built: sampling ranges by name, flags, fixed order."""
    generator = getattr(module, "_param_generator", None)
    samplers = dict(getattr(generator, "sampler_dict", {}))
    for name, sampler in (vars(generator) if generator is not None else {}).items():
        if name.endswith("_sampler") and hasattr(sampler, "low"):
            samplers[name.removesuffix("_sampler")] = sampler
    ranges = {
        name: (_number(sampler.low), _number(sampler.high))
        for name, sampler in samplers.items()
        if hasattr(sampler, "low") and sampler.low.numel() == 1
    }
    plain = {"value", "distortion_scale"} & set(vars(generator) if generator is not None else ())
    return {
        **getattr(module, "flags", {}),
        **{name: getattr(generator, name) for name in plain},
        **ranges,
        "fixed_order": getattr(module, "_fixed_order", None),
    }


def _number(limit: Tensor) -> float:
    """Read a float32 limit the way its user wrote it: 0.6 and not 0.6000000238."""
    return float(f"{float(limit):.6g}")


def all_rows(columns: Columns, gate: Tensor) -> Columns:
    """Bring the columns of one entry to a row for every sample of the batch."""
    return tuple(_rows(value, gate) for value in columns)


def _rows(value: Value, gate: Tensor) -> Value:
    if not isinstance(value, Tensor) or value.ndim == 0 or len(value) == len(gate):
        return value.float() if isinstance(value, Tensor) else value
    if len(value) == 0:
        return torch.zeros_like(gate, dtype=torch.float32)
    # The k-th row is that of the k-th applied sample; the number of rows is known on the host.
    place = (gate.cumsum(0).long() - 1).clamp_min(0)
    return value.float()[place]
