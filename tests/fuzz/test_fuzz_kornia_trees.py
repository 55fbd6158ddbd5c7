"""Containers of containers, whatever chooses and resizes in them: the box is the pixels', or named.

Images say in their pixels where they lie, so that a view shows which part of the source it is.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import kornia.augmentation as K  # noqa: N812
import kornia.geometry.transform as warp
import pytest
import torch
from torch import Tensor, nn

from augself_loss import AugSelfError, Record
from augself_loss.recording.kornia import KorniaRecorder

SIDE = 32
LEAVES: Sequence[Callable[[], nn.Module]] = (
    lambda: K.RandomHorizontalFlip(p=0.5),
    lambda: K.RandomVerticalFlip(p=0.5),
    lambda: K.RandomRotation90((0, 3), p=0.5),
    lambda: K.RandomResizedCrop((24, 24), (0.4, 0.9)),
    lambda: K.RandomCrop((20, 20), padding=3, p=0.5),
    lambda: K.RandomCrop((40, 40), pad_if_needed=True),
    lambda: K.RandomCrop((22, 22), cropping_mode="resample"),
    lambda: K.CenterCrop(18, p=0.6),
    lambda: K.Resize((26, 26)),
    lambda: K.Resize((40, 40), p=0.5),
    lambda: warp.Resize((30, 30)),
    nn.Identity,
)
CONTAINERS: Sequence[Callable[..., nn.Module]] = (
    nn.Sequential,
    K.ImageSequential,
    K.AugmentationSequential,
    lambda *steps: K.ImageSequential(*steps, random_apply=1),
    lambda *steps: K.ImageSequential(*steps, random_apply=True),
    lambda *steps: K.ImageSequential(*steps, random_apply=3),
    lambda *steps: K.ImageSequential(
        *steps, random_apply=(1, len(steps)), random_apply_weights=[0.2] * len(steps)
    ),
)


def tree(draw: random.Random, depth: int = 0) -> nn.Module:
    """Build a pipeline of containers of containers."""
    if depth == 3 or draw.random() < 0.35:
        return draw.choice(LEAVES)()
    children = [tree(draw, depth + 1) for _ in range(draw.randint(1, 3))]
    return draw.choice(CONTAINERS)(*children)


def grid(height: int, width: int) -> Tensor:
    """Centres of the pixels as fractions of the image: x, y, ``(2, H, W)``."""
    x = ((torch.arange(width) + 0.5) / width).expand(height, width)
    y = ((torch.arange(height) + 0.5) / height)[:, None].expand(height, width)
    return torch.stack([x, y])


def expected(record: Record, sample: int, size: tuple[int, int]) -> Tensor:
    """Say which x and y of the source a view shows, by its record alone."""
    box = record["crop"][sample].tolist() if "crop" in record else [0.0, 0.0, 1.0, 1.0]
    turns = int(record["rotation"][sample]) if "rotation" in record else 0
    x, y = grid(*(size[::-1] if turns % 2 else size))
    seen = torch.stack([box[1] + x * box[3], box[0] + y * box[2]])
    for name, axis in (("flip", -1), ("vertical_flip", -2)):
        if name in record and record[name][sample] == 1:
            seen = seen.flip(axis)
    return torch.rot90(seen, turns, (-2, -1))


@pytest.mark.parametrize("seed", range(200))
def test_a_record_is_where_the_pixels_lie_or_is_refused(seed: int) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        pipeline = tree(random.Random(seed))
        source = torch.cat([grid(SIDE, SIDE), torch.ones(1, SIDE, SIDE)]).repeat(3, 1, 1, 1)
        try:
            recorder = KorniaRecorder(pipeline)
            views, record = recorder(source)
        except AugSelfError:
            return
        except AssertionError:  # Kornia's own, of a CenterCrop larger than its image
            with pytest.raises(AssertionError):
                [pipeline(source) for _ in range(30)]
            return
    for sample, view in enumerate(views):
        seen = view[2] > 0.999
        if seen.sum() > 20:
            error = (view[:2] - expected(record, sample, (view.shape[-2], view.shape[-1]))).abs()
            assert (error * seen).max() < 0.12
