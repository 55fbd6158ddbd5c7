"""Which places of two views are the same: what dense methods match, read from the views' records.

Draws a picture with the outlines of two views, the views with some of their common places, and the
first view as the second one shows it.

    python examples/matching_places.py
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812
import matplotlib.pyplot as plt
import torch
from _shared import pack
from torch import Tensor
from torch.nn import functional

from augself_loss import geometry, plots
from augself_loss.recording.kornia import KorniaRecorder

PLACES, SHOWN = 5, 96
"""Places along each side of view 2 that are matched; side of the views in pixels."""


def outline(axes: Any, matrix: Tensor, colour: str) -> None:
    """Draw where the edges of a view lie in its source."""
    x, y = torch.tensor([[0, SHOWN, SHOWN, 0, 0], [0, 0, SHOWN, SHOWN, 0]]) - 0.5
    there = matrix @ torch.stack([x, y, torch.ones(5)])
    axes.plot(*(there[:2] / there[2]), color=colour, linewidth=2)


def places_of(axes: Any, where: Tensor, seen: Tensor) -> None:
    """Draw places (N, 2) in −1 … 1, each in a colour of its own."""
    there = (where[seen] + 1) * SHOWN / 2 - 0.5
    colours = torch.arange(len(seen))[seen]
    axes.scatter(*there.T, c=colours, cmap="hsv", vmax=len(seen), edgecolors="black", s=40)


def main() -> None:
    """Draw the picture."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--out", type=Path, default=Path("matching_places.png"))
    options.add_argument("--picture", type=int, default=64, help="which of the pack's pictures")
    options.add_argument("--seed", type=int, default=0)
    args = options.parse_args()
    torch.manual_seed(args.seed)
    images = pack.load("pretrain").images[args.picture][None] / 255
    augment = K.AugmentationSequential(
        K.RandomResizedCrop((SHOWN, SHOWN), (0.4, 0.8)),
        K.RandomHorizontalFlip(),
        K.RandomAffine(25.0, shear=10.0, p=0.8),
        K.RandomPerspective(0.3, p=0.7),
    )
    recorder = KorniaRecorder(augment)
    (view1, record1), (view2, record2) = recorder(images), recorder(images)

    pixels = recorder.pixels(images.shape[-2:])
    where, seen = geometry.grid(record1, record2, pixels, size=(PLACES, PLACES))
    here, _ = geometry.grid(record2, record2, pixels, size=(PLACES, PLACES))
    dense, shown = geometry.grid(record1, record2, pixels, size=(SHOWN, SHOWN))
    found = geometry.overlap(record1, record2, pixels)
    print(
        f"view 2 shows {found.share1.item():.0%} of view 1, view 1 {found.share2.item():.0%} of it"
    )

    _, panels = plt.subplots(1, 4, figsize=(13, 3.6), layout="constrained")
    matched = functional.grid_sample(view1, dense, align_corners=False) * shown[:, None]
    titles = ("picture, two views", "view 1", "view 2", "view 1, at view 2's pixels")
    for axes, image, title in zip(panels, (images, view1, view2, matched), titles, strict=True):
        plots.show_image(axes, image[0])
        axes.set_title(title)
        axes.autoscale(False)
    for record, colour in ((record1, plots.PREDICTED), (record2, plots.TRUE)):
        outline(panels[0], geometry.matrix(record, pixels)[0], colour)
    places_of(panels[1], where.flatten(0, 2), seen.flatten())
    places_of(panels[2], here.flatten(0, 2), seen.flatten())
    plt.savefig(args.out, dpi=70)


if __name__ == "__main__":
    main()
