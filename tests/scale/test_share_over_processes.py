"""λ by a share of gradients is the same on every process, and that of the whole batch."""

from __future__ import annotations

import pytest
from processes import start

pytestmark = pytest.mark.processes


def test_lambda_is_alike_everywhere() -> None:
    start("scale_share.py", processes=2)
