"""The result in a few sentences, made of the numbers: gains, losses, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping

from transfer.reporting.comparing import MEAN, Grid
from transfer.reporting.intervals import Estimate
from transfer.reporting.scores import named
from transfer.reporting.tables import signed

NOTHING = (
    "Nothing can be compared yet: no method has a plain run and one with AugSelf of the same seed."
)


def headline(grid: Grid) -> list[str]:
    """Say what AugSelf does to linear accuracy.

    Args:
        grid: comparison of the linear evaluation.

    Returns:
        Sentences: methods that gain, methods that lose, all methods, tasks that gain, that lose.
    """
    tasks = [item for item in grid.items if item != MEAN]
    item = MEAN if MEAN in grid.items else next(iter(tasks), None)
    gains = {named(method): gain for method, gain in grid.gains(item).items()} if item else {}
    by_task = {
        f"{i.key} ({i.about})" if i.about else i.key: gain
        for i in tasks
        if (gain := grid.pooled(i))
    }
    sentences = []
    if item is not None and gains:
        over = f"mean over {len(tasks)} tasks" if item == MEAN else item.key
        sentences += [f"Linear accuracy, {over}: {_up(gains, 'method')}", *_down(gains, "method")]
        pooled = grid.pooled(item)
        if len(gains) > 1 and pooled is not None:
            pairs = len(pooled.values)
            sentences.append(
                f"All methods together: {signed(pooled)} points ({pairs} pairs of runs)."
            )
    if item == MEAN and by_task:
        over = f"with {next(iter(gains))}" if len(gains) == 1 else "over all methods"
        sentences += [f"Task by task, {over}: {_up(by_task, 'task')}", *_down(by_task, "task")]
    return sentences or [NOTHING]


def _up(gains: Mapping[str, Estimate], what: str) -> str:
    """Say how many gain, and for which of them that is sure."""
    up = {name: gain for name, gain in gains.items() if gain.positive}
    start = (
        f"AugSelf gains {'in' if what == 'method' else 'on'} {len(up)} of {_many(len(gains), what)}"
    )
    if all(gain.interval is None for gain in gains.values()):
        listed = f": {_listed(up)} points" if up else ""
        return f"{start}{listed}; there is one pair of runs of each, so no interval."
    if not up:
        return f"{start}."
    sure = {name: gain for name, gain in up.items() if gain.excludes_zero}
    unsure = {name: gain for name, gain in up.items() if not gain.excludes_zero}
    if not sure:
        return f"{start}, but no 95 % interval excludes 0: {_listed(unsure)} points."
    text = f"{start}; the 95 % interval excludes 0 for {_listed(sure)} points"
    return f"{text}, and does not for {_listed(unsure)}." if unsure else f"{text}."


def _down(gains: Mapping[str, Estimate], what: str) -> list[str]:
    """Say where it does not gain, and whether that is sure."""
    where = "in" if what == "method" else "on"
    down = {name: gain for name, gain in gains.items() if not gain.positive}
    sure = {name: gain for name, gain in down.items() if gain.excludes_zero}
    unsure = {name: gain for name, gain in down.items() if not gain.excludes_zero}
    sentences = [f"It clearly loses {where} {_listed(sure)} points."] if sure else []
    if unsure:
        known = any(gain.interval is not None for gain in unsure.values())
        reason = ", but the interval contains 0" if known else ""
        sentences.append(f"It does not gain {where} {_listed(unsure)} points{reason}.")
    return sentences


def _listed(gains: Mapping[str, Estimate]) -> str:
    """List names with their gains, largest first."""
    ordered = sorted(gains.items(), key=lambda pair: -pair[1].mean)
    texts = [f"{name} {signed(gain)}" for name, gain in ordered]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'s' * (count != 1)}"
