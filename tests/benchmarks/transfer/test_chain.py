"""The whole comparison as a user runs it, on the pack and tiny: train, test, report."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import grid, recipes
from transfer.config import ARMS, METHODS
from transfer.grid import work
from transfer.runs import SECTIONS, Run, versions

pytestmark = pytest.mark.slow

TINY = ("--data", "pack", "--smoke", "--runs", "runs", "--quiet")


def test_all_methods_from_pretraining_to_the_report(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    printed = run("-m", "transfer", "grid", *TINY, "--seeds", "0", "--jobs", "0", cwd=tmp_path)
    folders = sorted(folder.name for folder in (tmp_path / "runs/pack").glob("*-s0"))
    assert folders == sorted(f"{m}{arm}-s0" for m in METHODS for arm in ("", "-augself"))
    for name in folders:
        folder = tmp_path / "runs/pack" / name
        metrics = json.loads((folder / "metrics.json").read_text())
        assert set(metrics) == set(SECTIONS)
        assert set(metrics["linear"]) == {"skintone", "flags", "locate", "category"}
        assert set(metrics["readability"]) == {"crop", "flip", "color", "grayscale"}
        assert set(json.loads((folder / "versions.json").read_text())) == set(versions())
        assert list(folder.glob("events.out.tfevents.*"))
        assert (folder / "backbone.pt").exists()
        assert not (folder / "last.ckpt").exists()
    report = tmp_path / "runs/pack/report"
    assert "SimSiam" in (report / "REPORT.md").read_text()
    assert {p.name for p in report.glob("*.png")} >= {"gains.png", "tasks.png", "retrieval.png"}
    assert "Written: runs/pack/report/REPORT.md" in printed.replace("\n", "")

    written = {f: (tmp_path / "runs/pack" / f / "metrics.json").stat().st_mtime for f in folders}
    run("-m", "transfer", "grid", *TINY, "--seeds", "0", "--jobs", "2", cwd=tmp_path)
    again = {f: (tmp_path / "runs/pack" / f / "metrics.json").stat().st_mtime for f in folders}
    assert again == written  # nothing was computed anew


def test_every_arm_from_pretraining_to_the_report(tmp_path: Path, run: Callable[..., str]) -> None:
    asked = ("--methods", "simclr", "--seeds", "0", "--jobs", "0", "--arms", *ARMS)
    run("-m", "transfer", "grid", *TINY, *asked, cwd=tmp_path)
    timed = ("--methods", "simclr", "--rounds", "1", "--out", "steps.json")
    run("-m", "transfer", "steps", *TINY, *timed, cwd=tmp_path)
    run("-m", "transfer", "report", *TINY, "--steps", "steps.json", cwd=tmp_path)
    report = (tmp_path / "runs/pack/report/REPORT.md").read_text()
    shown = report[report.index("## Other objectives") : report.index("## Cost")]
    for name in ("CASSLE + AugSelf", "EquiMod", "STL", "E-SSL"):
        assert shown.count(f"| SimCLR | {name} |") == 3, "gains, what is known, cost"
    for arm in ARMS:
        name = "simclr-s0" if arm == "plain" else f"simclr-{arm}-s0"
        metrics = json.loads((tmp_path / "runs/pack" / name / "metrics.json").read_text())
        assert set(SECTIONS) <= set(metrics)


def test_a_run_in_a_process_of_its_own(tmp_path: Path) -> None:
    good, bad = (
        recipes.configure("pack", "simclr", seed, augself=True, smoke=True) for seed in (0, 1)
    )
    command = ["run", "--method", "simclr", *TINY[:3], "--runs", str(tmp_path), "--quiet"]
    runs = [
        (Run(tmp_path, good), [*command, "--seed", "0"]),
        (Run(tmp_path, bad), [*command, "--seed", "1", "--set", "batch=100000"]),
    ]
    assert work(runs, 2) == [bad.name]
    assert runs[0][0].finished
    assert "found others: batch" in (tmp_path / "pack" / bad.name / "log.txt").read_text()


def test_a_grid_stops_in_time_and_goes_on_later(tmp_path: Path) -> None:
    run = Run(tmp_path, recipes.configure("pack", "simclr", 0, augself=False, smoke=True))
    command = ["run", "--method", "simclr", "--arm", "plain", *TINY[:3], "--runs", str(tmp_path)]
    for minutes in (0.0, 0.01):
        assert work([(run, command)], 1, minutes=minutes) == []
        assert not run.finished
    assert work([(run, command)], 1, minutes=5) == []
    assert run.finished


@pytest.mark.parametrize(("whole", "begun"), [(True, 1), (False, 2)])
def test_no_run_is_begun_that_would_not_be_finished(
    whole: bool, begun: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands: list[list[str]] = []

    def process(command: list[str], *_: object) -> int:
        commands.append(command)
        time.sleep(0.5)  # of the 0.75 that there are
        return 0

    monkeypatch.setattr(grid, "_process", process)
    runs = [
        (Run(tmp_path, recipes.configure("pack", "simclr", seed, augself=False)), [str(seed)])
        for seed in range(2)
    ]
    assert grid.work(runs, 1, minutes=0.75 / 60, whole=whole) == []
    assert len(commands) == begun


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--data", "stl10", "--path", "nowhere"], "nowhere"),
        (["--data", "pack", "--set", "epoch=3"], "found epoch"),
    ],
)
def test_what_cannot_be_done_is_said_at_once(
    words: list[str], said: str, tmp_path: Path, run: Callable[..., str]
) -> None:
    with pytest.raises(AssertionError, match=said) as error:
        run("-m", "transfer", "run", "--method", "simsiam", *words, cwd=tmp_path)
    assert "Traceback" not in str(error.value)


def test_two_processes_make_one_run(tmp_path: Path, run: Callable[..., str]) -> None:
    launch = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    run(*launch, "-m", "transfer", "run", "--method", "moco", *TINY, cwd=tmp_path)
    metrics = json.loads((tmp_path / "runs/pack/moco-augself-s0/metrics.json").read_text())
    assert set(metrics) == set(SECTIONS)
    assert metrics["pretraining"]["steps"] == 180 // 32  # a batch is that of both together


def test_published_runs_are_left_out(tmp_path: Path, run: Callable[..., str]) -> None:
    one = (*TINY, "--methods", "simclr", "--arms", "plain", "--seeds", "0", "--jobs", "0")
    run("-m", "transfer", "grid", *one, cwd=tmp_path)
    out = ("--out", "published.jsonl")
    assert "1 runs added: simclr-s0" in run("-m", "transfer", "publish", *TINY, *out, cwd=tmp_path)
    shutil.rmtree(tmp_path / "runs")
    known = ("--published", "published.jsonl")
    assert "All of these runs" in run("-m", "transfer", "grid", *one, *known, cwd=tmp_path)
    assert not (tmp_path / "runs").exists()
    with pytest.raises(AssertionError, match="published with other settings: epochs"):
        run("-m", "transfer", "grid", *one, *known, "--set", "epochs=2", cwd=tmp_path)
