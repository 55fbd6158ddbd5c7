"""Draws the quickstart's picture: what a head predicts from two views, and what it is good for."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import kornia.augmentation as K  # noqa: N812
import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torchvision.transforms.v2 import functional

from augself_loss import AugSelfLoss, Record, plots
from augself_loss.recording.kornia import KorniaRecorder

plt.switch_backend("Agg")

PICTURE, SHOWN = 64, 64
"""Sides in pixels of the pictures and of the views in the figure."""
SIZE, VIEW = 40, 32
"""Sides in pixels of the pictures and of the views that the network sees."""


class Panel(NamedTuple):
    """Bars of one kind: label → score of either run, its interval if it is known, and chance."""

    plain: dict[str, float]
    augself: dict[str, float]
    chance: dict[str, float]
    intervals: tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]] = ({}, {})


def draw(
    pictures: Tensor,
    backbone: nn.Module,
    augself: AugSelfLoss,
    scores: dict[str, Panel],
    out: Path,
    *,
    seed: int = 0,
) -> None:
    """Draw pictures with their two views and boxes, and bars of the scores.

    Args:
        pictures: uint8 (N, 3, S, S), one row each.
        backbone: the network trained with AugSelf.
        augself: its heads.
        scores: title → panel.
        out: the PNG to write.
        seed: which views are drawn.
    """
    figure = plt.figure(figsize=(13, 2.0 * len(pictures) + 1.1), facecolor="white")
    left, right = figure.subfigures(1, 2, width_ratios=(1.12, 1))
    _draw_views(left, pictures, backbone, augself, seed)
    _draw_scores(right, scores)
    figure.savefig(out, dpi=110)
    plt.close(figure)


@torch.no_grad()
def _draw_views(
    figure: Any, pictures: Tensor, backbone: nn.Module, augself: AugSelfLoss, seed: int
) -> None:
    torch.manual_seed(seed)
    (views1, record1), (views2, record2) = _far_apart(pictures)
    features = [backbone.eval()(_as_seen(pictures, record)) for record in (record1, record2)]
    predicted = augself.eval().predict(features[0], features[1])["crop"]
    grid = figure.subplots(len(pictures), 3, gridspec_kw={"wspace": 0.05, "hspace": 0.05})
    for i, axes in enumerate(grid):
        row = slice(i, i + 1)
        one, two = ({name: entry[row] for name, entry in r.items()} for r in (record1, record2))
        plots.draw_pair(axes, pictures[i], (views1[i], views2[i]), one, two, predicted[row])
    for axes, title in zip(grid[0], ("picture", "view 1", "view 2"), strict=True):
        axes.set_title(title, fontsize=12)
    figure.suptitle(
        "AugSelf predicts from two views' features where view 2 lies",
        fontsize=14,
        weight="bold",
    )
    figure.subplots_adjust(top=0.9, bottom=0.07, left=0.02, right=0.98)
    figure.legend(handles=plots.box_legend(), loc="lower center", ncols=3, frameon=False)


def _pipeline(side: int) -> K.AugmentationSequential:
    return K.AugmentationSequential(
        K.RandomResizedCrop((side, side), scale=(0.2, 0.5)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


def _far_apart(pictures: Tensor, draws: int = 8) -> tuple[tuple[Tensor, Record], ...]:
    """Draw pairs of views, and keep the draw whose true boxes lie farthest apart on average."""
    recorder = KorniaRecorder(_pipeline(SHOWN))
    pairs = [
        (recorder(pictures.float() / 255), recorder(pictures.float() / 255)) for _ in range(draws)
    ]
    apart = [(one[1]["crop"] - two[1]["crop"])[:, :2].norm(dim=1).mean() for one, two in pairs]
    return pairs[int(torch.stack(apart).argmax())]


def _as_seen(pictures: Tensor, record: Record) -> Tensor:
    """Apply a record again to the pictures as small as the network was trained on."""
    small = functional.resize(pictures, [SIZE, SIZE], antialias=True).float() / 255
    return KorniaRecorder(_pipeline(VIEW)).replay(small, record)


def _draw_scores(figure: Any, scores: dict[str, Panel]) -> None:
    heights = [len(panel.plain) + 1 for panel in scores.values()]
    panels = figure.subplots(len(scores), 1, gridspec_kw={"height_ratios": heights})
    for axes, (title, panel) in zip(panels, scores.items(), strict=True):
        plots.draw_scores(
            axes, panel.plain, panel.augself, intervals=panel.intervals, chance=panel.chance
        )
        axes.set_title(title, fontsize=12, loc="left")
    figure.suptitle("What the frozen features know", fontsize=14, weight="bold")
    figure.subplots_adjust(top=0.88, bottom=0.1, left=0.26, right=0.97, hspace=0.4)
    figure.legend(
        handles=plots.run_legend(intervals=True), loc="lower center", ncols=4, frameon=False
    )
