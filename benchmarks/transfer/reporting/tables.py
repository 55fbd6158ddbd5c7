"""One table, three ways to write it: for the terminal, for Markdown, for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.table import Table as RichTable
from rich.text import Text

from transfer.reporting.intervals import Estimate
from transfer.reporting.scores import PERCENT, Unit

WIDEST, MOST_COLUMNS = 120, 8
"""Characters of a terminal's line; columns of a Markdown table beside the labels."""


@dataclass(frozen=True)
class Cell:
    """What one cell says.

    Args:
        text: as it is written.
        bold: stands out: an interval that excludes 0.
        estimate: the numbers behind it, unscaled, seed by seed.
    """

    text: str
    bold: bool = False
    estimate: Estimate | None = None


@dataclass(frozen=True)
class Table:
    """Rows of cells under a header.

    Args:
        name: for `report.json`.
        title: says what is measured and in which unit.
        columns: headers; the first ``labels`` head the row's names.
        rows: as many cells each as there are columns.
        note: what one must know to read it.
        labels: how many columns name the row.
        group: so many rows belong together.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""
    labels: int = 1
    group: int = 1

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows)


def number(found: Estimate | None, unit: Unit = PERCENT) -> Cell:
    """Write a mean."""
    if found is None:
        return Cell("–")
    return Cell(f"{found.mean * unit.scale:.{unit.decimals}f}".replace("-", "−"), estimate=found)


def gain(found: Estimate | None, unit: Unit = PERCENT) -> Cell:
    """Write a gain with its sign and interval, bold where the interval excludes 0."""
    if found is None:
        return Cell("–")
    return Cell(signed(found, unit), found.excludes_zero, found)


def signed(found: Estimate, unit: Unit = PERCENT) -> str:
    """Write a gain as ``+1.2 ± 0.3``; of one seed as ``+1.2 ± –``."""
    mean = f"{found.mean * unit.scale:+.{unit.decimals}f}"
    if not mean.strip("+-0."):  # neither +0.0 nor −0.0
        mean = mean[1:]
    width = "–" if found.interval is None else f"{found.interval * unit.scale:.{unit.decimals}f}"
    return f"{mean.replace('-', '−')} ± {width}"


def said(found: Estimate, unit: Unit = PERCENT) -> str:
    """Write a gain for a picture: as :func:`signed`, of one seed ``+1.2, one seed``."""
    return signed(found, unit).replace(" ± –", ", one seed")


def markdown(table: Table) -> str:
    """Write as Markdown: title, table (several if there are many columns), note."""
    lines = [f"**{table.title}**", ""] if table.title else []
    for part in _parts(table, [1] * len(table.columns), MOST_COLUMNS + table.labels):
        lines += [_line(_escaped(c) for c in part.columns)]
        lines += [_line(["---"] * part.labels + ["---:"] * (len(part.columns) - part.labels))]
        lines += [_line(_marked(cell) for cell in row) for row in part.rows] + [""]
    return "\n".join([*lines, table.note, ""] if table.note else lines)


def terminal(table: Table, width: int = WIDEST) -> list[Text | RichTable]:
    """Write for rich: title, table (several if the columns do not fit ``width``), note."""
    # Two spaces stand between columns, see `_rich`.
    widths = [
        2 + max(len(line) for text in texts for line in text.split("\n"))
        for texts in zip(table.columns, *[[c.text for c in row] for row in table.rows], strict=True)
    ]
    title, note = Text(f"\n{table.title}", "bold"), Text(table.note, "dim")
    parts = [_rich(part) for part in _parts(table, widths, width)]
    return [title, *parts, note] if table.note else [title, *parts]


def as_json(table: Table) -> dict[str, Any]:
    """List everything, as `json` writes it."""
    return asdict(table)


def from_json(content: Mapping[str, Any]) -> Table:
    """Make the table again that :func:`as_json` wrote."""
    rows = (tuple(_cell(cell) for cell in row) for row in content["rows"])
    return Table(**{**content, "columns": tuple(content["columns"]), "rows": tuple(rows)})


def _cell(content: Mapping[str, Any]) -> Cell:
    found = content["estimate"]
    return Cell(**{**content, "estimate": None if found is None else Estimate(**found)})


def _parts(table: Table, widths: Sequence[int], most: int) -> Iterator[Table]:
    """Cut into tables that are no wider than ``most``, each with the labels again."""
    labels = list(range(table.labels))
    part = list(labels)
    for column in range(table.labels, len(table.columns)):
        if len(part) > len(labels) and sum(widths[c] for c in [*part, column]) > most:
            yield _taken(table, part)
            part = list(labels)
        part.append(column)
    yield _taken(table, part)


def _taken(table: Table, places: Sequence[int]) -> Table:
    rows = tuple(tuple(row[p] for p in places) for row in table.rows)
    columns = tuple(table.columns[p] for p in places)
    return Table(table.name, table.title, columns, rows, table.note, table.labels, table.group)


def _rich(table: Table) -> RichTable:
    shown = RichTable(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for place, header in enumerate(table.columns):
        left = place < table.labels
        shown.add_column(Text(header), justify="left" if left else "right", no_wrap=not left)
    for place, row in enumerate(table.rows):
        last = (place + 1) % table.group == 0 and table.group > 1
        shown.add_row(*(Text(c.text, "bold" if c.bold else "") for c in row), end_section=last)
    return shown


def _line(cells: Iterator[str] | Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _marked(cell: Cell) -> str:
    return f"**{_escaped(cell.text)}**" if cell.bold else _escaped(cell.text)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")
