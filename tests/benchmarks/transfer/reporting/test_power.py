"""What a number of seeds can show, against a simulation and a hand-made case."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from transfer.reporting.comparing import MEAN, Comparison, Grid
from transfer.reporting.intervals import estimate
from transfer.reporting.power import POWER, detectable, pairs_for, power_table


@pytest.mark.parametrize("pairs", [3, 5, 12])
def test_a_gain_of_that_size_is_seen_as_often_as_it_says(pairs: int) -> None:
    gain = detectable(2.0, pairs)
    drawn = np.random.default_rng(0).normal(gain, 2.0, (20_000, pairs))
    half = stats.t.ppf(0.975, pairs - 1) * drawn.std(1, ddof=1) / pairs**0.5
    assert np.mean(drawn.mean(1) > half) == pytest.approx(POWER, abs=0.01)


def test_pairs_for_a_width() -> None:
    for spread in (0.5, 1.0, 3.0):
        pairs = pairs_for(1.0, spread)
        assert pairs is not None
        widths = [stats.t.ppf(0.975, n - 1) * spread / n**0.5 for n in (pairs - 1, pairs) if n > 1]
        assert widths[-1] <= 1.0
        assert len(widths) == 1 or widths[0] > 1.0
    assert pairs_for(1.0, 0.0) == 2
    assert pairs_for(0.001, 3.0) is None


def test_the_table_has_the_methods_with_pairs() -> None:
    known = estimate({"0": 0.01, "1": 0.03})
    alone = estimate({"0": 0.01})
    rows = {"simclr": {MEAN: Comparison(None, None, known)},
            "moco": {MEAN: Comparison(None, None, alone)}}  # fmt: skip
    table = power_table(Grid((MEAN,), rows))
    assert table is not None
    (row,) = [[cell.text for cell in cells] for cells in table.rows]
    assert row == ["SimCLR", "2", "+2.0", "± 12.7", "1.4", row[5], row[6]]
    assert float(row[5]) > 2
    assert int(row[6]) > 2
    assert power_table(Grid((MEAN,), {"moco": rows["moco"]})) is None
    assert power_table(Grid((), {})) is None
