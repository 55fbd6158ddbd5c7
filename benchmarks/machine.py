"""Says what was measured on: date, machine and versions stand beside every number."""

from __future__ import annotations

import datetime
import os
import platform
from importlib.metadata import version


def machine(threads: int) -> dict[str, str]:
    """Say what was measured on."""
    packages = ("torch", "torchvision", "kornia", "augself-loss")
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {threads} thread(s)",
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
