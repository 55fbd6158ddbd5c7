"""Features whose images went to another process, as the keys of MoCo do."""

from __future__ import annotations

import pytest
from processes import start

pytestmark = pytest.mark.processes


def test_keys_shuffled_over_processes_are_found_again() -> None:
    start("scale_taps.py", processes=2)
