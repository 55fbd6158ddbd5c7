"""The loss on any features and records: finite and right, or refused by name."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from garbage import anything, hostile_tensors, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from augself_loss import AugSelfError, AugSelfLoss, Record, identity_record, with_augself
from augself_loss.encoders import BUILT_IN, Encoder, default_encoders
from augself_loss.functional import ordered_pairs, pair_records, term_losses

DIM = 4
TYPES = [kind.name for kind in BUILT_IN]
FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
LAYOUT = {n: f for e in default_encoders().values() for n, f in e.fields.items()}
some_types = st.lists(st.sampled_from(TYPES), min_size=1, max_size=4, unique=True)
MAGNITUDES = st.floats(-45, 38.5).map(lambda power: 10.0**power)


def built(types: Sequence[str], **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    chosen = {"hidden_dim": 4, "check_values": "always", **options}
    return AugSelfLoss(DIM, dict.fromkeys(types, 1.0), **chosen)


def sampled(encoders: Sequence[Encoder], batch: int, seed: int, dtype: torch.dtype) -> Record:
    """Draw a record that holds the ranges' ends, values between, and the identity."""
    generator = torch.Generator().manual_seed(seed)
    record = {}
    for name, field in LAYOUT.items():
        limits = next((e.ranges for e in encoders if e.name == name), field.ranges)
        columns = []
        for i, identity in enumerate(field.identity):
            low, high = (limits[i] if limits else None) or (identity, identity)
            drawn = torch.rand(batch, generator=generator).mul(1.4).sub(0.2).clamp(0, 1)
            columns.append(low + (high - low) * drawn)
        whole = name in ("rotation", *(e.name for e in encoders if e.kind == "binary"), "flip",
                         "vertical_flip", "grayscale")  # fmt: skip
        entry = torch.stack(columns, dim=-1)
        record[name] = (entry.round() if whole else entry).to(dtype)
    return record


def naive(augself: AugSelfLoss, predictions: dict[str, Tensor], a: Record, b: Record) -> Any:
    """Compute every term sample by sample and column by column, in float64."""
    terms = {}
    for name, encoder in augself.encoders.items():
        total, count = 0.0, 0.0
        for row in range(len(predictions[name])):
            one, two = ({n: e[row : row + 1] for n, e in r.items()} for r in (a, b))
            output = predictions[name][row].double().tolist()
            target, seen = encoder.difference(one, two), encoder.visible(one, two)
            if encoder.kind == "classes":
                sums = math.log(sum(math.exp(x - max(output)) for x in output)) + max(output)
                total, count = total + sums - output[int(target)], count + 1
                continue
            assert target.shape == (1, len(output)), "a target of another shape than the output"
            assert seen is None or seen.shape == target.shape
            for column, x in enumerate(output):
                t = float(target[0, column])
                weight = 1.0 if seen is None else float(seen[0, column])
                if encoder.kind == "regression":
                    error = (math.tanh(x) - t) ** 2
                else:
                    error = max(x, 0) - x * t + math.log1p(math.exp(-abs(x)))
                total, count = total + weight * error, count + weight
        terms[name] = total / max(count, 1.0)
    return terms


@given(
    types=some_types, batch=st.integers(2, 5), views=st.integers(2, 3), seed=st.integers(0, 999),
    preset=st.sampled_from(["default", "paper"]), symmetric=st.booleans(),
)  # fmt: skip
@settings(max_examples=60)
def test_every_term_is_the_naive_loops(
    types: list[str], batch: int, views: int, seed: int, preset: Any, symmetric: bool
) -> None:
    augself = built(types, preset=preset, symmetric=symmetric).eval()
    encoders = list(augself.encoders.values())
    records = [sampled(encoders, batch, seed + i, torch.float32) for i in range(views)]
    features = [torch.randn(batch, DIM, generator=torch.Generator().manual_seed(seed + i))
                for i in range(views)]  # fmt: skip
    order = ordered_pairs(views, symmetric=symmetric)
    predictions = augself.heads(features, order)
    a, b = pair_records(records, order, list(LAYOUT))
    expected = naive(augself, predictions, a, b)
    out = augself(features, records)
    for name, term in term_losses(augself.encoders, predictions, a, b).items():
        assert float(out.terms[name].detach()) == pytest.approx(expected[name], abs=1e-5, rel=1e-5)
        assert out.terms[name].equal(term)


