"""Starts the processes once; the tests read what each of them did."""

from __future__ import annotations

from typing import Any, TypeAlias

import pytest
import torch
from processes import start

Ranks: TypeAlias = list[dict[str, Any]]


def run(processes: int, factory: pytest.TempPathFactory, *cases: str) -> Ranks:
    folder = factory.mktemp(f"processes{processes}")
    start("scale_run.py", str(folder), *cases, processes=processes)
    ranks = [torch.load(folder / f"rank{i}.pt", weights_only=True) for i in range(processes)]
    assert len(ranks) == processes
    return ranks


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """What each of two processes did, by the name of the case in ``scale_run.py``."""
    return run(2, tmp_path_factory)


@pytest.fixture(scope="session")
def four(tmp_path_factory: pytest.TempPathFactory) -> Ranks:
    """Four processes: what depends on their number."""
    cases = ("trained", "with_sync_norm", "grey_on_one_rank", "accumulated", "uneven_batch")
    return run(4, tmp_path_factory, *cases, "uneven_count", "unused_types")


@pytest.fixture(params=["two", "four"])
def ranks(request: pytest.FixtureRequest) -> Ranks:
    found: Ranks = request.getfixturevalue(request.param)
    return found
