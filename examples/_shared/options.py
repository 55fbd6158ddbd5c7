"""The options that all scripts have which train on pictures."""

from __future__ import annotations

import argparse
from pathlib import Path

from _shared import images


def parser(doc: str | None, *, epochs: int) -> argparse.ArgumentParser:
    """Begin a command line; the script adds options of its own.

    Args:
        doc: the script's docstring; its first paragraph is printed by ``--help``.
        epochs: the script's default.
    """
    made = argparse.ArgumentParser(description=(doc or "").split("\n\n", maxsplit=1)[0])
    made.add_argument("--data", choices=images.SOURCES, default="pack")
    made.add_argument("--path", type=Path, help="folder of the pictures, except for the pack")
    made.add_argument("--epochs", type=int, default=epochs)
    made.add_argument("--smoke", action="store_true", help="a few steps only, to test the script")
    return made
