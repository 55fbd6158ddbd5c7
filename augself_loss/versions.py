"""What a report of a bug needs to say: versions of this library and of what it works with."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from importlib import metadata

LIBRARIES = ("torch", "torchvision", "kornia", "einops", "albumentations", "albumentationsx")
HOSTS = (
    "lightning", "pytorch-lightning", "lightly", "lightly-train", "timm", "transformers",
    "accelerate", "solo-learn", "stable-pretraining", "mmpretrain", "vissl", "byol-pytorch",
    "pytorch-metric-learning",
)  # fmt: skip
"""Distributions of the hosts that have an adapter, a page or a test, in any order."""


def versions(distributions: Iterable[str] = (*LIBRARIES, *HOSTS)) -> dict[str, str]:
    """List versions without importing anything.

    Args:
        distributions: names as pip knows them; those not installed are left out.

    Returns:
        ``python``, ``platform`` and every installed distribution → its version.

    Example:
        >>> list(versions(["torch", "no-such-package"]))
        ['python', 'platform', 'torch']
    """
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in distributions:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
