"""Says what was measured on: date, machine and versions stand beside every number."""

from __future__ import annotations

import datetime
import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

import torch


def machine(threads: int) -> dict[str, str]:
    """Say what was measured on."""
    packages = ["torch", "torchvision", "kornia", "augself-loss"]
    if find_spec("albumentations"):  # an optional extra
        packages.append("albumentations")
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {threads} thread(s)",
        "python": platform.python_version(),
        **{name: _version(name) for name in packages},
    }


def card(device: torch.device) -> dict[str, str]:
    """Say which accelerator was measured, with its driver and the libraries that it needs."""
    if device.type != "cuda":
        return {"card": f"none, {device.type}"}
    found, cudnn = torch.cuda.get_device_properties(device), getattr(torch.backends, "cudnn", None)
    return {
        "card": f"{found.name}, {found.total_memory / 2**30:.0f} GiB",
        "capability": f"{found.major}.{found.minor}, {found.multi_processor_count} multiprocessors",
        "driver": _driver(),
        "cuda": str(torch.version.cuda or torch.version.hip),
        "cudnn": str(cudnn and cudnn.version()),
        "triton": _version("triton"),
    }


def _version(package: str) -> str:
    """Read what is installed; a checkout of this library need not be."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _driver() -> str:
    """Ask for the driver's version; without the tool that knows it, it stays unknown."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    asked = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return next(iter(said.split()), "unknown")
