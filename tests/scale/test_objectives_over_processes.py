"""Objectives under DDP: gradients alike in all processes, and the mean of the processes' own."""

from __future__ import annotations

import pytest
from processes import start

pytestmark = pytest.mark.processes


def test_gradients_are_the_mean() -> None:
    start("scale_objectives.py", processes=2)
