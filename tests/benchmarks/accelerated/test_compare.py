"""Ways are tried alone, then timed in turn; what fails is told and stops nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from accelerated.attempts import LONGEST, attempt
from accelerated.compare import Comparison, compare
from accelerated.target import Skipped, Target
from timing import Timing

CPU = Target(torch.device("cpu"), tiny=True, compiles=False)


def fails() -> Callable[[], object]:
    raise ValueError("expected images,\n  found none")


def test_an_attempt_tells_what_failed_and_where() -> None:
    assert attempt(lambda: 3) == (3, {})
    assert attempt(CPU.need_cuda) == (None, {"status": "skipped: needs CUDA"})
    nothing, told = attempt(fails)
    assert nothing is None
    assert told["status"] == "failed: ValueError: expected images, found none"
    assert "in fails" in told["traceback"]


def test_a_long_message_is_cut_short() -> None:
    def long() -> None:
        raise RuntimeError("x" * 5000)

    _, told = attempt(long)
    assert len(told["status"]) == LONGEST + len("failed: ")
    assert "x" * 5000 in told["traceback"]


def test_an_interrupt_is_no_failure() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempt(stop)


def test_ways_that_fail_stop_no_other() -> None:
    done: list[str] = []

    def way(name: str) -> Callable[[], Callable[[], object]]:
        return lambda: lambda: done.append(name)

    def at_its_first_call() -> Callable[[], object]:
        return fails

    def left_out() -> Callable[[], object]:
        raise Skipped("not here")

    ways = {"a": way("a"), "wrong": at_its_first_call, "out": left_out, "b": way("b")}
    compared = compare(ways, CPU, budget=1)
    assert list(compared.times) == ["a", "b"]
    a, wrong, out, b = compared.rows(lambda name: compared.against(name, "a"))
    assert wrong["status"].startswith("failed: ValueError")
    assert out == {"way": "out", "status": "skipped: not here"}
    assert {"ms", "quartiles", "first call s"} <= a.keys()
    assert "this / a" not in a
    assert "this / a" in b
    assert done[:2] == ["a", "b"], "each is called alone before they take turns"
    assert done[2:] == ["a", "b"] * (len(done) // 2 - 1)


def test_nothing_works() -> None:
    compared = compare({"wrong": fails}, CPU, budget=1)
    assert [row["way"] for row in compared.rows(lambda _: {})] == ["wrong"]
    assert compared.times == {}


def test_memory_is_counted_where_the_device_counts_it() -> None:
    compared = compare({"a": lambda: lambda: None}, CPU, budget=1, memory=True)
    (row,) = compared.rows(lambda _: {})
    assert row["peak MB"] == "skipped: needs CUDA"


def test_ratios_are_of_the_rounds_and_times_of_a_call() -> None:
    times = {"slow": Timing([0.2, 0.4, 0.6]), "quick": Timing([0.1, 0.1, 0.3])}
    compared = Comparison(CPU, 2, {"slow": {}, "quick": {}}, times)
    slow, quick = compared.rows(lambda name: compared.against(name, "slow", faster=True))
    assert slow["ms"] == pytest.approx(200)
    assert slow["quartiles"] == "150.000 to 250.000"
    assert quick["slow / this"] == 2
    assert quick["its quartiles, slow"] == "2.000 to 3.000"
    assert compared.against("quick", "slow")["this / slow"] == 0.5
    assert compared.against("quick", "never timed") == {}
