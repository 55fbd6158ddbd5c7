"""What holds for any records, types and views; and that no garbage breaks through."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

import augself_loss
from augself_loss import (
    AugSelfError,
    AugSelfLoss,
    Field,
    Record,
    identity_record,
    pack,
    unpack,
    with_augself,
)
from augself_loss.encoders import BUILT_IN

Make = Callable[..., Record]
DIM = 5
TYPES = [kind.name for kind in BUILT_IN]
DTYPES = [torch.float32, torch.float64, torch.bfloat16]
some = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
types = st.lists(st.sampled_from(TYPES), min_size=1, max_size=5, unique=True)
batches = st.integers(2, 9)


def build(chosen: list[str], **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(DIM, dict.fromkeys(chosen, 1.0), **{"hidden_dim": 4, **options})


def features(views: int, batch: int, dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(batch)
    drawn = (torch.randn(batch, DIM, generator=generator) for _ in range(views))
    return [view.to(dtype).requires_grad_() for view in drawn]


@given(
    chosen=types,
    batch=batches,
    views=st.integers(2, 4),
    pairs=st.sampled_from(["all", "first"]),
    preset=st.sampled_from(["default", "paper"]),
    dtypes=st.tuples(st.sampled_from(DTYPES), st.sampled_from(DTYPES)),
    seed=st.integers(0, 99),
)
@some
def test_any_records_give_a_finite_loss_and_gradient(
    make_record: Make,
    chosen: list[str],
    batch: int,
    views: int,
    pairs: Any,
    preset: Any,
    dtypes: tuple[torch.dtype, torch.dtype],
    seed: int,
) -> None:
    augself = build(chosen, preset=preset, pairs=pairs, check_values="always")
    made = (make_record(augself.encoders.values(), batch, seed + i) for i in range(views))
    records = [{name: entry.to(dtypes[1]) for name, entry in record.items()} for record in made]
    seen = features(views, batch, dtypes[0])
    out = augself(seen, records)
    out.total.backward()
    assert out.total.shape == ()
    assert out.total.dtype == torch.float32
    assert out.total.isfinite()
    assert set(out.terms) == set(chosen)
    assert all(term.shape == () and term >= 0 for term in out.terms.values())
    for tensor in (*seen, *augself.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.shape == tensor.shape
        assert tensor.grad.isfinite().all()


@given(chosen=types, batch=batches, seed=st.integers(0, 99))
@some
def test_a_symmetric_loss_does_not_know_which_view_is_first(
    make_record: Make, chosen: list[str], batch: int, seed: int
) -> None:
    augself = build(chosen)
    one, two = features(2, batch)
    records = [make_record(augself.encoders.values(), batch, seed + i) for i in range(2)]
    forth, back = augself(one, two, *records), augself(two, one, *reversed(records))
    torch.testing.assert_close(forth, back)


@given(chosen=types, batch=batches, seed=st.integers(0, 99), data=st.data())
@some
def test_the_order_of_samples_does_not_matter(
    make_record: Make, chosen: list[str], batch: int, seed: int, data: st.DataObject
) -> None:
    order = data.draw(st.permutations(range(batch)))
    augself = build(chosen).eval()
    views = features(2, batch)
    records = [make_record(augself.encoders.values(), batch, seed + i) for i in range(2)]
    shuffled = [{name: entry[order] for name, entry in record.items()} for record in records]
    expected = augself(views, records)
    torch.testing.assert_close(augself([v[order] for v in views], shuffled), expected)


@given(chosen=types, batch=batches, seed=st.integers(0, 99))
@some
def test_packed_records_give_the_same_loss(
    make_record: Make, chosen: list[str], batch: int, seed: int
) -> None:
    augself = build(chosen).eval()
    records = [make_record(augself.encoders.values(), batch, seed + i) for i in range(2)]
    layout = {n: Field(("c",) * e.shape[1], (0.0,) * e.shape[1]) for n, e in records[0].items()}
    back = [unpack(pack(record, layout), layout) for record in records]
    views = features(2, batch)
    assert augself(views, back).total.equal(augself(views, records).total)


plain = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 10) | st.just(10**400),
    st.floats(),
    st.text(max_size=3),
    st.sampled_from([*TYPES, "all", "mean", "paper", object(), torch.float32]),
)
tensors = st.builds(
    lambda shape, dtype, device: torch.ones(shape, dtype=dtype, device=device),
    st.lists(st.sampled_from([0, 1, 3, DIM]), max_size=4),
    st.sampled_from([torch.float32, torch.bfloat16, torch.int64, torch.bool, torch.complex64]),
    st.sampled_from(["cpu", "cpu", "meta"]),
)
entries = st.dictionaries(st.sampled_from([*TYPES, "zoom"]), tensors | plain, max_size=4)
garbage = st.one_of(plain, tensors, entries, st.lists(plain | tensors | entries, max_size=3))

CONSTRUCTORS = [kind for kind in BUILT_IN if kind.__init__.__code__.co_argcount > 1]


def works_or_refuses(act: Callable[[], Any]) -> None:
    """Let the library's own errors pass, and no other."""
    try:
        out = act()
    except AugSelfError:
        return
    if isinstance(out, augself_loss.Output):
        assert out.total.shape == ()


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_garbage_calls(data: st.DataObject) -> None:
    augself = build(["crop", "color", "rotation"], pool=data.draw(st.sampled_from([None, "mean"])))
    good: list[Any] = [
        *(view.detach() for view in features(2, 3)),
        *([identity_record(_LAYOUT, 3)] * 2),
    ]
    broken = data.draw(st.sets(st.integers(0, 3), min_size=1))
    arguments = [data.draw(garbage) if i in broken else value for i, value in enumerate(good)]
    works_or_refuses(lambda: augself(*arguments))
    works_or_refuses(lambda: augself([*arguments[:2]], [*arguments[2:]]))
    works_or_refuses(lambda: augself.predict(*arguments[:2]))
    option = data.draw(st.sampled_from(["pairs", "types"]))
    works_or_refuses(lambda: augself(*good, **{option: data.draw(garbage)}))


