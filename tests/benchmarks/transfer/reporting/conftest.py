"""Made-up folders of runs with known numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from transfer.data.sets import Task
from transfer.reporting.scores import SECTIONS

COLOR, POSITION = "skintone", "locate"
LIVES_ON = {COLOR: "color", POSITION: "position", "fashion": "grey control"}


class Runs:
    """Writes runs under ``root/offline``."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def add(
        self,
        method: str,
        arm: str,
        seed: int,
        linear: Mapping[str, float] | None,
        variant: str = "",
        config: Mapping[str, Any] | None = None,
        **sections: Any,
    ) -> Path:
        """Write a run with these accuracies, and with these other sections of the metrics."""
        parts = [method, "" if arm == "plain" else arm, variant, f"s{seed}"]
        place = self.root / "offline" / "-".join(filter(None, parts))
        place.mkdir(parents=True)
        types = {"crop": 10.0, "color": 2.0} if arm == "augself" else {}
        named = {"data": "offline", "method": method, "arm": arm, "variant": variant, "seed": seed}
        self.write(place / "config.json", {**named, "types": types, "epochs": 15, **(config or {})})
        metrics: dict[str, Any] = {name: {} for name in SECTIONS}
        metrics["linear"] = None if linear is None else _measured(linear)
        metrics |= sections
        # None: the run has not come that far.
        known = {name: section for name, section in metrics.items() if section is not None}
        self.write(place / "metrics.json", known)
        self.write(place / "versions.json", {"date": f"2026-11-2{seed}", "torch": "2.14.1"})
        return place

    def pair(
        self, method: str, plain: list[dict[str, float]], augself: list[dict[str, float]]
    ) -> None:
        """Write both arms of a method, one run a seed."""
        for arm, scores in (("plain", plain), ("augself", augself)):
            for seed, linear in enumerate(scores):
                self.add(method, arm, seed, linear)

    def gains(self, method: str, *gains: float) -> None:
        """Write both arms of a method on two tasks that gain alike."""
        plain = [{COLOR: 0.5 + 0.02 * seed, POSITION: 0.3} for seed in range(len(gains))]
        augself = [{t: s + g for t, s in p.items()} for p, g in zip(plain, gains, strict=True)]
        self.pair(method, plain, augself)

    def write(self, path: Path, content: Mapping[str, Any]) -> None:
        """Write JSON as the runs do."""
        path.write_text(json.dumps(content, sort_keys=True), encoding="utf-8")


def _measured(linear: Mapping[str, float]) -> dict[str, Any]:
    return {t: {"test": score, "lives_on": LIVES_ON.get(t, "")} for t, score in linear.items()}


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    """An empty folder of runs to write into."""
    root = tmp_path / "runs"
    (root / "offline").mkdir(parents=True)
    return Runs(root)


class Pictures:
    """Pictures of one colour each."""

    def __getitem__(self, row: int) -> torch.Tensor:
        return torch.full((3, 8, 8), 20 * row, dtype=torch.uint8)


@pytest.fixture
def task() -> Task:
    """Ten pictures of two classes, in turn."""
    pictures: Any = Pictures()
    labels = torch.arange(10) % 2
    return Task(COLOR, pictures, labels, ("pale", "dark"), (), lives_on="color")


FULL: dict[str, Any] = {
    "pretraining": {"seconds": 400.0, "steps": 100, "base": -0.8, "terms": {}},
    "few_shot": {
        COLOR: {"1": {"mean": 0.4, "interval": 0.006}, "5": {"mean": 0.6, "interval": 0.004}}
    },
    "localization": {POSITION: {"test": 0.3, "val": 0.3, "R2": 0.2, "columns": {"cx": 0.2}}},
    "readability": {
        "crop": {"metric": "R2", "value": 0.1, "baseline": 0.0, "columns": {"height": 0.1}},
        "flip": {"metric": "accuracy", "value": 0.52, "baseline": 0.51, "columns": {}},
    },
    "in_domain": {"linear": {"test": 0.6, "lives_on": "in-domain"}, "knn": 0.5},
    "retrieval": {
        COLOR: {
            "precision@5": 0.4,
            "mean_average_precision": 0.3,
            "neighbours": {"0": [1, 2, 3, 4, 5], "3": [1, 5, 7, 9, 2], "8": [6, 4, 2, 0, 1]},
        }
    },
}


@pytest.fixture
def full() -> dict[str, Any]:
    """All sections of a run's metrics but the linear one."""
    return FULL
