"""What a training step of every arm takes, kept in a file that a report reads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from transfer.errors import TransferError
from transfer.runs import versions, write


class CostsError(TransferError, ValueError):
    """A file of costs is absent or broken."""


class Cost(NamedTuple):
    """A training step of one arm.

    Args:
        milliseconds: median of its steps: views, both passes, the update.
        ratio: median over rounds of its step beside the first arm's of the same round.
        weights: that it trains.
    """

    milliseconds: float
    ratio: float
    weights: int


class Costs(NamedTuple):
    """Steps that were timed on one machine.

    Args:
        steps: method → arm → its step.
        versions: date, machine, versions and commit.
        settings: those that differ from the recipe's.
    """

    steps: Mapping[str, Mapping[str, Cost]]
    versions: Mapping[str, str]
    settings: Mapping[str, Any] = {}

    def of(self, method: str, arm: str) -> Cost | None:
        """Find an arm's step."""
        return self.steps.get(method, {}).get(arm)


def write_costs(
    steps: Mapping[str, Mapping[str, Cost]], file: Path, settings: Mapping[str, Any] | None = None
) -> None:
    """Write down what steps took here and now.

    Args:
        steps: method → arm → its step.
        file: to write.
        settings: those that differ from the recipe's.
    """
    content = {m: {a: cost._asdict() for a, cost in arms.items()} for m, arms in steps.items()}
    write(file, {"steps": content, "settings": dict(settings or {}), "versions": versions()})


def read_costs(file: Path) -> Costs:
    """Read what :func:`write_costs` wrote.

    Raises:
        CostsError: no such file, or another content.
    """
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        steps = {
            method: {arm: Cost(**cost) for arm, cost in arms.items()}
            for method, arms in known["steps"].items()
        }
        return Costs(steps, known["versions"], known.get("settings", {}))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise CostsError(
            f"{file}, expected what `python -m transfer steps --out` writes, found {error!r}. "
            "Measure the steps again."
        ) from error
