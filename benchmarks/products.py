"""The machine's limit: the term's matrix products alone, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def products(
    batch: int,
    dim: int,
    types: int,
    dtype: torch.dtype,
    hidden: int = 512,
    device: torch.device | str = "cpu",
) -> Callable[[], object]:
    """Prepare the heads' hidden products for both orders of two views, into memory that is there.

    Args:
        batch: samples per view.
        dim: width D of the features.
        types: number of heads.
        dtype: of everything.
        hidden: width of the hidden layers.
        device: where they run.

    Returns:
        What runs them once: per layer the output, the weight's gradient, the input's gradient.
    """
    rows, wide = 2 * batch, types * hidden

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, dtype=dtype, device=device)

    x, grad, weight = drawn(rows, 2 * dim), drawn(rows, wide), drawn(wide, 2 * dim)
    out, out_weight, out_x = torch.empty_like(grad), torch.empty_like(weight), torch.empty_like(x)
    h, grad_h = drawn(types, rows, hidden), drawn(types, rows, hidden)
    inner = drawn(types, hidden, hidden)
    out_h, out_inner = torch.empty_like(h[0]), torch.empty_like(inner[0])

    def run() -> None:
        torch.mm(x, weight.mT, out=out)
        torch.mm(grad.mT, x, out=out_weight)
        torch.mm(grad, weight, out=out_x)
        for one, g, w in zip(h, grad_h, inner, strict=True):
            torch.mm(one, w.mT, out=out_h)
            torch.mm(g.mT, one, out=out_inner)
            torch.mm(g, w, out=out_h)

    return run
