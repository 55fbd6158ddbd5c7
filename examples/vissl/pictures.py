"""Writes the quickstart's pictures as files, class folder by class folder, for VISSL to read.

Run it here as ``PYTHONPATH=.. python pictures.py pictures``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from _shared import pack
from torchvision.io import write_png


def main() -> None:
    """Write as many pictures as are asked for."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--limit", type=int, help="how many pictures; default all")
    args = parser.parse_args()
    folder = args.folder / "all"  # VISSL's disk_folder wants classes; SimCLR does not look at them
    folder.mkdir(parents=True, exist_ok=True)
    pictures = pack.load("pretrain").images[: args.limit]
    for number, picture in enumerate(pictures):
        write_png(picture, str(folder / f"{number:05}.png"))
    print(f"{len(pictures)} pictures in {folder}")


if __name__ == "__main__":
    main()
