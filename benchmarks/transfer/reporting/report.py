"""Prints, plots and writes the report from whatever runs exist."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from transfer.costs import Costs
from transfer.data.sets import Task
from transfer.reporting import figures, sections
from transfer.reporting.ablations import ablation_tables, ablations
from transfer.reporting.along import along_tables, draw_along
from transfer.reporting.collect import Collection, RunsError, collect
from transfer.reporting.comparing import Grid, main_grid, tasks_grid
from transfer.reporting.cost import cost_table
from transfer.reporting.headline import headline
from transfer.reporting.lengths import draw_lengths, lengths_table
from transfer.reporting.lengths import lengths as by_length
from transfer.reporting.missing import missing
from transfer.reporting.objectives import compare_arms, objectives_gains, objectives_tables
from transfer.reporting.others import others_table
from transfer.reporting.page import Page, Section, write_json, write_markdown
from transfer.reporting.power import power_table
from transfer.reporting.retrieval_figure import draw_retrieval
from transfer.reporting.scores import readability
from transfer.reporting.settings import settings_tables, versions_table
from transfer.reporting.tables import WIDEST, Table, terminal
from transfer.reporting.worth import worth_tables


def report(
    runs: Path,
    data: str,
    out: Path,
    tasks: Mapping[str, Task] | None = None,
    notes: Path | None = None,
    console: Console | None = None,
    also: Sequence[Path] = (),
    objectives: Path | None = None,
    longer: Sequence[Path] = (),
    costs: Costs | None = None,
) -> Page:
    """Report on all runs of a data setting.

    Writes ``REPORT.md``, ``report.json`` and the pictures ``gains.png``, ``tasks.png``,
    ``readability.png``, ``along.png``, ``lengths.png``, ``retrieval.png``, ``ablations.png`` and
    ``objectives.png`` into ``out``, and prints the tables. What has no runs yet is left out, and
    listed at the end.

    Args:
        runs: holds ``<data>/<run name>/config.json`` and ``metrics.json``.
        data: the setting, ``offline``.
        out: folder to write to; made if it does not exist.
        tasks: pictures of the downstream sets, for the retrieval's picture; without, none is drawn.
        notes: Markdown with choices and findings, inserted as it is after the headline.
        console: where to print.
        also: runs of other lengths, a folder or file each, which are compared by length alone.
        objectives: runs of other objectives, with plain ones of their own; default: among ``runs``.
        longer: plain runs of as much time as the objectives' take, a length in each file.
        costs: what a step of every arm takes; without, the runs' own times are shown.

    Returns:
        What was written.

    Raises:
        RunsError: the runs contradict each other or cannot be read, or ``notes`` is no file.
    """
    if notes is not None and not notes.is_file():
        raise RunsError(f"Expected written notes in {notes}, found no such file; leave it out.")
    written = notes.read_text(encoding="utf-8") if notes else ""
    collection = collect(runs, data)
    others = [collect(each, data) for each in also]
    compared = collection if objectives is None else collect(objectives, data)
    out.mkdir(parents=True, exist_ok=True)
    arms = _objectives(compared, [collect(each, data) for each in longer], costs, out)
    gone = Section("What is missing", lines=_missing([collection, compared]))
    page = _page(
        [collection, *others], out, tasks=tasks, notes=written, arms=arms, gone=gone, costs=costs
    )
    (out / "REPORT.md").write_text(write_markdown(page), encoding="utf-8")
    (out / "report.json").write_text(write_json(page), encoding="utf-8")
    _print(page, out, console or Console())
    return page


def _page(
    lengths: Sequence[Collection],
    out: Path,
    *,
    tasks: Mapping[str, Task] | None,
    notes: str,
    arms: Section,
    gone: Section,
    costs: Costs | None,
) -> Page:
    collection = lengths[0]
    grid, trained = tasks_grid(collection), {run.config["epochs"] for run in collection.main()}
    return Page(
        data=collection.data,
        headline=tuple(headline(grid)),
        picture=_drawn(figures.draw_gains(grid, out / "gains.png"), "gains.png"),
        notes=notes,
        sections=(
            _linear(grid, out),
            _by_length(lengths, out),
            Section("What the seeds can show", _tables(power_table(grid))),
            Section("Few-shot", _tables(sections.few_shot_table(collection))),
            Section("Localization", _tables(sections.localization_table(collection))),
            _readability(collection, out),
            _along(lengths, out),
            Section("In-domain", _tables(sections.in_domain_table(collection))),
            _retrieval(collection, out, tasks),
            _ablations(collection, out),
            arms,
            Section("Cost", _tables(cost_table(collection, costs))),
            Section(
                "What was run", _tables(*settings_tables(collection), versions_table(collection))
            ),
            gone,
        ),
        epochs=trained.pop() if len(trained) == 1 else None,
    )


def _linear(grid: Grid, out: Path) -> Section:
    table = sections.arms("linear", "Linear evaluation, %", grid, sections.GAIN_NOTE)
    if table is None:
        return Section("Linear evaluation")
    gained = any(grid.pooled(item) for item in grid.items)
    means = (sections.by_method(grid), sections.by_task(grid)) if gained else ()
    picture = _drawn(figures.draw_tasks(grid, out / "tasks.png"), "tasks.png")
    return Section("Linear evaluation", (table, *means), picture)


def _by_length(collections: Sequence[Collection], out: Path) -> Section:
    found = by_length(collections)
    picture = _drawn(draw_lengths(found, out / "lengths.png"), "lengths.png")
    return Section("Length of training", _tables(lengths_table(found)), picture)


def _along(collections: Sequence[Collection], out: Path) -> Section:
    """Show the first that was measured on the way."""
    for collection in collections:
        found = along_tables(collection)
        if found:
            drawn = draw_along(collection, tasks_grid(collection), out / "along.png")
            return Section(
                "What features know while they train", tuple(found), _drawn(drawn, "along.png")
            )
    return Section("What features know while they train")


def _readability(collection: Collection, out: Path) -> Section:
    grid = main_grid(collection, readability)
    found = _tables(
        sections.readability_table(collection),
        sections.columns_table(collection),
        sections.probes_table(collection),
        sections.equivariance_table(collection),
    )
    chance = {item: e.mean for item, e in sections.chance(collection).items()}
    drawn = figures.draw_readability(grid, chance, out / "readability.png")
    return Section(
        "What the features know of the augmentations", found, _drawn(drawn, "readability.png")
    )


def _retrieval(collection: Collection, out: Path, tasks: Mapping[str, Task] | None) -> Section:
    caption = draw_retrieval(collection, tasks or {}, out / "retrieval.png")
    picture = _drawn(caption is not None, "retrieval.png")
    return Section(
        "Retrieval", _tables(sections.retrieval_table(collection)), picture, caption or ""
    )


def _ablations(collection: Collection, out: Path) -> Section:
    shown, found = ablations(collection)
    if not found or not shown:
        return Section("Ablations")
    drawn = figures.draw_ablations(found, shown[-1], out / "ablations.png")
    return Section(
        "Ablations", _tables(*ablation_tables(collection)), _drawn(drawn, "ablations.png")
    )


def _objectives(
    collection: Collection, longer: Sequence[Collection], costs: Costs | None, out: Path
) -> Section:
    compared = compare_arms(collection)
    tables = objectives_tables(compared)
    if not tables:
        return Section("Other objectives")
    worth = [] if costs is None else worth_tables(compared, costs, longer)
    drawn = figures.draw_objectives(objectives_gains(compared), out / "objectives.png")
    found = (*tables, *worth, others_table())
    return Section("Other objectives", found, _drawn(drawn, "objectives.png"))


def _missing(collections: Iterable[Collection]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for each in collections for line in missing(each)))


def _tables(*found: Table | None) -> tuple[Table, ...]:
    return tuple(table for table in found if table is not None)


def _drawn(drawn: bool, name: str) -> str:
    return name if drawn else ""


def _print(page: Page, out: Path, console: Console) -> None:
    width = min(console.width, WIDEST)
    for section in page.sections:
        if not section.empty:
            console.rule(section.title, style="dim")
        for table in section.tables:
            for part in terminal(table, width):
                console.print(part)
        _print_lines(section.lines, console)
    console.rule("Result", style="dim")
    _print_lines(page.headline, console)
    console.print(f"Written: {out / 'REPORT.md'}", markup=False, highlight=False)


def _print_lines(lines: Iterable[str], console: Console) -> None:
    for line in lines:
        console.print(f"- {line}", markup=False, highlight=False)
