"""Reads the parameters and settings of Kornia's augmentations, whichever version wrote them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import kornia
import torch
from torch import Tensor, nn

from augself_loss.encoders.base import Columns, Value
from augself_loss.errors import PipelineError

VERSION = tuple(map(int, re.findall(r"\d+", kornia.__version__)[:3]))
ONLY_APPLIED_ROWS = VERSION < (0, 9)
"""Whether this Kornia keeps the parameters of applied samples only, see ``recorder``."""
STRETCHES = (0, 8, 2) <= VERSION < (0, 9)
"""Whether it stretches a resampled RandomCrop that is larger than the image before its padding."""
HALVES = (torch.float16, torch.bfloat16)


def device_of(steps: Iterable[Mapping[str, Any]]) -> torch.device:
    """Where parameters lie: on an accelerator if any does, since reading it back would wait for it.

    Kornia moved to an accelerator still draws some parameters (crops, colour) on the host.
    """
    devices = (v.device for params in steps for v in params.values() if isinstance(v, Tensor))
    return next((d for d in devices if d.type != "cpu"), torch.device("cpu"))


def on(device: torch.device, value: Any) -> Any:
    """Bring a parameter to a device without waiting for it; leave what is no tensor.

    It is detached: where a sampling range learns, targets must not pull at it. In half precision,
    which Kornia may draw in, a box's sides and its fractions of the image would be rounded.
    """
    if not isinstance(value, Tensor):
        return value
    detached = value.detach() if value.requires_grad else value
    dtype = torch.float32 if value.dtype in HALVES else value.dtype
    return detached.to(device, dtype, non_blocking=True)


def run(module: Any, images: Tensor, params: Any) -> Tensor:
    """Run a module of Kornia's with parameters in its form, or let it draw them."""
    views: Tensor = module(images) if params is None else module(images, params=params)
    return views


def size_of(params: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width of the image that a step was given; Kornia counts a crop's padding in."""
    height, width = params["forward_input_shape"].tolist()[-2:]
    if "padding_size" in params:
        left, right, top, bottom = params["padding_size"][0].tolist()
        return height - top - bottom, width - left - right
    return height, width


def check_canvas(name: str, config: Mapping[str, Any], params: Mapping[str, Any]) -> None:
    """Refuse a RandomCrop that resamples more than its canvas, which Kornia mis-scales.

    The canvas is the padded image; for some versions, if it was padded by ``padding``, the image.

    Raises:
        PipelineError: the crop is larger than its canvas.
    """
    if config.get("cropping_mode") != "resample" or "padding_size" not in params:
        return
    by_itself = STRETCHES and not config.get("pad_if_needed")
    canvas = size_of(params) if by_itself else params["forward_input_shape"].tolist()[-2:]
    size = tuple(config["size"])
    if size[0] > canvas[0] or size[1] > canvas[1]:
        raise PipelineError(
            f"'{name}' with cropping_mode='resample' expected a size within the "
            f"{'image' if by_itself else 'padded image'}, {tuple(canvas)}, found {size}: Kornia "
            f"{kornia.__version__} would then report a wrong crop. Set pad_if_needed=True, or "
            "cropping_mode='slice'."
        )


def samplers_of(generator: Any) -> dict[str, Any]:
    """List the distributions that a parameter generator draws from, by name."""
    if generator is None:
        return {}
    held = vars(generator)  # a module is slow to say that it lacks an attribute
    samplers = dict(held.get("sampler_dict", ()))
    for name, sampler in held.items():
        if name.endswith("_sampler") and hasattr(sampler, "low"):
            samplers[name.removesuffix("_sampler")] = sampler
    return samplers


def config_of(module: nn.Module) -> dict[str, Any]:
    """List how an augmentation was built: sampling ranges by name, flags, fixed order."""
    generator = getattr(module, "_param_generator", None)
    ranges = {
        name: (_number(sampler.low), _number(sampler.high))
        for name, sampler in samplers_of(generator).items()
        if hasattr(sampler, "low") and sampler.low.numel() == 1
    }
    plain = [name for name in ("value", "distortion_scale") if hasattr(generator, name)]
    return {
        **getattr(module, "flags", {}),
        **{name: _detached(getattr(generator, name)) for name in plain},
        **ranges,
        "fixed_order": getattr(module, "_fixed_order", None),
    }


def _detached(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else value


def _number(limit: Tensor) -> float:
    """Read a float32 limit the way its user wrote it: 0.6 and not 0.6000000238."""
    return float(f"{float(limit.detach()):.6g}")


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


def packed_rows(settled: Mapping[str, Sequence[Value]], batch_size: int) -> Tensor:
    """Stack a record's columns into ``(B, P)``, on the device that Kornia drew them on."""
    columns = [value for entry in settled.values() for value in entry]
    device = next((v.device for v in columns if isinstance(v, Tensor)), None)
    full = [
        v.to(device).expand(batch_size)
        if isinstance(v, Tensor)
        else torch.full((batch_size,), float(v), device=device)
        for v in columns
    ]
    return torch.stack(full, dim=-1).float()
