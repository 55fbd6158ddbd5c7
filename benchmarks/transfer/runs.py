"""A folder per run: settings, versions, what came out, and checkpoints to go on from."""

from __future__ import annotations

import datetime
import json
import os
import platform
import subprocess
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

import augself_loss
from transfer.config import Config
from transfer.errors import TransferError
from transfer.files import replace

PACKAGES = (
    "torch",
    "torchvision",
    "kornia",
    "lightly",
    "lightning",
    "scikit-learn",
)
SECTIONS = (
    "pretraining",
    "linear",
    "few_shot",
    "localization",
    "readability",
    "readability_mlp",
    "equivariance",
    "in_domain",
    "retrieval",
)
"""Of the metrics of a finished run."""
LATER = ("readability_mlp", "equivariance")
"""Those that were not measured from the beginning; runs from before are finished without them."""


class RunError(TransferError):
    """A run's folder holds another run, or cannot be read."""


class Run:
    """Where one run keeps everything.

    Args:
        root: folder of all runs; the run's own is ``root/<data>/<name>``.
        config: the run's settings.

    Raises:
        RunError: the folder holds a run of other settings.
    """

    def __init__(self, root: Path, config: Config) -> None:
        self.config = config
        self.folder = root / config.data / config.name
        settings = json.loads(json.dumps(config.as_dict()))
        known = read(self.folder / "config.json")
        if known and known != settings:
            differ = sorted(k for k in {*known, *settings} if known.get(k) != settings.get(k))
            raise RunError(
                f"{self.folder} expected the settings it was begun with, found others: "
                f"{', '.join(differ)}. Give these runs another folder (--runs), or delete it."
            )
        if not known:
            write(self.folder / "config.json", settings)

    @property
    def backbone(self) -> Path:
        """Where the trained backbone's weights are."""
        return self.folder / "backbone.pt"

    @property
    def checkpoint(self) -> Path:
        """Where an unfinished pretraining goes on from."""
        return self.folder / "last.ckpt"

    @property
    def finished(self) -> bool:
        """Whether every section of the metrics is there that can be measured.

        What came later needs the weights, which a run from before may have lost.
        """
        lacks = lacking(self.metrics)
        return not lacks or (set(lacks) <= set(LATER) and not self.backbone.exists())

    @property
    def metrics(self) -> dict[str, Any]:
        """What is known of the run so far, section by section."""
        return read(self.folder / "metrics.json")

    def save(self, metrics: dict[str, Any]) -> None:
        """Keep what is known of the run so far."""
        write(self.folder / "metrics.json", metrics)

    def note_versions(self) -> None:
        """Write down what the run was made with."""
        write(self.folder / "versions.json", versions())


def trained(root: Path, data: str, names: Iterable[str]) -> list[Run]:
    """Find trained runs by the names of their folders.

    Args:
        root: folder of all runs.
        data: the setting that they were trained in.
        names: of the runs.

    Raises:
        RunError: one that is not there, or has no trained weights.
        SettingsError: one of settings that this version does not have.
    """
    found = []
    for name in names:
        folder = root / data / name
        if not (folder / "config.json").exists() or not (folder / "backbone.pt").exists():
            others = sorted(path.parent.name for path in (root / data).glob("*/backbone.pt"))
            raise RunError(
                f"Expected a trained run in {folder}, found no weights there. Trained in "
                f"{root / data}: {', '.join(others) or 'none'}."
            )
        found.append(Run(root, Config.from_dict(read(folder / "config.json"))))
    return found


def lacking(metrics: Mapping[str, Any]) -> list[str]:
    """List the sections that are not in a run's metrics."""
    return [name for name in SECTIONS if name not in metrics]


def versions() -> dict[str, str]:
    """Say date, machine, card, versions and commit."""
    card = {"card": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}
    return {
        "date": datetime.datetime.now(tz=datetime.timezone.utc).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **card,
        **{name: version(name) for name in PACKAGES},
        # A checkout is enough: the library need not be installed.
        "augself-loss": augself_loss.__version__,
        "commit": _commit() or "unknown",
    }


def _commit() -> str:
    """Commit of the checkout; empty where there is no git, or no repository."""
    git = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    except FileNotFoundError:
        return ""


def read(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent file is an empty one.

    Raises:
        RunError: the file is broken.
    """
    if not path.exists():
        return {}
    try:
        content: dict[str, Any] = json.loads(path.read_text())
    except json.JSONDecodeError as error:
        raise RunError(f"{path} expected JSON, found {error}. Delete it to begin anew.") from error
    return content


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a JSON object at once, so that an interrupted run leaves the old file or the new."""
    text = json.dumps(content, indent=1, sort_keys=True) + "\n"
    replace(path, lambda file: file.write(text.encode()))
