"""Means, paired gains and intervals against hand-computed numbers and SciPy's paired test."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats
from transfer.reporting.ablations import ablation_tables, ablations
from transfer.reporting.collect import collect
from transfer.reporting.comparing import MEAN, tasks_grid
from transfer.reporting.intervals import Estimate, estimate, paired
from transfer.reporting.scores import Item

SKIN, PLACE = Item("skintone", "color"), Item("locate", "position")
PLAIN = [0.50, 0.52, 0.48, 0.51]
AUGSELF = [0.55, 0.60, 0.50, 0.57]


def test_by_hand() -> None:
    # Gains 2, 4, 6: mean 4, deviation 2, t(0.975; 2) = 4.3027, so 4.3027 × 2 / √3 = 4.9683.
    found = estimate({"0": 2.0, "1": 4.0, "2": 6.0})
    assert found is not None
    assert found.mean == 4.0
    assert found.interval == pytest.approx(4.96828, abs=1e-5)
    assert not found.excludes_zero


def test_agrees_with_the_paired_test() -> None:
    gains = paired(dict(enumerate(PLAIN)), dict(enumerate(AUGSELF)))
    found = estimate({str(seed): gain for seed, gain in gains.items()})
    test = stats.ttest_rel(AUGSELF, PLAIN)
    low, high = test.confidence_interval(0.95)
    assert found is not None
    assert found.interval is not None
    assert found.mean - found.interval == pytest.approx(low)
    assert found.mean + found.interval == pytest.approx(high)
    assert found.excludes_zero == (test.pvalue < 0.05)


def test_rounding_is_no_gain() -> None:
    found = estimate({"0": 1e-17, "1": 1e-17, "2": 1e-17})
    assert found is not None
    assert not found.excludes_zero
    assert not found.positive


def test_one_value_has_no_interval_and_is_never_sure() -> None:
    found = estimate({"0": 3.0})
    assert found == Estimate(3.0, None, {"0": 3.0})
    assert not found.excludes_zero
    assert estimate({}) is None


def test_pairs_by_seed() -> None:
    assert paired({0: 1.0, 1: 2.0, 2: 3.0}, {2: 5.0, 0: 2.0, 7: 9.0}) == {0: 1.0, 2: 2.0}


def test_grid_pairs_seeds_and_shows_means_of_pairs_only(runs: Any) -> None:
    for seed, score in ((0, 0.50), (1, 0.60), (2, 0.90)):
        runs.add("simsiam", "plain", seed, {"skintone": score})
    for seed, score in ((1, 0.66), (0, 0.54)):
        runs.add("simsiam", "augself", seed, {"skintone": score})
    found = tasks_grid(collect(runs.root, "offline")).rows["simsiam"][SKIN]
    assert found.gain is not None
    assert dict(found.gain.values) == pytest.approx({"0": 0.04, "1": 0.06})
    assert found.gain.mean == pytest.approx(0.05)
    assert found.plain is not None  # without seed 2, which has no partner
    assert found.plain.mean == pytest.approx(0.55)
    assert found.augself is not None
    assert found.augself.mean - found.plain.mean == pytest.approx(found.gain.mean)


def test_mean_over_tasks_is_taken_seed_by_seed(runs: Any) -> None:
    plain = [{"skintone": 0.5, "locate": 0.3}, {"skintone": 0.6, "locate": 0.2}]
    augself = [{"skintone": 0.6, "locate": 0.2}, {"skintone": 0.8, "locate": 0.4}]
    runs.pair("simsiam", plain, augself)
    grid = tasks_grid(collect(runs.root, "offline"))
    assert grid.items == (SKIN, PLACE, MEAN)  # color first, whatever the order of the names
    gain = grid.rows["simsiam"][MEAN].gain
    assert gain is not None
    # Tasks cancel in seed 0, gain 0.2 each in seed 1.
    assert dict(gain.values) == pytest.approx({"0": 0.0, "1": 0.2})
    low, high = stats.ttest_rel([0.4, 0.6], [0.4, 0.4]).confidence_interval(0.95)
    assert gain.interval == pytest.approx((high - low) / 2)


def test_a_run_that_lacks_a_task_is_not_in_the_mean(runs: Any) -> None:
    both = {"skintone": 0.5, "locate": 0.3}
    runs.pair("simsiam", [both, both], [{"skintone": 0.9}, {"skintone": 0.6, "locate": 0.4}])
    row = tasks_grid(collect(runs.root, "offline")).rows["simsiam"]
    mean, skin = row[MEAN].gain, row[SKIN].gain
    assert mean is not None
    assert dict(mean.values) == pytest.approx({"1": 0.1})
    assert skin is not None
    assert dict(skin.values) == pytest.approx({"0": 0.4, "1": 0.1})


def test_pooled_gain_takes_every_pair(runs: Any) -> None:
    runs.gains("simsiam", 0.1, 0.2)
    runs.gains("byol", 0.0)
    runs.add("swav", "plain", 0, {"skintone": 0.5, "locate": 0.1})
    pooled = tasks_grid(collect(runs.root, "offline")).pooled(MEAN)
    assert pooled is not None
    assert dict(pooled.values) == pytest.approx({"simsiam 0": 0.1, "simsiam 1": 0.2, "byol 0": 0.0})
    low, high = stats.ttest_1samp([0.1, 0.2, 0.0], 0).confidence_interval(0.95)
    assert pooled.interval == pytest.approx((high - low) / 2)


def test_variants_are_compared_with_their_own_base_or_the_main_one(runs: Any) -> None:
    runs.gains("simsiam", 0.1, 0.1)
    runs.add("simsiam", "augself", 1, {"skintone": 0.6, "locate": 0.4}, "crop-only")
    runs.add("simsiam", "plain", 1, {"skintone": 0.8, "locate": 0.4}, "jitter-weak")
    runs.add("simsiam", "augself", 1, {"skintone": 0.9, "locate": 0.4}, "jitter-weak")
    shown, found = ablations(collect(runs.root, "offline"))
    assert shown == [SKIN, PLACE, MEAN]
    assert [(a.variant, a.own_plain) for a in found] == [
        ("", True),
        ("crop-only", False),
        ("jitter-weak", True),
    ]
    main, crop, weak = (a.row[SKIN].gain for a in found)
    assert main is not None
    assert main.mean == pytest.approx(0.1)
    assert crop is not None
    assert dict(crop.values) == pytest.approx({"1": 0.6 - 0.52})  # the main grid's, same seed
    assert weak is not None
    assert dict(weak.values) == pytest.approx({"1": 0.1})


def test_a_variant_stands_beside_the_main_grid_of_the_same_seeds(runs: Any) -> None:
    runs.gains("simsiam", 0.1, 0.2, 0.3)
    for seed, score in enumerate((0.7, 0.8)):
        known = {"color": {"metric": "R2", "value": 0.25, "baseline": 0.0, "columns": {}}}
        linear = {"skintone": score, "locate": 0.3}
        runs.add("simsiam", "augself", seed, linear, "color-only", readability=known)
    means, _, known_table = ablation_tables(collect(runs.root, "offline"))
    main, color = means.rows
    assert main[-1].text == ""
    # Means over both tasks: (.2 + 0) / 2 less .1, and (.28 + 0) / 2 less .2.
    beside = color[-1].estimate
    assert beside is not None
    assert dict(beside.values) == pytest.approx({"0": 0.0, "1": -0.06})
    assert [cell.text for cell in known_table.rows[1]] == ["SimSiam", "color-only", "0.25"]
