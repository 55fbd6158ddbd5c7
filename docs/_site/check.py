"""Refuses a built site whose reference lacks a public name: ``check.py SITE``."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import griffe
from pages import MODULES


def public(module: griffe.Object | griffe.Alias) -> Iterator[str]:
    """List what a module offers: what ``__all__`` names, or its own classes and functions."""
    names = module.exports
    for name, member in module.members.items():
        if names:
            listed = name in names
        else:
            own = not member.is_alias and (member.is_class or member.is_function)
            listed = own and not name.startswith("_")
        if listed and not member.is_module:
            yield f"{module.path}.{name}"


def shown(site: Path) -> set[str]:
    """List the names that the site has an anchor for."""
    head, _, body = (site / "objects.inv").read_bytes().partition(b"zlib.\n")
    assert head.startswith(b"# Sphinx inventory")
    lines = zlib.decompress(body).decode().splitlines()
    return {line.split(" py:")[0] for line in lines}


def main() -> None:
    """Compare."""
    there = shown(Path(sys.argv[1]))
    wanted = [name for module in MODULES for name in public(griffe.load(module))]
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        raise SystemExit(f"The reference lacks {len(missing)} public names: {', '.join(missing)}")
    print(f"{len(wanted)} public names are in the reference.")


if __name__ == "__main__":
    main()
