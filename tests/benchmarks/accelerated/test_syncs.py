"""Waits are counted from what PyTorch's debug mode says."""

from __future__ import annotations

import warnings

import pytest
from accelerated.syncs import CALLS, SAID, counted, place


def test_waits_are_counted_by_place() -> None:
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(CALLS):
            warnings.warn(f"{SAID} (Triggered internally at CUDAFunctions.cpp:1)", stacklevel=1)
        warnings.warn(SAID, stacklevel=1)
        warnings.warn("Synchronization debug mode is a prototype feature", stacklevel=1)
    row = counted(seen)
    assert row["waits a call"] == pytest.approx(1 + 1 / CALLS)
    first, second = row["where, of all calls"].split("; ")
    assert first.startswith("benchmarks/accelerated/test_syncs.py:")
    assert first.endswith(f"({CALLS})")
    assert second.endswith("(1)")


def test_no_waits() -> None:
    assert counted([]) == {"waits a call": 0, "where, of all calls": ""}


def test_a_place_is_the_end_of_a_path() -> None:
    assert place("/usr/lib/kornia/enhance/adjust.py", 7) == "kornia/enhance/adjust.py:7"
    assert place("<string>", 1) == "<string>:1"
