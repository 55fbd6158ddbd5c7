"""Records are compared bit for bit, views by how many values are away."""

from __future__ import annotations

import torch
from accelerated.records import SOLARIZED, TURNED, Bounds, Drawn, compared, differing


def drawn(value: float = 0.0, factor: float = 1.0, seed: int = 0, jump: float = 0.0) -> Drawn:
    views = torch.full((2, 3, 10, 10), value)
    views[0, 0, 0, 0] += jump
    record = {"color": torch.full((2, 4), factor), "flip": torch.zeros(2, 1)}
    return Drawn(views, record, torch.full((8,), seed))


def test_the_same_is_equal() -> None:
    assert compared([drawn()], [drawn()], [drawn()]) == {
        "records": "equal", "random state": "equal",
        "from the CPU's": "0.0e+00, fits", "from Kornia's there": "0.0e+00, fits",
    }  # fmt: skip


def test_a_record_differs_by_its_last_bit() -> None:
    row = compared([drawn(factor=1.0000001)], [drawn()], None)
    assert row["records"] == "differ in color"
    assert "from Kornia's there" not in row


def test_another_random_state_differs() -> None:
    row = compared([drawn(), drawn(seed=1)], [drawn(), drawn()], None)
    assert row["random state"] == "differs"


def test_an_entry_that_is_missing_differs() -> None:
    record = drawn().record
    assert differing(record, {"flip": record["flip"]}) == ["color"]
    assert differing({"flip": record["flip"]}, record) == ["color"]


def test_a_tolerance_for_each_device() -> None:
    row = compared([drawn(5e-5)], [drawn()], [drawn()])
    assert row["from the CPU's"] == "5.0e-05, fits"
    assert row["from Kornia's there"] == "5.0e-05, 600 of 600 beyond 1e-05, differs"
    row = compared([drawn(5e-5)], [drawn()], [drawn()], TURNED)
    assert row["from Kornia's there"] == "5.0e-05, fits"


def test_few_pixels_may_jump_where_something_is_solarized() -> None:
    jump = [drawn(jump=0.5)]
    assert compared(jump, [drawn()], None, Bounds(jumps=0.01))["from the CPU's"] == (
        "5.0e-01, 1 of 600 beyond 1e-04, fits"
    )
    assert compared(jump, [drawn()], None)["from the CPU's"].endswith("differs")
    assert SOLARIZED.jumps < 1 / 600
    assert compared(jump, [drawn()], None, SOLARIZED)["from the CPU's"].endswith("differs")


def test_nan_never_fits() -> None:
    row = compared([drawn(float("nan"))], [drawn()], None, Bounds(jumps=0.01))
    assert row["from the CPU's"] == "nan, 600 of 600 beyond 1e-04, differs"
