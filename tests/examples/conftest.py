"""Runs example scripts as a user does: in a process and a folder of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from running import run_script


@pytest.fixture(scope="session")
def run() -> Callable[..., str]:
    """Run a script with its arguments in the folder ``cwd``; returns what it printed."""
    return run_script
