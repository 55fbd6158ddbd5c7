"""Measures and checks the library on an accelerator: prints tables, writes text and JSON.

    python benchmarks/accelerator.py
    python benchmarks/accelerator.py records views --minutes 3 --out results
    python benchmarks/accelerator.py --device cpu --tiny

It runs from a checkout, installed or not, and fetches nothing. What is compared runs in turn in one
process. A part that fails is told by name and stops no other; results are written after each case.
"""

from __future__ import annotations

import argparse
import io
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from accelerated.report import text
from accelerated.session import PARTS, run
from accelerated.target import target_of


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--device", default="cuda", help="cuda, cuda:1 or cpu")
    parser.add_argument("--minutes", type=float, default=6, help="begin nothing after these")
    parser.add_argument("--out", type=Path, default=Path("runs/accelerator"))
    parser.add_argument("--tiny", action="store_true", help="only see that everything runs")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    args = parser.parse_args()
    unknown = set(args.parts) - set(PARTS)
    if unknown:
        parser.error(f"expected parts out of {', '.join(PARTS)}, found {', '.join(unknown)}")
    try:
        target = target_of(args.device, tiny=args.tiny, compiles=not args.no_compile)
    except (ValueError, RuntimeError) as error:
        parser.error(f"--device: {error}")
    if find_spec("augself_loss") is None:  # a checkout that is not installed
        sys.path.append(str(Path(__file__).parents[1]))
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without × and ≥ must not end the run
    torch.set_num_threads(1)
    args.out.mkdir(parents=True, exist_ok=True)
    chosen = [name for name in PARTS if name in args.parts or not args.parts]
    results = run(target, chosen, args.minutes, args.out, lambda line: print(line, flush=True))
    print(f"\n{text(results)}\nEverything is in {args.out}")


if __name__ == "__main__":
    main()
