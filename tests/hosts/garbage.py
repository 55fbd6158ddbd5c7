"""What the fuzz tests hand over: values and tensors of every kind; and what they accept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from augself_loss import AugSelfError, Field

DTYPES = [
    torch.float32, torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64,
    torch.int32, torch.uint8, torch.bool, torch.complex64, torch.float8_e4m3fn,
]  # fmt: skip
VALUES = [
    0.0,
    1.0,
    -1.0,
    0.5,
    3.0,
    1e-40,
    1e15,
    6e4,
    3e38,
    float("inf"),
    -float("inf"),
    float("nan"),
]


@st.composite
def hostile_tensors(draw: st.DrawFn, width: int) -> Tensor:
    """Tensors whose shape nearly fits ``(3, width)``, of any dtype, device, stride and value."""
    shape = draw(st.one_of(
        st.just((3, width)), st.just((3, width)),
        st.lists(st.sampled_from([0, 1, 2, 3, width, width + 1]), max_size=5).map(tuple),
    ))  # fmt: skip
    tensor = torch.full(shape, draw(st.sampled_from(VALUES)), dtype=torch.float64)
    dtype = draw(st.sampled_from(DTYPES))
    tensor = tensor.nan_to_num(0.0, 1.0, 0.0).clamp(0, 3).to(dtype) if not (
        dtype.is_floating_point or dtype.is_complex) else tensor.to(dtype)  # fmt: skip
    how = draw(st.sampled_from(["plain", "plain", "strided", "expanded", "sparse", "meta"]))
    if how == "strided" and tensor.ndim:
        return torch.stack([tensor, tensor], dim=-1)[..., 1]
    if how == "expanded" and tensor.ndim and tensor.shape[0]:
        return tensor[:1].expand(tensor.shape)
    if how == "sparse" and dtype == torch.float32:
        return tensor.to_sparse()
    return tensor.to("meta") if how == "meta" else tensor


numbers = st.one_of(
    st.none(), st.booleans(), st.integers(-3, 3), st.just(10**400), st.floats(),
    st.sampled_from([np.float32(0.4), np.float64(-0.1), np.int64(2), np.float16(6e4), np.nan]),
    st.sampled_from([np.array([0.1, 2.0]), np.array(0.3), torch.tensor([0.5, 1.5]), 1j, "0.4"]),
)  # fmt: skip
fields = st.builds(
    Field,
    st.lists(st.text(max_size=2), max_size=3).map(tuple),
    st.lists(st.floats(), max_size=3).map(tuple),
)
layouts = st.dictionaries(st.sampled_from(["flip", "crop", "x"]), fields, max_size=3)
simple = st.one_of(numbers, st.text(max_size=3), hostile_tensors(4), layouts, st.just(object()))
anything = st.recursive(
    simple,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.sampled_from(["crop", "flip", "color", 3]), inner, max_size=3),
    ),
    max_leaves=4,
)
"""Any value at all, and lists, tuples and dicts of them."""


def refused(act: Callable[[], Any]) -> Any:
    """Return what came out, ``None`` where the library refused it; any other error fails."""
    try:
        return act()
    except AugSelfError:
        return None
