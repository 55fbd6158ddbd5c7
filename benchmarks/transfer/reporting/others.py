"""What the papers of AugSelf's neighbours publish: their numbers, in their own settings."""

from __future__ import annotations

from transfer.reporting.tables import Cell, Table

ROWS = (
    ("AugSelf", "MoCo v2", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "62.1", "63.9",
     "CASSLE's authors"),
    ("CASSLE", "MoCo v2", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "62.1", "64.8",
     "CASSLE's authors"),
    ("AugSelf", "MoCo v2", "ImageNet-100, ResNet-50", "few-shot, mean of six", "54.1", "57.5",
     "CASSLE's authors"),
    ("CASSLE", "MoCo v2", "ImageNet-100, ResNet-50", "few-shot, mean of six", "54.1", "56.9",
     "CASSLE's authors"),
    ("AugSelf", "SimCLR", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "60.35", "63.14",
     "STL, table 2"),
    ("EquiMod", "SimCLR", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "60.35", "57.58",
     "STL, table 2"),
    ("E-SSL", "SimCLR", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "60.35", "61.75",
     "STL, table 2"),
    ("STL", "SimCLR", "ImageNet-100, ResNet-50", "mean of 11 linear sets", "60.35", "64.18",
     "STL, table 2"),
    ("EquiMod", "SimCLR", "CIFAR-10, ResNet-18", "top-1, same set", "90.96", "92.79",
     "EquiMod's README"),
    ("EquiMod", "BYOL", "CIFAR-10, ResNet-18", "top-1, same set", "90.44", "91.57",
     "EquiMod's README"),
    ("EquiMod", "SimCLR", "ImageNet, ResNet-50", "top-1, same set", "71.57", "72.30",
     "EquiMod's README"),
    ("EquiMod", "BYOL", "ImageNet, ResNet-50", "top-1, same set", "74.03", "73.22",
     "EquiMod's README"),
    ("E-SSL", "SimCLR", "ImageNet, ResNet-50", "top-1, same set, 100 epochs", "67.6", "68.2",
     "E-SSL's README"),
    ("E-SSL", "SimCLR", "ImageNet, ResNet-50", "top-1, same set, 800 epochs", "71.9", "72.5",
     "E-SSL's README"),
    ("E-SSL", "SimSiam", "ImageNet, ResNet-50", "top-1, same set", "67.9", "68.5",
     "E-SSL's README"),
)  # fmt: skip
"""Objective, method, pretraining, test, without, with, source."""

NOTE = (
    "Not measured here: CASSLE's are of the notebook in the authors' repository, mprzewie/AugSelf "
    "(seed 0; AugSelf 63.9 to 64.1 there), STL's of arXiv 2501.08712, EquiMod's of "
    "ADevillers/EquiMod, E-SSL's of rdangovs/essl. None states an interval. STL's are STL's own "
    "runs of the others' methods."
)


def others_table() -> Table:
    """Make the table of what others publish."""
    return Table(
        "objectives_elsewhere",
        "Published by others, in their settings, %",
        ("objective", "beside", "pretrained on", "test", "without", "with", "source"),
        tuple(tuple(map(Cell, row)) for row in ROWS),
        NOTE,
        labels=2,
    )
