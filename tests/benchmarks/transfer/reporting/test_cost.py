"""The cost of the term: timed steps where there are some, else the runs' own times."""

from __future__ import annotations

from typing import Any

from transfer.costs import Cost, Costs
from transfer.reporting.collect import collect
from transfer.reporting.cost import cost_table

PLAIN, OWN = Cost(200.0, 1.0, 2_000_000), Cost(231.0, 1.15, 3_230_000)


def test_timed_steps_take_the_place_of_the_runs_times(runs: Any, full: dict[str, Any]) -> None:
    for method in ("simsiam", "byol"):
        for seed in range(2):
            for arm in ("plain", "augself"):
                runs.add(method, arm, seed, {"skintone": 0.5, "locate": 0.3}, **full)
    collection = collect(runs.root, "offline")
    costs = Costs(
        {"simsiam": {"plain": PLAIN, "augself": OWN}, "byol": {"plain": PLAIN}},
        {"machine": "x86_64, 2 cores", "date": "2026-11-27"},
        {"apply": "fused"},
    )
    table = cost_table(collection, costs)
    assert table is not None
    assert [[cell.text for cell in row] for row in table.rows] == [
        ["SimSiam", "200", "231", "1.15", "1.23 M"]
    ], "BYOL's were not timed with the term"
    assert "(x86_64, 2 cores, 2026-11-27, apply=fused)" in table.note

    for none in (None, Costs({}, {})):
        went = cost_table(collection, none)
        assert went is not None
        assert went.title == "Time of the pretraining"
        assert [row[0].text for row in went.rows] == ["SimSiam", "BYOL"]
