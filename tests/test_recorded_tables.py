"""The tables of what is recorded, on the hosts' pages, say what the code says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from augself_loss.encoders import default_encoders

DOCS = Path(__file__).parents[1] / "docs"
HOSTS = ("torchvision", "kornia", "albumentations")


def section(host: str) -> str:
    """Cut a page's section out."""
    page = (DOCS / f"{host}.md").read_text(encoding="utf-8")
    return page.split("\n## What is recorded\n")[1].split("\n## ")[0]


def rows(host: str) -> list[tuple[list[str], list[str]]]:
    """List a table's rows: transforms, and their types."""
    cells = re.findall(r"^\| (.*?`.*?) \| (.*?`) \|", section(host), re.MULTILINE)
    return [
        (re.findall(r"`(\w+)`", names), re.findall(r"`(\w+)`", types)) for names, types in cells
    ]


def named_after(host: str, start: str) -> list[str]:
    """List what a sentence names."""
    (sentence,) = re.findall(rf"{start}.*?\.(?=\s)", section(host), re.DOTALL)
    return re.findall(r"`(\w+)`", sentence)


@pytest.mark.parametrize("host", ["torchvision", "kornia"])
def test_every_transform_stands_beside_its_type(host: str) -> None:
    told = [(name, kind) for names, kinds in rows(host) for name in names for kind in kinds]
    known = {(name, one.name) for one in default_encoders().values() for name in getattr(one, host)}
    assert len(told) == len(set(told))
    assert set(told) == known


def test_every_transform_of_albumentations_stands_there() -> None:
    """Its rows hold several types, too."""
    told = {name for names, _ in rows("albumentations") for name in names}
    encoders = default_encoders().values()
    assert told >= {name for one in encoders for name in one.albumentations}
    kinds = {kind for _, kinds in rows("albumentations") for kind in kinds}
    assert kinds == {one.name for one in encoders if one.albumentations}


def modules(host: str) -> list[Any]:
    if host == "kornia":
        augmentation = pytest.importorskip("kornia.augmentation")
        return [augmentation, augmentation.auto]
    if host == "torchvision":
        return [pytest.importorskip("torchvision.transforms.v2")]
    return [pytest.importorskip("albumentations")]


@pytest.mark.parametrize("host", HOSTS)
def test_what_is_said_to_be_refused_is_there_and_not_known(host: str) -> None:
    refused = named_after(host, "Everything else is refused by name")
    known = {name for one in default_encoders().values() for name in getattr(one, host)}
    assert len(refused) > 5
    assert not known & {*refused}
    for name in refused:
        assert any(hasattr(module, name) for module in modules(host)), name


@pytest.mark.parametrize("host", ["torchvision", "kornia"])
def test_what_is_said_to_be_allowed_is_fixed(host: str) -> None:
    wiring = pytest.importorskip(f"augself_loss.recording.{host}.wiring")
    allowed = named_after(host, "`Resize`,")
    assert len(allowed) >= 3
    assert {*allowed} <= wiring.FIXED
