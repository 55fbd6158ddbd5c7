"""A training loop of one's own in two processes."""

from __future__ import annotations

import pytest
from processes import start

pytestmark = pytest.mark.processes


def test_heads_stay_alike_or_are_refused() -> None:
    start("scale_plain.py", processes=2)
