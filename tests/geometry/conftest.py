"""What tests of geometry share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _seeded() -> Iterator[None]:
    """Give every test the same random state, and leave the suite's alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
