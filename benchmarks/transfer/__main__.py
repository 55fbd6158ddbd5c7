"""The comparison's command line; ``python -m transfer COMMAND --help`` says what each takes."""

from __future__ import annotations

import argparse
import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from transfer import BEGAN, recipes
from transfer.arguments import DEFAULT_ARMS, parser
from transfer.catching_up import catch_up
from transfer.config import ARMS, Config
from transfer.costs import Cost, read_costs, write_costs
from transfer.data import bundle
from transfer.data import settings as data
from transfer.data.building.pack import make
from transfer.data.errors import DataError
from transfer.data.offline_tasks import SETTINGS
from transfer.data.sets import Setting
from transfer.deadline import EXIT, Deadline, TimeUpError
from transfer.errors import TransferError
from transfer.evaluation.settings import EvaluationSettings
from transfer.gradients import trained_ratios
from transfer.grid import work
from transfer.objectives import METHODS as COMPARED
from transfer.one import finish
from transfer.published import Line, lines, publish
from transfer.reporting.report import report
from transfer.runs import Run
from transfer.steps import measure_steps


def main() -> None:
    """Read the command line and do what it says."""
    args = parser().parse_args()
    try:
        COMMANDS[args.command](args)
    except TimeUpError as error:
        print(error)
        raise SystemExit(EXIT) from error
    except TransferError as error:
        raise SystemExit(str(error)) from error


def one(args: argparse.Namespace) -> None:
    """Finish one run."""
    config = _config(args, args.method, args.arm, args.variant, args.seed)
    deadline = Deadline() if args.until is None else Deadline(args.until)
    _finish(args, Run(args.runs, config), functools.partial(_load, args), deadline)


def grid(args: argparse.Namespace) -> None:
    """Finish all runs that are asked for, then report, if time is left."""
    deadline = Deadline.after(args.minutes, since=BEGAN)
    chosen = _chosen(args)
    known = {} if args.published is None else {r["name"]: r for r in lines(args.published)}
    chosen = [each for each in chosen if not _is_published(_config(args, *each), known)]
    if not chosen:
        print(f"All of these runs are in {args.published}.")
        return
    runs = [Run(args.runs, _config(args, *each)) for each in chosen]
    load = functools.cache(functools.partial(_load, args))
    if args.jobs == 0:
        for run in runs:
            _finish(args, run, load, deadline)
    else:
        if not all(run.finished for run in runs):
            # Fetched and checked once, before any run needs it.
            load(runs[0].config.picture, runs[0].config.view)
        failed = work(
            [(run, _command(args, *each)) for run, each in zip(runs, chosen, strict=True)],
            args.jobs,
            minutes=None if args.minutes is None else deadline.left / 60,
            whole=args.whole,
        )
        if failed:
            raise SystemExit(f"{len(failed)} of {len(runs)} runs failed: {', '.join(failed)}")
    unfinished = [run.config.name for run in runs if not run.finished]
    if unfinished:
        raise TimeUpError(
            f"Time is up with {len(runs) - len(unfinished)} of {len(runs)} runs finished. The same "
            "command goes on from here; report says what there is."
        )
    make_report(args)


def again(args: argparse.Namespace) -> None:
    """Measure what trained runs lack."""
    how = {"sections": args.sections, "workers": args.workers, "quiet": args.quiet}
    load = functools.cache(functools.partial(_load, args))
    for name, what in catch_up(args.runs, args.data, load, _evaluation(args), **how).items():
        print(f"{name}: {what}")


def _chosen(args: argparse.Namespace) -> list[tuple[str, str, str, int]]:
    """List the runs that are asked for: method, arm, variant, seed."""
    chosen = [
        (method, arm, variant, seed)
        for seed in args.seeds
        for variant in args.variants
        for method in args.methods or recipes.ORDER[args.recipe]
        for arm in args.arms
        if arm != "plain" or variant not in recipes.ONLY_AUGSELF
    ]
    if not chosen:
        raise recipes.RecipeError("These variants have no plain runs: ask for --arms augself.")
    return chosen


def gradients(args: argparse.Namespace) -> None:
    """Print how much the term weighs beside each method's own loss."""
    rows = Table("‖∇ term‖ / ‖∇ base loss‖ at the features", *args.methods)
    columns, load = [], functools.cache(functools.partial(_load, args))
    for method in args.methods:
        config = _config(args, method, "augself", "", args.seed)
        setting = load(config.picture, config.view)
        columns.append(trained_ratios(config, setting, quiet=args.quiet))
    for name in columns[0]:
        rows.add_row(name, *(f"{column[name]:.2f}" for column in columns))
    Console().print(rows)


