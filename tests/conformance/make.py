"""Makes the conformance vectors anew: ``python tests/conformance/make.py``.

It needs all libraries; the same ones make the same files. A file's name makes that one alone.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Iterator, Sequence

import torch
from by_hand import by_hand
from cases import CASES
from libraries import MODULES, library_of, observe, versions_of
from vectors import BY_HAND, FOLDER, VERSION, VOCABULARY, Json, written

from augself_loss.encoders import default_encoders

SEEDS = 100
"""Apart from each other, so that no two vectors of a file share a draw."""


def vectors(name: str) -> Iterator[Json]:
    """Draw the vectors of a file."""
    for number, (pipeline, image, count) in enumerate(CASES[name]):
        for one in range(count):
            yield observe(name, written(pipeline), image, SEEDS * number + 2 * one)


def vocabulary() -> Json:
    """List every type, and every entry with its columns and its identity."""
    return {
        encoder.name: {
            "kind": encoder.kind,
            "entries": {
                entry: {"columns": field.columns, "identity": field.identity}
                for entry, field in encoder.fields.items()
            },
        }
        for encoder in default_encoders().values()
    }


def made(name: str) -> Json:
    """Make a file's content."""
    if name == VOCABULARY:
        return {"version": VERSION, "types": written(vocabulary())}
    if name == BY_HAND:
        return {"version": VERSION, "library": None, "vectors": list(by_hand())}
    return {
        "version": VERSION, "library": library_of(name), "module": MODULES[name],
        "versions": versions_of(name), "vectors": list(vectors(name)),
    }  # fmt: skip


def as_text(content: Json) -> str:
    """Write JSON that a person can read: a line per part of a vector."""
    parts = []
    for name, value in content.items():
        if name == "vectors":
            blocks = (_block(vector.items(), "  ") for vector in value)
            parts.append('"vectors": [\n  ' + ",\n  ".join(blocks) + "\n ]")
        elif name == "types":
            parts.append('"types": ' + _block(value.items(), " "))
        else:
            parts.append(f'"{name}": {json.dumps(value)}')
    return "{\n " + ",\n ".join(parts) + "\n}\n"


def _block(items: Sequence[tuple[str, Json]], indent: str) -> str:
    lines = (f'"{name}": {json.dumps(value, separators=(", ", ": "))}' for name, value in items)
    return "{" + f",\n{indent} ".join(lines) + "}"


def main(names: Sequence[str]) -> None:
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for name in names or [VOCABULARY, BY_HAND, *CASES]:
        (FOLDER / f"{name}.json").write_text(as_text(made(name)), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