_LAYOUT = {
    name: field
    for kind in BUILT_IN
    if kind.name in ("crop", "color", "rotation", "flip", "grayscale", "vertical_flip")
    for name, field in kind().fields.items()
}


@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_garbage_settings(data: st.DataObject) -> None:
    names = ["weights", "hidden_dim", "preset", "encoders", "pairs", "pool", "check_values"]
    name = data.draw(st.sampled_from(["feature_dim", *names]))
    value = data.draw(garbage)
    if name in ("feature_dim", "hidden_dim") and isinstance(value, int) and value > 10:
        return  # a size that is fine, but for the memory
    works_or_refuses(lambda: AugSelfLoss(**{"feature_dim": DIM, "hidden_dim": 4, name: value}))
    augself = build(["crop"])
    works_or_refuses(lambda: augself.set_weights(value))
    works_or_refuses(lambda: augself.check_optimizer(value))
    works_or_refuses(lambda: augself.load_released_heads(value))
    works_or_refuses(lambda: augself.load_released_heads({"crop": value}))
    works_or_refuses(lambda: with_augself(value, augself))
    works_or_refuses(lambda: with_augself(max, augself, patience=value))
    works_or_refuses(lambda: with_augself(max, value))


@given(value=garbage, size=garbage)
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_garbage_records(value: Any, size: Any) -> None:
    works_or_refuses(lambda: pack(value, _LAYOUT))
    works_or_refuses(lambda: unpack(value, _LAYOUT))
    if not (isinstance(size, int) and size > 10):
        works_or_refuses(lambda: identity_record(_LAYOUT, size))


@pytest.mark.parametrize("kind", CONSTRUCTORS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=150, suppress_health_check=list(HealthCheck))
def test_garbage_ranges(kind: Any, data: st.DataObject) -> None:
    wanted = plain | tensors | st.lists(plain, max_size=3) | st.tuples(st.floats(), st.floats())
    arguments = [data.draw(wanted) for _ in range(kind.__init__.__code__.co_argcount - 1)]
    try:
        encoder = kind(*arguments)
    except AugSelfError:
        return
    assert all(
        limits is None or all(math.isfinite(limit) for limit in limits) for limits in encoder.ranges
    )