def steps(args: argparse.Namespace) -> None:
    """Print what a training step of every arm takes, beside the first one's."""
    known: dict[str, dict[str, Cost]] = {}
    for method in args.methods:
        arms = args.arms or (list(ARMS) if method in COMPARED else DEFAULT_ARMS)
        configs = [_config(args, method, arm, "", args.seed) for arm in arms]
        found = measure_steps(configs, rounds=args.rounds)
        known[method] = dict(zip(arms, found, strict=True))
        rows = Table(f"a step of {method}", "ms", f"× {arms[0]}", "weights trained, M")
        for arm, cost in known[method].items():
            size = f"{cost.weights / 1e6:.2f}"
            rows.add_row(arm, f"{cost.milliseconds:.0f}", f"{cost.ratio:.2f}", size)
        Console().print(rows)
    if args.out is not None:
        write_costs(known, args.out, dict(args.set))


def _is_published(config: Config, known: Mapping[str, Line]) -> bool:
    if config.name not in known:
        return False
    expected, found = json.loads(json.dumps(config.as_dict())), known[config.name]["config"]
    if found != expected:
        differ = sorted(k for k in {*found, *expected} if found.get(k) != expected.get(k))
        raise recipes.RecipeError(
            f"{config.name} was published with other settings: {', '.join(differ)}. Leave "
            "--published away, or ask for the same."
        )
    return True


def to_publish(args: argparse.Namespace) -> None:
    """Add finished runs to a file of published ones."""
    added = publish(args.runs / recipes.place(args.data, args.recipe), args.out)
    print(f"{args.out}: {len(added)} runs added{': ' * bool(added)}{', '.join(added)}")


def write_bundle(args: argparse.Namespace) -> None:
    """Write the offline set as one file."""
    config = _config(args, "simsiam", "plain", "", 0)
    if args.path is None or args.data not in SETTINGS:
        names = " or ".join(SETTINGS)
        raise DataError(f"--data {names} and --path FOLDER", "neither", "Give both.")
    side = args.size or config.picture
    _load(args, side, config.view)
    size = bundle.write(args.path, side, args.out, args.data, quality=args.quality)
    print(f"{args.out}: {size / 1e6:.1f} MB, pictures of {side} pixels")


def make_pack(args: argparse.Namespace) -> None:
    """Make the examples' pictures, of the packages that the offline set is made of."""
    make.make(args.path / "packages", args.out)


def make_report(args: argparse.Namespace) -> None:
    """Print and draw what the finished runs say."""
    tasks = None
    if args.path is not None or args.data == "pack":
        known = _load(args, None, 64).tasks
        tasks = {name: task for name, task in known.items() if name in (args.show or known)}
    name = recipes.place(args.data, args.recipe)
    beside = args.runs.parent if args.runs.is_file() else args.runs / name
    out = args.out or beside / "report"
    report(
        args.runs,
        name,
        out,
        tasks,
        args.notes,
        also=args.also or (),
        objectives=args.objectives,
        longer=args.longer or (),
        costs=None if args.steps is None else read_costs(args.steps),
    )


def _finish(
    args: argparse.Namespace, run: Run, load: Callable[[int, int], Setting], deadline: Deadline
) -> None:
    load_its = functools.partial(load, run.config.picture, run.config.view)
    how = _evaluation(args)
    finish(run, load_its, how, workers=args.workers, quiet=args.quiet, deadline=deadline)


def _load(args: argparse.Namespace, picture: int | None, view: int) -> Setting:
    return data.load(
        args.data,
        args.path,
        picture,
        view,
        download=args.download,
        classes=args.classes,
        smoke=args.smoke,
    )


def _config(args: argparse.Namespace, method: str, arm: str, variant: str, seed: int) -> Config:
    return recipes.configure(
        args.data,
        method,
        seed,
        augself=ARMS[arm][1],
        objective=ARMS[arm][0],
        variant=variant,
        recipe=args.recipe,
        smoke=args.smoke,
        overrides=dict(args.set),
    )


def _command(args: argparse.Namespace, method: str, arm: str, variant: str, seed: int) -> list[str]:
    """Write the command line that does one run of a grid."""
    words: list[Any] = ["run", "--method", method, "--arm", arm, "--variant", variant]
    words += ["--seed", seed, "--data", args.data, "--runs", args.runs, "--workers", args.workers]
    for name in ("path", "classes", "recipe"):
        words += [f"--{name}", getattr(args, name)] if getattr(args, name) else []
    for name in ("download", "smoke"):
        words += [f"--{name}"] if getattr(args, name) else []
    for name, value in args.set:
        words += ["--set", f"{name}={value!r}"]
    return [*map(str, words), "--quiet"]


def _evaluation(args: argparse.Namespace) -> EvaluationSettings:
    if args.smoke:
        settings = EvaluationSettings.smoke()
    elif args.data in data.SMALL:
        settings = EvaluationSettings.small()
    else:
        settings = EvaluationSettings.paper()
    return settings.on_a_card() if args.recipe else settings


COMMANDS: dict[str, Callable[[argparse.Namespace], None]] = {
    "run": one,
    "grid": grid,
    "publish": to_publish,
    "bundle": write_bundle,
    "pack": make_pack,
    "gradients": gradients,
    "steps": steps,
    "evaluate": again,
    "report": make_report,
}
"""What each command does."""

if __name__ == "__main__":
    main()
