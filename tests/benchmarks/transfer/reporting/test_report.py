"""The whole report: Markdown that parses, JSON that says the same, pictures, and sparse runs."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.image
import pytest
from rich.cells import cell_len
from rich.console import Console
from transfer.data.sets import Task
from transfer.reporting.collect import RunsError, collect
from transfer.reporting.intervals import Estimate
from transfer.reporting.page import Page
from transfer.reporting.report import report
from transfer.reporting.retrieval_figure import queries
from transfer.reporting.scores import NUMBER, SECTIONS
from transfer.reporting.tables import Cell, Table, from_json, gain, markdown, signed, terminal

pytestmark = pytest.mark.slow


def quiet() -> Console:
    return Console(file=io.StringIO(), width=120)


def fill(runs: Any, full: dict[str, Any], methods: tuple[str, ...], seeds: int = 2) -> None:
    """Write both arms of methods, with all sections, and two variants of the first."""
    for method in methods:
        for arm in ("plain", "augself"):
            for seed in range(seeds):
                score = 0.5 + 0.1 * (arm == "augself") + 0.01 * seed * (1 + (arm == "augself"))
                runs.add(method, arm, seed, {"skintone": score, "locate": 0.3}, **full)
    runs.add(methods[0], "augself", 0, {"skintone": 0.52, "locate": 0.3}, "crop-only", **full)
    runs.add(methods[0], "plain", 0, {"skintone": 0.5, "locate": 0.3}, "jitter-weak", **full)
    runs.add(methods[0], "augself", 0, {"skintone": 0.6, "locate": 0.3}, "jitter-weak", **full)


def markdown_tables(text: str) -> Iterator[list[str]]:
    rows: list[str] = []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            yield rows
            rows = []


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.replace("\\|", "¦").strip("|").split("|")]


def every(page: Page) -> list[Table]:
    return [table for section in page.sections for table in section.tables]


def test_full_report(runs: Any, full: dict[str, Any], task: Task, tmp_path: Path) -> None:
    fill(runs, full, ("simsiam", "byol"))
    notes = tmp_path / "CHOICES.md"
    notes.write_text("## Choices\n\nλ | was chosen.\n", encoding="utf-8")
    out, console = tmp_path / "report", quiet()
    page = report(runs.root, "offline", out, {"skintone": task}, notes, console)
    text = (out / "REPORT.md").read_text(encoding="utf-8")

    names = [table.name for table in every(page)]
    assert names == [
        "linear", "mean_gain", "task_gain", "power", "few_shot", "localization", "readability",
        "columns", "in_domain", "retrieval", "ablations", "ablations_by_task",
        "ablations_readability", "cost", "runs", "settings", "versions",
    ]  # fmt: skip
    found = list(markdown_tables(text))
    assert len(found) == len(names)
    for rows, table in zip(found, every(page), strict=True):
        assert {len(cells(row)) for row in rows} == {len(table.columns)}
        assert len(rows) == 2 + len(table.rows)

    content = json.loads((out / "report.json").read_text(encoding="utf-8"))
    read = [from_json(table) for section in content["sections"] for table in section["tables"]]
    assert read == every(page)
    assert content["headline"] == list(page.headline)
    values = content["sections"][0]["tables"][0]["rows"][2][1]["estimate"]["values"]
    assert values == pytest.approx({"0": 0.1, "1": 0.11})

    pictures = {path.name for path in out.glob("*.png")}
    assert pictures == {
        "gains.png", "tasks.png", "readability.png", "retrieval.png", "ablations.png"
    }  # fmt: skip
    for name in pictures:
        assert f"({name})" in text
        assert matplotlib.image.imread(out / name).std() > 0.05  # something is drawn
    assert text.index(page.headline[0]) < text.index("λ | was chosen.") < text.index("## Linear")
    assert "2026-11-20 – 2026-11-21" in text
    assert "color 2, crop 10" in text
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(cell_len(line) for line in printed.splitlines()) <= 120
    assert page.headline[0][:60] in printed


def test_linear_table_by_hand(runs: Any, tmp_path: Path) -> None:
    plain = [{"skintone": 0.50}, {"skintone": 0.52}, {"skintone": 0.54}]
    augself = [{"skintone": 0.60}, {"skintone": 0.63}, {"skintone": 0.66}]
    runs.pair("simsiam", plain, augself)
    report(runs.root, "offline", tmp_path / "out", console=quiet())
    table = next(markdown_tables((tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8")))
    # Gains 10, 11, 12: deviation 1, 4.3027 / √3 = 2.484.
    assert table == [
        "|  | skintone<br>(color) |",
        "| --- | ---: |",
        "| SimSiam | 52.0 |",
        "| + AugSelf | 63.0 |",
        "| gain | **+11.0 ± 2.5** |",
    ]


def test_what_came_later_is_shown_where_runs_have_it(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    fill(runs, full, ("simsiam",))
    before = report(runs.root, "offline", tmp_path / "before", console=quiet())
    assert not {"probes", "equivariance"} & {table.name for table in every(before)}
    assert not any("equivariance" in line for line in before.sections[-1].lines)

    ranks = {"mrr": 0.3, "hit@1": 0.1, "hit@5": 0.4}
    chance = {"mrr": 0.09, "hit@1": 0.02, "hit@5": 0.1}
    later = {
        "equivariance": {"crop": {**ranks, "chance": chance, "candidates": 49.6}},
        "readability_mlp": {"crop": {**full["readability"]["crop"], "columns": {"height": 0.25}}},
    }
    for arm in ("plain", "augself"):
        runs.add("byol", arm, 0, {"skintone": 0.5, "locate": 0.3}, **full, **later)
    page = report(runs.root, "offline", tmp_path / "out", console=quiet())
    tables = {table.name: table for table in every(page)}
    probes, found = tables["probes"], tables["equivariance"]
    assert probes.columns == ("", "height\n(crop, ridge)", "height\n(crop, MLP)")
    assert [cell.text for cell in probes.rows[3]] == ["BYOL", "0.10", "0.25"]
    assert found.columns == (
        "", "crop\n(MRR)", "crop\n(Hit@1, %)", "crop\n(Hit@5, %)"
    )  # fmt: skip
    assert [cell.text for cell in found.rows[0]] == ["SimSiam", "–", "–", "–"]
    assert [cell.text for cell in found.rows[3]] == ["BYOL", "0.300", "10.0", "40.0"]
    assert [cell.text for cell in found.rows[-1]] == ["by chance", "0.090", "2.0", "10.0"]
    assert "Up to 50 views" in found.note
    said = [line for line in page.sections[-1].lines if "equivariance" in line]
    assert len(said) == 1
    assert "`simsiam-s0`" in said[0]
    assert "`byol-s0`" not in said[0]


@pytest.mark.parametrize("arm", ["plain", "augself"])
def test_a_single_run(
    runs: Any, full: dict[str, Any], task: Task, tmp_path: Path, arm: str
) -> None:
    runs.add("simsiam", arm, 0, {"skintone": 0.5, "locate": 0.3}, **full)
    page = report(runs.root, "offline", tmp_path / "out", {"skintone": task}, console=quiet())
    assert page.headline[0].startswith("Nothing can be compared yet")
    assert page.picture == ""
    table = next(table for table in every(page) if table.name == "linear")
    shown = [[cell.text for cell in row] for row in table.rows]
    scores = ["50.0", "30.0", "40.0"]
    assert shown[0][1:] == (scores if arm == "plain" else ["–"] * 3)
    assert shown[1][1:] == (["–"] * 3 if arm == "plain" else scores)
    assert shown[2] == ["gain", "–", "–", "–"]


def test_one_seed(runs: Any, full: dict[str, Any], tmp_path: Path) -> None:
    fill(runs, full, ("simsiam",), seeds=1)
    page = report(runs.root, "offline", tmp_path / "out", console=quiet())
    gains = next(table for table in every(page) if table.name == "linear").rows[2]
    assert [cell.text for cell in gains] == ["gain", "+10.0 ± –", "0.0 ± –", "+5.0 ± –"]
    assert not any(cell.bold for table in every(page) for row in table.rows for cell in row)


def test_a_method_without_augself_and_missing_sections(
    runs: Any, full: dict[str, Any], tmp_path: Path
) -> None:
    fill(runs, full, ("simsiam",))
    runs.add("supervised", "plain", 0, {"skintone": 0.7})
    later = dict.fromkeys(name for name in SECTIONS if name not in ("pretraining", "linear"))
    runs.add("moco", "plain", 0, None, pretraining={"seconds": 10.0}, **later)
    runs.add("own-method", "augself", 0, {"skintone": 0.4, "locate": 0.2})
    page = report(runs.root, "offline", tmp_path / "out", console=quiet())
    table = next(table for table in every(page) if table.name == "linear")
    labels = [row[0].text for row in table.rows[::3]]
    assert labels == ["SimSiam", "MoCo v2", "supervised", "own-method"]
    lines = page.sections[-1].lines
    assert any(
        line.startswith("`moco-s0` is not finished: no linear, no few_shot") for line in lines
    )
    assert any("`supervised-s0` has no partner" in line for line in lines)
    assert "AugSelf gains in 1 of 1 method" in page.headline[0]


def test_only_unfinished_runs(runs: Any, tmp_path: Path) -> None:
    (runs.root / "offline" / "byol-s0").mkdir()
    page = report(runs.root, "offline", tmp_path / "out", console=quiet())
    text = (tmp_path / "out" / "REPORT.md").read_text(encoding="utf-8")
    assert page.headline[0].startswith("Nothing can be compared yet")
    assert "`byol-s0` is not finished" in text


def test_the_report_may_lie_among_the_runs(runs: Any) -> None:
    runs.gains("simsiam", 0.1, 0.2)
    out = runs.root / "offline" / "report"
    first = report(runs.root, "offline", out, console=quiet())
    assert report(runs.root, "offline", out, console=quiet()) == first


def test_notes_that_are_no_file_are_refused_first(runs: Any, tmp_path: Path) -> None:
    runs.gains("simsiam", 0.1)
    with pytest.raises(RunsError, match=r"Expected written notes in .*NOTES.md"):
        report(runs.root, "offline", tmp_path / "out", notes=tmp_path / "NOTES.md")
    assert not (tmp_path / "out").exists()


def test_queries_are_those_that_both_runs_stored(
    runs: Any, full: dict[str, Any], task: Task
) -> None:
    for arm in ("plain", "augself"):
        runs.add("simsiam", arm, 0, {"skintone": 0.5}, **full)
    plain, augself = collect(runs.root, "offline").runs
    found = queries(plain, augself, {"skintone": task})
    assert [(query.row, query.plain) for query in found] == [
        (0, (1, 2, 3, 4, 5)),
        (8, (6, 4, 2, 0, 1)),
    ]
    assert queries(plain, augself, {}) == []


def test_neighbours_of_other_pictures_are_refused(
    runs: Any, full: dict[str, Any], task: Task
) -> None:
    retrieval = {"skintone": {"neighbours": {"0": [1, 2, 3, 4, 99]}}}
    for arm in ("plain", "augself"):
        runs.add("simsiam", arm, 0, {"skintone": 0.5}, **{**full, "retrieval": retrieval})
    plain, augself = collect(runs.root, "offline").runs
    with pytest.raises(RunsError, match="among the 10 pictures of 'skintone', found row 99"):
        queries(plain, augself, {"skintone": task})


@pytest.mark.parametrize(
    ("estimate", "text", "bold"),
    [
        (Estimate(0.0521, 0.011, {}), "+5.2 ± 1.1", True),
        (Estimate(-0.0521, 0.011, {}), "−5.2 ± 1.1", True),
        (Estimate(0.0521, 0.06, {}), "+5.2 ± 6.0", False),
        (Estimate(-0.0001, None, {}), "0.0 ± –", False),
        (Estimate(0.1, None, {}), "+10.0 ± –", False),
        (None, "–", False),
    ],
)
def test_gains_are_written(estimate: Estimate | None, text: str, bold: bool) -> None:
    cell = gain(estimate)
    assert (cell.text, cell.bold) == (text, bold)


def test_units() -> None:
    assert signed(Estimate(-0.123, 0.01, {}), NUMBER) == "−0.12 ± 0.01"


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_wide_tables_are_cut_and_keep_their_labels(count: int) -> None:
    columns = ("", *(f"task {n}" for n in range(count)))
    row = (Cell("a | b"), *(Cell(f"+{n}.0 ± 10.0") for n in range(count)))
    table = Table("wide", "Wide", columns, (row,))
    parts = list(markdown_tables(markdown(table)))
    assert len(parts) == -(-count // 8)
    assert [cell for part in parts for cell in cells(part[2])[1:]] == [c.text for c in row[1:]]
    assert all(cells(part[2])[0] == "a ¦ b" for part in parts)
    console = Console(file=io.StringIO(), width=100)
    for part in terminal(table, 100):
        console.print(part)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(cell_len(line) for line in printed.splitlines()) <= 100
    assert all(cell.text in printed for cell in row)  # nothing is cut off or wrapped
