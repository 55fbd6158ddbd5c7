"""What the comparison's commands take."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

from _shared import pack

from transfer import recipes
from transfer.config import ARMS, METHODS
from transfer.data import settings as data
from transfer.runs import SECTIONS

DEFAULT_ARMS = ("plain", "augself")
"""Those that a grid trains if nothing else is asked for."""
SAID = "The comparison's command line; ``python -m transfer COMMAND --help`` says what each takes."


def parser() -> argparse.ArgumentParser:
    """Make the parser; ``command`` is the command's name."""
    whole = argparse.ArgumentParser(prog="python -m transfer", description=SAID)
    commands = whole.add_subparsers(required=True, dest="command")
    common, reported = _common(), _reported()
    _add_runs(commands, common, reported)
    _add_sets(commands, common)
    _add_measured(commands, common)
    commands.add_parser("report", parents=[common, reported], help="report what there is")
    return whole


def _common() -> argparse.ArgumentParser:
    """What nearly all take: which pictures, which recipe, where the runs are."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--data", choices=data.NAMES, default="offline")
    common.add_argument("--path", type=Path, help="folder of the pictures; the pack needs none")
    common.add_argument(
        "--recipe", choices=("", *recipes.RECIPES), default="", help="larger runs, for a GPU"
    )
    common.add_argument("--classes", type=Path, help="file with the 100 classes of ImageNet")
    common.add_argument("--download", action="store_true", help="let torchvision download sets")
    common.add_argument(
        "--runs",
        type=Path,
        default=Path("runs"),
        help="folder of all runs; to report on, also a file of published ones",
    )
    common.add_argument("--workers", type=int, default=0, help="of every DataLoader")
    common.add_argument("--quiet", action="store_true", help="no progress bars")
    common.add_argument("--smoke", action="store_true", help="tiny runs, to test the chain")
    common.add_argument(
        "--set", type=_setting, action="append", default=[], metavar="FIELD=VALUE",
        help="a setting that shall differ from the recipe; may be repeated",
    )  # fmt: skip
    return common


def _reported() -> argparse.ArgumentParser:
    """What all take that report."""
    reported = argparse.ArgumentParser(add_help=False)
    reported.add_argument("--out", type=Path, help="folder of the report")
    reported.add_argument(
        "--show", nargs="+", metavar="TASK", help="sets of which pictures may be shown; default all"
    )
    reported.add_argument(
        "--also", type=Path, nargs="+", metavar="FILE", help="runs of other lengths, to compare by"
    )
    reported.add_argument(
        "--objectives", type=Path, metavar="FILE",
        help="runs of other objectives, with plain ones of their own; default among the others",
    )  # fmt: skip
    reported.add_argument(
        "--longer", type=Path, nargs="+", metavar="FILE",
        help="plain runs of as much time as the objectives' take, to compare these with",
    )  # fmt: skip
    reported.add_argument(
        "--steps", type=Path, metavar="FILE", help="what `steps --out` wrote: costs"
    )
    reported.add_argument("--notes", type=Path, help="Markdown that the report shall hold")
    return reported


def _add_runs(
    commands: Any, common: argparse.ArgumentParser, reported: argparse.ArgumentParser
) -> None:
    """Add the commands that train."""
    run = commands.add_parser("run", parents=[common], help="finish one run")
    run.add_argument("--method", choices=METHODS, required=True)
    run.add_argument("--arm", choices=ARMS, default="augself")
    run.add_argument("--variant", choices=("", *recipes.VARIANTS), default="")
    run.add_argument("--seed", type=int, default=0)
    run.add_argument(
        "--until", type=float, metavar="SECONDS", help="stop by this time, in seconds since 1970"
    )

    many = commands.add_parser("grid", parents=[common, reported], help="finish many, and report")
    many.add_argument("--methods", nargs="+", choices=METHODS, help="all, in the recipe's order")
    many.add_argument("--arms", nargs="+", choices=ARMS, default=list(DEFAULT_ARMS))
    many.add_argument("--variants", nargs="+", choices=("", *recipes.VARIANTS), default=[""])
    many.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    many.add_argument(
        "--jobs", type=int, default=1, help="runs at a time, each a process; 0: all in this one"
    )
    many.add_argument(
        "--minutes", type=float, help="have stopped then, to go on with the same command later"
    )
    many.add_argument(
        "--whole", action="store_true",
        help="with --minutes: begin no run that is not likely to be finished by then",
    )  # fmt: skip
    many.add_argument(
        "--published", type=Path, metavar="FILE", help="runs in this file are not run again"
    )


def _add_sets(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands that write files of runs, or of pictures."""
    published = commands.add_parser(
        "publish", parents=[common], help="add finished runs to a file, a line each"
    )
    published.add_argument("--out", type=Path, required=True, help="the file, ….jsonl")

    one_file = commands.add_parser(
        "bundle", parents=[common], help="write the offline set as one file, to be carried away"
    )
    one_file.add_argument("--size", type=int, help="side of the pictures; default the recipe's")
    one_file.add_argument("--quality", type=int, help="of WebP; by default the size's")
    one_file.add_argument("--out", type=Path, default=Path("offline.zip"), help="file to write")

    small = commands.add_parser("pack", help="make the pictures in examples/_shared/data anew")
    small.add_argument("--path", type=Path, required=True, help="folder for packages/")
    small.add_argument("--out", type=Path, default=pack.DATA, help="folder to write to")


def _add_measured(commands: Any, common: argparse.ArgumentParser) -> None:
    """Add the commands that measure and keep no run's training."""
    weigh = commands.add_parser("gradients", parents=[common], help="weigh the term, to choose λ")
    weigh.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    weigh.add_argument("--seed", type=int, default=0)

    timed = commands.add_parser("steps", parents=[common], help="time a step of every arm")
    timed.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    timed.add_argument("--arms", nargs="+", choices=ARMS, help="all that the method has")
    timed.add_argument("--seed", type=int, default=0)
    timed.add_argument("--out", type=Path, metavar="FILE", help="file to write, ….json")
    timed.add_argument("--rounds", type=int, default=20, help="steps of each that count")

    said = "measure what trained runs lack; train nothing"
    later = commands.add_parser("evaluate", parents=[common], help=said)
    tests = [name for name in SECTIONS if name != "pretraining"]
    later.add_argument("--sections", nargs="+", choices=tests, default=tests)


def _setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
