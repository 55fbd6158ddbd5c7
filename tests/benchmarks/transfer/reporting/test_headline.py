"""The sentences say what the numbers say: gains, losses, and what is not sure."""

from __future__ import annotations

from typing import Any

from transfer.reporting.collect import collect
from transfer.reporting.comparing import tasks_grid
from transfer.reporting.headline import NOTHING, headline


def sentences(runs: Any) -> list[str]:
    return headline(tasks_grid(collect(runs.root, "offline")))


def test_clear_gains_unclear_ones_and_losses(runs: Any) -> None:
    runs.gains("simsiam", 0.10, 0.11, 0.12)
    runs.gains("simclr", 0.10, -0.05, 0.01)
    runs.gains("byol", -0.05, -0.06, -0.07)
    runs.gains("swav", -0.10, 0.05, -0.01)
    found = sentences(runs)
    assert found[0] == (
        "Linear accuracy, mean over 2 tasks: AugSelf gains in 2 of 4 methods; the 95 % interval "
        "excludes 0 for SimSiam +11.0 ± 2.5 points, and does not for SimCLR +2.0 ± 18.8."
    )
    assert found[1] == "It clearly loses in BYOL −6.0 ± 2.5 points."
    assert found[2] == "It does not gain in SwAV −2.0 ± 18.8 points, but the interval contains 0."
    assert found[3].startswith("All methods together: +1.2 ± ")
    assert found[3].endswith("points (12 pairs of runs).")
    assert "Task by task, over all methods: AugSelf gains on 2 of 2 tasks, but no" in found[4]


def test_tasks_that_lose_are_named(runs: Any) -> None:
    plain = [{"skintone": 0.5, "fashion": 0.8}] * 3
    augself = [{"skintone": 0.6 + 0.01 * s, "fashion": 0.7 - 0.01 * s} for s in range(3)]
    runs.pair("simsiam", plain, augself)
    found = sentences(runs)
    assert found[0] == ("Linear accuracy, mean over 2 tasks: AugSelf gains in 0 of 1 method.")
    assert found[1] == "It does not gain in SimSiam 0.0 ± 0.0 points, but the interval contains 0."
    assert found[2] == (
        "Task by task, with SimSiam: AugSelf gains on 1 of 2 tasks; the 95 % interval excludes 0 "
        "for skintone (color) +11.0 ± 2.5 points."
    )
    assert found[3] == "It clearly loses on fashion (grey control) −11.0 ± 2.5 points."


def test_one_seed_claims_no_interval(runs: Any) -> None:
    runs.gains("simsiam", 0.1)
    found = sentences(runs)
    assert found[0] == (
        "Linear accuracy, mean over 2 tasks: AugSelf gains in 1 of 1 method: SimSiam +10.0 ± – "
        "points; there is one pair of runs of each, so no interval."
    )
    assert not any("excludes" in sentence for sentence in found)


def test_one_seed_that_loses(runs: Any) -> None:
    runs.gains("simsiam", -0.1)
    assert sentences(runs)[1] == "It does not gain in SimSiam −10.0 ± – points."


def test_tasks_are_compared_where_no_pair_has_them_all(runs: Any) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5, "locate": 0.3})
    runs.add("simsiam", "augself", 0, {"skintone": 0.6})
    assert sentences(runs) == [
        "Task by task, over all methods: AugSelf gains on 1 of 1 task: skintone (color) "
        "+10.0 ± – points; there is one pair of runs of each, so no interval."
    ]


def test_nothing_to_compare(runs: Any) -> None:
    runs.add("simsiam", "plain", 0, {"skintone": 0.5})
    runs.add("simsiam", "augself", 1, {"skintone": 0.6})
    assert sentences(runs) == [NOTHING]