@given(
    types=some_types, batch=st.integers(2, 5), size=MAGNITUDES, offset=st.booleans(),
    dtype=st.sampled_from(FLOATS), record_dtype=st.sampled_from(FLOATS),
    autocast=st.sampled_from([None, None, torch.bfloat16, torch.float16]),
    strided=st.booleans(), training=st.booleans(), seed=st.integers(0, 999),
)  # fmt: skip
@settings(max_examples=150)
def test_finite_features_give_finite_losses_or_are_refused(
    types: list[str], batch: int, size: float, offset: bool, dtype: torch.dtype,
    record_dtype: torch.dtype, autocast: Any, strided: bool, training: bool, seed: int,
) -> None:  # fmt: skip
    augself = built(types).train(training)
    before = {name: value.clone() for name, value in augself.state_dict().items()}
    generator = torch.Generator().manual_seed(seed)
    made = [torch.randn(batch, DIM, generator=generator, dtype=torch.float64).clamp(-2, 2) / 2
            + offset for _ in range(2)]  # fmt: skip
    limit = torch.finfo(dtype).max
    views = [(view * size).clamp(-limit, limit).to(dtype) for view in made]
    if strided:
        views = [torch.stack([view, view], dim=-1)[..., 0] for view in views]
    views = [view.requires_grad_() for view in views]
    encoders = list(augself.encoders.values())
    records = [sampled(encoders, batch, seed + i, record_dtype) for i in range(2)]
    context = nullcontext() if autocast is None else torch.autocast("cpu", autocast)
    try:
        with context:
            out = augself(views, records)
    except AugSelfError:
        largest = max(float(view.detach().abs().max()) for view in views)
        # The precision's own reach, not less than any network's features.
        assert largest > (1e3 if torch.float16 in (autocast, dtype) else 1e15)
        return
    out.total.backward()
    assert out.total.dtype == torch.float32
    values = [out.total, *out.terms.values(), *augself.buffers(), *augself.parameters()]
    assert all(value.isfinite().all() for value in values)
    gradients = [p.grad for p in (*augself.parameters(), *views)]
    assert all(gradient is not None for gradient in gradients)
    if torch.float16 not in (autocast, dtype):  # a gradient may leave float16: scalers see to that
        assert all(gradient.isfinite().all() for gradient in gradients if gradient is not None)
    assert training or all(before[n].equal(v) for n, v in augself.state_dict().items())


@given(
    types=some_types, batch=st.integers(2, 5), other=st.sampled_from(["one", "more", "less"]),
    place=st.integers(0, 3), data=st.data(),
)  # fmt: skip
@settings(max_examples=80)
def test_another_batch_is_never_broadcast(
    types: list[str], batch: int, other: str, place: int, data: st.DataObject
) -> None:
    wrong = {"one": 1, "more": batch + 1, "less": batch - 1}[other]
    augself = built(types).eval()
    arguments: list[Any] = [torch.randn(batch, DIM), torch.randn(batch, DIM)]
    records = [identity_record(LAYOUT, batch) for _ in range(2)]
    if place < 2:
        arguments[place] = torch.randn(wrong, DIM)
    else:
        names = data.draw(st.sets(st.sampled_from(types), min_size=1))
        spoiled = identity_record(LAYOUT, wrong)
        records[place - 2].update({name: spoiled[name] for name in names})
    with pytest.raises(AugSelfError, match="batch size"):
        augself(*arguments, *records)


@given(data=st.data())
@settings(max_examples=150)
def test_hostile_tensors_work_or_are_refused(data: st.DataObject) -> None:
    pool = data.draw(st.sampled_from([None, "mean", "cls"]))
    augself = built(["crop", "rotation", "color", "erasing"], pool=pool)
    augself.train(data.draw(st.booleans()))
    features = [torch.randn(3, DIM), torch.randn(3, DIM)]
    records: list[dict[str, Any]] = [identity_record(LAYOUT, 3) for _ in range(2)]
    if data.draw(st.booleans()):
        features[data.draw(st.integers(0, 1))] = data.draw(hostile_tensors(DIM))
    else:
        name = data.draw(st.sampled_from([*augself.types, "flip", "grayscale", "vertical_flip"]))
        width = LAYOUT[name].width
        records[data.draw(st.integers(0, 1))][name] = data.draw(hostile_tensors(width))
    try:
        out = augself(features, records)
    except AugSelfError:
        return
    assert out.total.isfinite()
    assert all(term.shape == () for term in out.terms.values())


@given(data=st.data())
@settings(max_examples=100)
def test_with_augself_on_anything(data: st.DataObject) -> None:
    augself = built(["crop"])
    good = [torch.randn(3, DIM), torch.randn(3, DIM)], [identity_record(LAYOUT, 3)] * 2
    base = data.draw(anything)
    wrapped = with_augself(lambda *_: base, augself)
    total = refused(lambda: wrapped(features=good[0], records=good[1]))
    assert total is None or (total.numel() == 1 and total.is_floating_point())
    wrapped = with_augself(lambda *_: torch.zeros(()), augself)
    spoiled = [data.draw(anything), good[1]] if data.draw(st.booleans()) else [good[0], base]
    refused(lambda: wrapped(features=spoiled[0], records=spoiled[1]))
