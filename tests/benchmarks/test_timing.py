"""Work is timed until the device is done with it."""

from __future__ import annotations

import pytest
from timing import Timing, side_by_side


def test_every_timed_call_is_waited_for() -> None:
    done: list[str] = []
    work = {"a": lambda: done.append("a"), "b": lambda: done.append("b")}
    times = side_by_side(work, rounds=3, synchronize=lambda: done.append("wait"))
    warm = ["a", "b", "a", "b", "wait"]
    assert done == [*warm, *["a", "wait", "b", "wait"] * 3]
    assert all(len(timing.seconds) == 3 for timing in times.values())


def test_quartiles_of_times_and_of_ratios() -> None:
    one, other = Timing([1.0, 2.0, 3.0, 4.0, 5.0]), Timing([1.0, 1.0, 1.0, 4.0, 1.0])
    assert one.spread == (2, 4)
    assert one.quartiles(other) == (1, 3)
    assert one.over(other) == pytest.approx(2)
