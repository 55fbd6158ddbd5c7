"""A loop of one's own with Hugging Face's Accelerate: nothing else is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("accelerate")

from accelerate.state import AcceleratorState
from accelerate_loop import Loop
from processes import start

pytestmark = pytest.mark.host


@pytest.fixture(autouse=True)
def state() -> Iterator[None]:
    """Forget what Accelerate keeps for the whole process."""
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_before_or_after_it_is_prepared() -> None:
    assert Loop(beside=False).train() == Loop(beside=True).train()


def test_half_precision() -> None:
    assert all(abs(loss) < 20 for loss in Loop(beside=False, mixed_precision="bf16").train())


@pytest.mark.processes
@pytest.mark.parametrize("processes", [1, 2])
def test_processes_and_checkpoints(processes: int, tmp_path: Path) -> None:
    start("accelerate_loop.py", str(tmp_path), processes=processes)
