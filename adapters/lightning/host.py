"""The classes of Lightning's two packages, ``lightning`` and ``pytorch_lightning``."""

from __future__ import annotations

import importlib
from typing import Any

from augself_loss.errors import missing_extra

PACKAGES = ("lightning.pytorch", "pytorch_lightning")


def host_classes(name: str) -> tuple[Any, ...]:
    """Find a class in every package that is installed; they are two classes of one name.

    Raises:
        ImportError: neither is installed; with the pip line.
    """
    found = []
    for package in PACKAGES:
        try:
            found.append(getattr(importlib.import_module(package), name))
        except ImportError:
            continue
    if not found:
        needs = "lightning (or pytorch_lightning)"
        raise missing_extra("augself_loss.adapters.lightning", needs, "lightning")
    return tuple(found)
