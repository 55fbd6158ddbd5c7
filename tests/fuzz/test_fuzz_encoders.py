"""Encoders built from any ranges: targets in the ranges they state, or refused by name."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from garbage import numbers, refused
from hypothesis import given, settings
from hypothesis import strategies as st

from augself_loss import AugSelfLoss, Encoder, RegressionEncoder
from augself_loss.encoders import BUILT_IN, default_encoders

KINDS = [kind for kind in BUILT_IN if kind.__init__.__code__.co_argcount > 1]
magnitudes = st.one_of(
    st.floats(-1e3, 1e3),
    st.sampled_from([0.0, 1e-45, 1e-300, 1e-8, 1e8, 1e20, 1e38, 3.5e38, 1e300, 1.7e308]),
    st.sampled_from([np.float32(0.3), np.float64(2), np.int64(3), np.float16(0.5), True]),
)
ranges = st.one_of(
    numbers, magnitudes, st.tuples(magnitudes, magnitudes),
    st.tuples(magnitudes, magnitudes).map(lambda pair: tuple(sorted(pair))),
    st.tuples(magnitudes, magnitudes).map(lambda pair: np.array(pair, dtype=np.float64)),
    st.tuples(numbers, numbers), st.lists(magnitudes, max_size=3),
)  # fmt: skip


def ends(encoder: Encoder) -> list[torch.Tensor]:
    """List records' entries ``(1, columns)`` at the ranges' ends and at the identity."""
    limits = [
        (i, i) if r is None else r for i, r in zip(encoder.identity, encoder.ranges, strict=True)
    ]
    rows = [[low for low, _ in limits], [high for _, high in limits], list(encoder.identity)]
    return [torch.tensor([row], dtype=torch.float32) for row in rows]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=60)
def test_what_is_built_gives_targets_in_range(kind: Any, data: st.DataObject) -> None:
    arguments = [data.draw(ranges) for _ in range(kind.__init__.__code__.co_argcount - 1)]
    encoder = refused(lambda: kind(*arguments))
    if encoder is None:
        return
    for limits in encoder.ranges:
        assert limits is None or (all(map(math.isfinite, limits)) and limits[0] <= limits[1])
        assert limits is None or all(type(limit) is float for limit in limits)
    bound = encoder.under("default")
    frame = {n: torch.zeros(1, 1) for n in (*bound.frame, *bound.optional)}
    entries = ends(bound)
    for a in entries:
        one = {**frame, bound.name: a}
        bound.check(one)
        for b in entries:
            target = bound.difference(one, {**frame, bound.name: b})
            assert target.isfinite().all()
            if isinstance(bound, RegressionEncoder) and bound.name != "crop":
                assert target.shape == (1, bound.width)
                assert target.abs().max() <= 1.05


@given(data=st.data())
@settings(max_examples=60)
def test_a_loss_of_it_is_finite(data: st.DataObject) -> None:
    kind: Any = data.draw(st.sampled_from(KINDS))
    arguments = [data.draw(ranges) for _ in range(kind.__init__.__code__.co_argcount - 1)]
    encoder = refused(lambda: kind(*arguments))
    if encoder is None:
        return
    augself = AugSelfLoss(
        3, {encoder.name: 1.0}, hidden_dim=4, encoders=[encoder], check_values="always"
    )
    low, high, identity = ends(encoder)
    frame = {name: torch.zeros(3, 1) for name in (*encoder.frame, *encoder.optional)}
    records = [
        {**frame, encoder.name: torch.cat(rows)}
        for rows in ([low, high, identity], [high, identity, low])
    ]
    out = augself([torch.randn(3, 3), torch.randn(3, 3)], records)
    out.total.backward()
    assert out.total.isfinite()
    assert out.terms[encoder.name] <= 4 + 1e-4 or encoder.kind != "regression"


@given(data=st.data())
@settings(max_examples=60)
def test_any_two_encoders_unite_or_are_refused(data: st.DataObject) -> None:
    kind: Any = data.draw(st.sampled_from(KINDS))
    count = kind.__init__.__code__.co_argcount - 1
    drawn = [[data.draw(ranges) for _ in range(count)] for _ in range(2)]
    made = [refused(lambda arguments=arguments: kind(*arguments)) for arguments in drawn]
    if None in made:
        return
    united = default_encoders(made)[made[0].name]
    for limits, *parts in zip(united.ranges, *(e.ranges for e in made), strict=True):
        for part in parts:
            assert part is None or (limits[0] <= part[0] and part[1] <= limits[1])
    united.validate()
