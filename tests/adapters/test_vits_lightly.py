"""Lightly's methods with timm's ViTs: every feature is of its own view's pixels."""

from __future__ import annotations

import pytest

pytest.importorskip("timm")
pytest.importorskip("lightly")

import lightly_vit_modules as vits
from lightly_pairing import check_pairing

pytestmark = pytest.mark.host


@pytest.mark.parametrize("method", [vits.DINOv2, vits.IBOT], ids=lambda method: method.__name__)
def test_masked_students(method: type[vits.Masked], monkeypatch: pytest.MonkeyPatch) -> None:
    check_pairing(method, ["student_backbone.encode"], [[True, True]] * 2, monkeypatch)


def test_a_backbone_that_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    check_pairing(vits.LeJEPA, ["backbone"], [[True, True]] * 2, monkeypatch)
