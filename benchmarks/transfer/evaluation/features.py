"""Frozen features of pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence, Sized
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from _shared import images
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset


@dataclass(frozen=True)
class Inputs:
    """How pictures are handed to a network.

    Args:
        size: side that they are resized to, that of the views it was trained on; ``None`` leaves
            them as they are.
        normalize: called with float pictures ``(B, 3, S, S)`` in [0, 1], if the training did so.
        batch: pictures at a time. It changes no result.
        device: where the network is.
        workers: processes that read pictures which do not lie in memory.
    """

    size: int | None = None
    normalize: Callable[[Tensor], Tensor] | None = None
    batch: int = 512
    device: str | torch.device = "cpu"
    workers: int = 0


AS_THEY_ARE = Inputs()


def extract(backbone: nn.Module, pictures: Dataset[Tensor], inputs: Inputs = AS_THEY_ARE) -> Tensor:
    """Compute a network's features of all pictures.

    Args:
        backbone: maps float ``(B, 3, S, S)`` to ``(B, D)``. It runs in evaluation mode, and every
            module's mode is restored.
        pictures: row → uint8 ``(3, S, S)``.
        inputs: how they are handed over.

    Returns:
        ``(N, D)`` float32 on the CPU.

    Raises:
        ValueError: no pictures, pictures that are not uint8, or features that are not ``(B, D)``
            or not finite.
    """
    if count(pictures) == 0:
        raise ValueError("extract expected pictures, found none.")
    parts = []
    with frozen(backbone):
        for batch in _batches(pictures, inputs):
            part = batch if inputs.size is None else images.resized(batch, inputs.size)
            parts.append(embed(backbone, as_floats(part, inputs.device), inputs))
    return torch.cat(parts)


@contextmanager
def frozen(backbone: nn.Module) -> Iterator[None]:
    """Put a network into evaluation mode without gradients, and every module back afterwards."""
    modes = {module: module.training for module in backbone.modules()}
    backbone.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def embed(backbone: nn.Module, floats: Tensor, inputs: Inputs) -> Tensor:
    """Compute features ``(B, D)`` of float pictures in [0, 1], within :func:`frozen`."""
    normalized = floats if inputs.normalize is None else inputs.normalize(floats)
    features = backbone(normalized)
    if not isinstance(features, Tensor) or features.ndim != 2:
        found = tuple(features.shape) if isinstance(features, Tensor) else type(features).__name__
        raise ValueError(
            f"Expected a backbone that gives features (B, D), found {found}. Pool and flatten "
            "them first."
        )
    known: Tensor = features.float().cpu()
    if not known.isfinite().all():
        raise ValueError("Expected finite features, found NaN or infinity: the training diverged.")
    return known


def as_floats(pictures: Tensor, device: str | torch.device) -> Tensor:
    """Turn uint8 pictures ``(B, 3, S, S)`` into floats in [0, 1] on ``device``."""
    if pictures.dtype != torch.uint8 or pictures.ndim != 4:
        raise ValueError(
            f"Expected uint8 pictures (B, 3, S, S), found {pictures.dtype} {tuple(pictures.shape)}."
        )
    return pictures.to(device).float() / 255


def count(pictures: Dataset[Tensor]) -> int:
    """How many pictures there are."""
    if not isinstance(pictures, Sized):
        raise ValueError(f"Expected a data set with a length, found {type(pictures).__name__}.")
    return len(pictures)


def rows_of(pictures: Dataset[Tensor], rows: Sequence[int]) -> Tensor:
    """Read some of the pictures, uint8 ``(B, 3, S, S)``."""
    memory = _in_memory(pictures)
    return torch.stack([pictures[row] for row in rows]) if memory is None else memory[list(rows)]


def _batches(pictures: Dataset[Tensor], inputs: Inputs) -> Iterator[Tensor]:
    memory = _in_memory(pictures)
    if memory is not None:
        yield from torch.split(memory, inputs.batch)
    else:
        yield from DataLoader(pictures, batch_size=inputs.batch, num_workers=inputs.workers)


def _in_memory(pictures: Dataset[Tensor]) -> Tensor | None:
    """All pictures as one tensor where the data set holds them so."""
    memory = getattr(pictures, "images", None)
    return memory if isinstance(memory, Tensor) and memory.ndim == 4 else None
