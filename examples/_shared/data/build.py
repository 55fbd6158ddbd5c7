"""Make the quickstart's image pack from public packages.

    python examples/_shared/data/build.py --cache DIR

Downloads the packages named in sources.py into DIR if they are not there (with `apt-get` and
`npm`), and writes one contact sheet a task, index.json and ATTRIBUTION.md beside this file. Nothing
is drawn from a clock or an unseeded generator: the same archives and the same Pillow give the same
bytes. The pack is committed, so that only people who want to change it need to run this.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from attribution import write_attribution
from material import Material
from pretraining import pretrain
from sheets import write_index
from sources import SOURCES, Cache
from tasks import category, flags, gallery, locate, skintone

TASKS = (pretrain, skintone, flags, locate, category, gallery)
BUDGET = 6_000_000


def build(cache: Cache, folder: Path) -> int:
    """Write the whole pack and return its size in bytes."""
    material = Material.load(cache, SOURCES)
    total = 0
    sheets = []
    for make in TASKS:
        sheet = make(material)
        size = sheet.save(folder)
        print(f"{sheet.name:9} {len(sheet.tiles):5} tiles {size:9,} bytes", flush=True)
        sheets.append(sheet)
        total += size
    sources = [
        {"package": source.package, "version": version, "licence": source.licence}
        for source, version in zip(SOURCES, material.versions.values(), strict=True)
    ]
    total += write_index(folder / "index.json", sheets, sources)
    return total + write_attribution(folder / "ATTRIBUTION.md", material, sheets)


def main() -> None:
    """Fetch what is missing, build, and complain if the pack has outgrown its budget."""
    parser = argparse.ArgumentParser(description="Make the quickstart's image pack.")
    parser.add_argument("--cache", type=Path, required=True, help="folder for package archives")
    cache = Cache(parser.parse_args().cache)
    cache.fetch()
    total = build(cache, Path(__file__).parent)
    print(f"total     {total:21,} bytes")
    if total > BUDGET:
        raise SystemExit(f"the pack is larger than {BUDGET:,} bytes")


if __name__ == "__main__":
    main()
