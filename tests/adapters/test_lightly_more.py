"""Methods of maps, of many views and of masked ViTs: every feature is of its own view's pixels."""

from __future__ import annotations

import lightly_more_modules as more
import pytest
from lightly_modules import Host
from lightly_pairing import check_pairing

pytestmark = pytest.mark.host

CASES = [
    (more.DenseCL, ["backbone"], [True, False]),
    (more.MMCR, ["backbone", "backbone_momentum"], [True] * 4),
    (more.FroSSL, ["backbone"], [True, True]),
    (more.MSN, ["anchor_backbone", "backbone"], [False, True]),
    (more.PMSN, ["anchor_backbone", "backbone"], [False, True]),
]


@pytest.mark.parametrize(
    ("method", "networks", "online"), CASES, ids=lambda c: getattr(c, "__name__", "")
)
def test_a_feature_is_of_its_views_pixels(
    method: type[Host], networks: list[str], online: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_pairing(method, networks, [online] * 2, monkeypatch)


def test_views_that_change_their_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """SMoG's second step gives the views to the other network each."""
    online = [[True, False], [False, True]]
    check_pairing(more.SMoG, ["backbone", "backbone_momentum"], online, monkeypatch)
