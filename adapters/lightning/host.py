"""The classes of Lightning's two packages, ``lightning`` and ``pytorch_lightning``."""

from __future__ import annotations

import importlib
from contextlib import suppress
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
        with suppress(ImportError):
            found.append(getattr(importlib.import_module(package), name))
    if not found:
        raise missing_extra(
            "augself_loss.adapters.lightning", "lightning (or pytorch_lightning)", "lightning"
        )
    return tuple(found)
