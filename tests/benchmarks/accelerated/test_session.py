"""Parts share the time, and every case is on disk once it is done."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from accelerated import session
from accelerated.target import Target

CPU = Target(torch.device("cpu"), tiny=True, compiles=False)


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, Any]], None]:
    """Put other parts in the place of the benchmark's."""

    def put(cases: Mapping[str, Any]) -> None:
        for name, found in cases.items():
            module: Any = ModuleType(f"part_{name}")
            module.TITLE, module.cases = f"Part {name}", lambda _, found=found: found
            monkeypatch.setitem(sys.modules, f"part_{name}", module)
        monkeypatch.setattr(session, "PARTS", {name: (f"part_{name}", 1) for name in cases})

    return put


def ran(folder: Path, *names: str, minutes: float = 1, say: Any = lambda _: None) -> dict[str, Any]:
    session.run(CPU, names, minutes, folder, say)
    found: dict[str, Any] = json.loads((folder / "accelerator.json").read_text())
    assert (folder / "accelerator.txt").read_text().startswith("date: ")
    return found["parts"]  # type: ignore[no-any-return]


def broken() -> list[dict[str, Any]]:
    raise RuntimeError("out of memory")


def test_what_fails_is_named_and_stops_nothing(parts: Any, tmp_path: Path) -> None:
    parts({"one": {"a": broken, "b": lambda: [{"way": "x", "ms": 1.0}]}, "two": {"c": broken}})
    found = ran(tmp_path, "one", "two")
    assert found["one"]["title"] == "Part one"
    a, b = found["one"]["rows"]
    assert (a["case"], a["status"]) == ("a", "failed: RuntimeError: out of memory")
    assert "in broken" in a["traceback"]
    assert b == {"case": "b", "way": "x", "ms": 1.0}
    assert found["two"]["rows"][0]["case"] == "c"
    assert "one" in (tmp_path / "accelerator.txt").read_text()
    assert "a: failed: RuntimeError: out of memory" in (tmp_path / "accelerator.txt").read_text()


def test_a_part_that_cannot_be_loaded_is_named(
    parts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    parts({"one": {"a": lambda: [{"ms": 1.0}]}})
    monkeypatch.setitem(session.PARTS, "gone", ("part_that_is_not_there", 1))
    found = ran(tmp_path, "gone", "one")
    (row,) = found["gone"]["rows"]
    assert row["case"] == "all"
    assert row["status"].startswith("failed: ModuleNotFoundError")
    assert found["one"]["rows"] == [{"case": "a", "ms": 1.0}]


def test_each_case_is_written_once_it_is_done(parts: Any, tmp_path: Path) -> None:
    written: list[int] = []

    def look(_: str) -> None:
        path = tmp_path / "accelerator.json"
        done = json.loads(path.read_text())["parts"] if path.exists() else {}
        written.append(sum(len(part["rows"]) for part in done.values()))

    parts({"one": {name: lambda: [{"ms": 1.0}] for name in "abc"}})
    ran(tmp_path, "one", say=look)
    assert written == [0, 1, 2]


def test_what_there_is_no_time_for_is_named(parts: Any, tmp_path: Path) -> None:
    parts({"one": {"a": broken}, "two": {"b": broken, "c": broken}})
    found = ran(tmp_path, "one", "two", minutes=0)
    rows = [row for part in found.values() for row in part["rows"]]
    assert [row["case"] for row in rows] == ["a", "b", "c"]
    assert {row["status"] for row in rows} == {"skipped: no time left"}


def test_a_part_has_its_first_case_though_others_took_its_time(
    parts: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    now = [0.0]
    monkeypatch.setattr(session.time, "monotonic", lambda: now[0])

    def slow() -> list[dict[str, Any]]:
        now[0] += 50
        return [{"ms": 1.0}]

    parts({"one": {"a": slow}, "two": {"b": slow, "c": slow}, "three": {"d": slow}})
    found = ran(tmp_path, "one", "two", "three")  # of a minute
    measured = [row["case"] for part in found.values() for row in part["rows"] if "ms" in row]
    assert measured == ["a", "b"], "after which nothing may begin"


def test_parts_share_the_time_and_leave_the_rest_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session, "PARTS", {"a": ("", 10), "b": ("", 20), "c": ("", 30)})
    clock = session.Clock(2, ("a", "b", "c"), start=100.0)
    assert [clock.ends(name) for name in "abc"] == [120, 160, 220]
    assert session.Clock(2, ("c",), start=0.0).ends("c") == 120, "alone it has all of it"


def test_the_benchmarks_own_parts_take_six_minutes() -> None:
    assert sum(share for _, share in session.PARTS.values()) == 360
    assert list(session.PARTS)[-1] == "graphs"
