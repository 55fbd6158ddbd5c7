"""Which tensors inside a network all of its result goes through, as autograd's graph tells.

A tensor beside a shortcut, or one head's attention, is a part of what a network knows at its depth.
What every path from the images to the result leads through is all of it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import torch
from torch import Tensor

Vertex: TypeAlias = tuple[Any, int]
"""A tensor in the graph: the node that made it, and which of that node's outputs it is."""

MOST_PREFIX = 64
"""How many tokens may stand before the patches."""


def vertex(tensor: Tensor) -> Vertex:
    """Say where in the graph a tensor is; ``(None, 0)`` for one outside of it."""
    return tensor.grad_fn, tensor.output_nr


def passed(result: Tensor, source: Any) -> set[Vertex]:
    """List the tensors that every path to a result leads through.

    Args:
        result: what a network made of the source.
        source: the graph's node that made the images.

    Returns:
        Their vertices, the result's among them; none where no path leads here.
    """
    nodes = _inputs_first(result.grad_fn)
    below: dict[Any, int] = {}
    for node in nodes:
        below[node] = 1 if node is source else sum(below[each] for each, _ in _inputs(node))
    total = below.get(result.grad_fn, 0)
    above: dict[Any, dict[int, int]] = {node: {} for node in nodes}
    if total:
        above[result.grad_fn][result.output_nr] = 1
    found = set()
    for node in reversed(nodes):
        found |= {
            (node, number)
            for number, paths in above[node].items()
            if total and paths * below[node] == total
        }
        for each, number in _inputs(node):
            above[each][number] = above[each].get(number, 0) + sum(above[node].values())
    return found


def prefix_tokens(tokens: Tensor, images: Tensor) -> int | None:
    """Count the tokens before the patches: those that no pixel changes.

    Args:
        tokens: ``(B, N, D)``, before any attention.
        images: ``(B, C, H, W)``, of which they were made.

    Returns:
        How many, or ``None`` where it does not show: attention or another mix came before, what
        comes last is no patch, or a patch is the whole image.
    """
    if not 0 < _reach(tokens, -1, images) < images[0].numel():
        return None
    for number in range(min(tokens.shape[1], MOST_PREFIX)):
        if _reach(tokens, number, images) > 0:
            return number
    return None


def is_of_images(tokens: Tensor, images: Tensor) -> bool:
    """Whether the last token comes of the images: a position's embedding does not."""
    return _reach(tokens, -1, images) > 0


def _reach(tokens: Tensor, number: int, images: Tensor) -> int:
    """Count the values of the first image that change one of its tokens."""
    width = tokens.shape[-1]
    mixed = torch.arange(1, width + 1, device=tokens.device).cos().to(tokens.dtype)
    (gradient,) = torch.autograd.grad(
        (tokens[0, number] * mixed).sum(), images, retain_graph=True, allow_unused=True
    )
    return 0 if gradient is None else int(gradient[0].count_nonzero())


def _inputs(node: Any) -> list[tuple[Any, int]]:
    return [(each, number) for each, number in node.next_functions if each is not None]


def _inputs_first(last: Any) -> list[Any]:
    """List the graph's nodes, each after all that it takes from."""
    order: list[Any] = []
    known, open_nodes = {last}, [(last, iter(_inputs(last)))] if last is not None else []
    while open_nodes:
        node, inputs = open_nodes[-1]
        for each, _ in inputs:
            if each not in known:
                known.add(each)
                open_nodes.append((each, iter(_inputs(each))))
                break
        else:
            open_nodes.pop()
            order.append(node)
    return order
