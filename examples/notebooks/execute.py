"""Execute the notebooks, and keep what they print and draw where that is wanted.

An exception, a warning or anything else on a cell's stderr is a failure.

    pip install nbclient ipykernel
    python examples/notebooks/execute.py                  # see that they run
    python examples/notebooks/execute.py --store [NAME …] # and store outputs and thumbnails
"""

from __future__ import annotations

import argparse
import base64
import io
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

HERE = Path(__file__).parent
SECONDS = 300
"""One cell may take so long."""
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
THUMBNAIL = (320, 150)
"""Largest width and height in pixels."""


def execute(path: Path) -> Any:
    """Run a notebook from its own folder.

    Args:
        path: the ``.ipynb``.

    Returns:
        The notebook with its outputs, and without what differs from machine to machine.

    Raises:
        CellExecutionError: a cell raised.
        SystemExit: a cell warned.
    """
    notebook = nbformat.read(path, as_version=4)
    resources = {"metadata": {"path": str(path.parent)}}
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        resources=resources,
        extra_arguments=quiet,
        record_timing=False,
    )
    client.execute()
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stderr":
                raise SystemExit(f"{path.name} warns:\n{output['text']}")
            output.get("data", {}).pop("text/html", None)
            if len(output.get("data", {})) > 1:
                output["data"].pop("text/plain", None)  # "<Figure size …>"
        cell.metadata = {}
    notebook.metadata = {"kernelspec": KERNEL, "language_info": {"name": "python"}}
    return notebook


def thumbnail(notebook: Any) -> Image.Image:
    """Make the first picture of a notebook small."""
    shown = [o.get("data", {}) for c in notebook.cells for o in c.get("outputs", [])]
    first = next(data["image/jpeg"] for data in shown if "image/jpeg" in data)
    picture = Image.open(io.BytesIO(base64.b64decode(first)))
    picture.thumbnail(THUMBNAIL, Image.Resampling.LANCZOS)
    return picture.quantize(128)


def main() -> None:
    """Execute all, or those that are named."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("names", nargs="*", help="without .ipynb; default: all")
    parser.add_argument("--store", action="store_true", help="write them back with their outputs")
    args = parser.parse_args()
    paths = [HERE / f"{name}.ipynb" for name in args.names] or sorted(HERE.glob("*.ipynb"))
    for path in paths:
        start = time.perf_counter()
        notebook = execute(path)
        print(f"{path.name}: {time.perf_counter() - start:.0f} s", flush=True)
        if args.store:
            nbformat.write(notebook, path)
            thumbnail(notebook).save(path.with_suffix(".png"), optimize=True)


if __name__ == "__main__":
    main()
