"""The loss against a naive loop, and what it is to a training run."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import AugSelfLoss, BlurEncoder, Encoder, Record
from augself_loss.errors import FeatureError
from augself_loss.functional import ordered_pairs
from augself_loss.pooling import pooled

Make = Callable[..., Record]
WEIGHTS = {"crop": 1.0, "color": 0.5, "flip": 0.25, "rotation": 2.0, "blur": 1.5}
BATCH, DIM = 6, 8


def build(weights: dict[str, float] | None = None, **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(DIM, weights or WEIGHTS, **{"hidden_dim": 16, **options})


def features(views: int = 2, *shape: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(7)
    return [
        torch.randn(BATCH, DIM, *shape, generator=generator).requires_grad_() for _ in range(views)
    ]


@pytest.fixture
def records(make_record: Make) -> list[Record]:
    augself = build()
    return [make_record(augself.encoders.values(), BATCH, seed) for seed in range(4)]


def naive(
    augself: AugSelfLoss,
    views: list[Tensor],
    records: list[Record],
    order: Iterable[tuple[int, int]],
    encoder: Encoder,
) -> float:
    """Go through ordered pairs, samples and columns one by one, in float64."""
    elements: list[float] = []
    for i, j in order:
        for row in range(BATCH):
            both = torch.cat([views[i][row], views[j][row]]).detach()[None]
            one, two = ({k: e[row : row + 1] for k, e in records[v].items()} for v in (i, j))
            output, target = augself.heads[encoder.name](both), encoder.difference(one, two)
            visible = encoder.visible(one, two)
            if encoder.kind == "regression":
                losses = (torch.tanh(output) - target).square()
                seen = torch.ones_like(losses) if visible is None else visible
                elements += losses[seen > 0.5].tolist()
            elif encoder.kind == "binary":
                same = torch.sigmoid(output) if target > 0.5 else torch.sigmoid(-output)
                elements.append(-float(same.log()))
            else:
                elements.append(-float(output.softmax(-1)[0, int(target)].log()))
    return sum(elements) / len(elements)


@pytest.mark.parametrize("preset", ["default", "paper"])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize(
    ("views", "pairs"), [(2, "all"), (3, "all"), (4, "first"), (3, [(0, 2), (2, 1)])]
)
@torch.no_grad()
def test_equals_a_loop_over_pairs_and_samples(
    records: list[Record], views: int, pairs: Any, symmetric: bool, preset: Any
) -> None:
    augself = build(symmetric=symmetric, pairs=pairs, preset=preset).double().eval()
    seen = [view.double() for view in features(views)]
    doubles = [{k: e.double() for k, e in record.items()} for record in records[:views]]
    out = augself(seen, doubles)
    order = ordered_pairs(views, pairs, symmetric=symmetric)
    assert list(out.terms) == list(augself.types)
    for name, encoder in augself.encoders.items():
        expected = naive(augself, seen, doubles, order, encoder)
        assert float(out.terms[name]) == pytest.approx(expected, rel=1e-9)
    total = sum(weight * float(out.terms[name]) for name, weight in WEIGHTS.items())
    assert float(out.total) == pytest.approx(total)


def test_both_call_forms_agree(records: list[Record]) -> None:
    one, two = features()
    augself = build()
    flat = augself(one, two, *records[:2])
    listed = build()((one, two), tuple(records[:2]))
    assert flat.total.equal(listed.total)
    assert flat.total.shape == ()


@pytest.mark.parametrize("symmetric", [True, False])
def test_with_all_weights_0_one_image_is_a_batch(records: list[Record], symmetric: bool) -> None:
    """As in the plain run, which has no batch norms of ours."""
    one = [{name: entry[:1] for name, entry in record.items()} for record in records[:2]]
    views = [view[:1].detach().requires_grad_() for view in features()]
    augself = build(dict.fromkeys(WEIGHTS, 0.0), symmetric=symmetric)
    before = {name: value.clone() for name, value in augself.state_dict().items()}
    out = augself(views, one)
    out.total.backward()
    assert float(out.total.detach()) == 0
    assert list(out.terms) == list(augself.types)
    assert all(p.grad is not None and not p.grad.any() for p in [*augself.parameters(), *views])
    assert all(value.equal(before[name]) for name, value in augself.state_dict().items())
    augself.set_weights({next(iter(WEIGHTS)): 1.0})
    with pytest.raises(FeatureError, match="at least 2 samples in train mode"):
        augself(views, one)


def test_pairs_may_be_chosen_per_call(records: list[Record]) -> None:
    views = features(3)
    out = build().eval()(views, records[:3], pairs="first")
    assert out.total.equal(build(pairs="first").eval()(views, records[:3]).total)
    assert not out.total.equal(build().eval()(views, records[:3]).total)


def test_an_entry_that_one_pipeline_lacks_was_not_applied_there(records: list[Record]) -> None:
    one, two = ({k: e for k, e in r.items() if k != "vertical_flip"} for r in records[:2])
    flips = {"vertical_flip": records[0]["vertical_flip"]}
    still = {"vertical_flip": torch.zeros(BATCH, 1)}
    views = features()
    lacking = build().eval()(views, [one | flips, two]).terms["crop"]
    full = build().eval()(views, [one | flips, two | still]).terms["crop"]
    assert lacking.equal(full)
    assert not lacking.equal(build().eval()(views, [one, two]).terms["crop"])


def test_the_order_in_which_weights_are_written_does_not_matter(records: list[Record]) -> None:
    backwards = dict(reversed(WEIGHTS.items()))
    assert build(backwards).types == build().types
    views = features()
    assert build(backwards)(views, records[:2]).total.equal(build()(views, records[:2]).total)


@pytest.mark.parametrize(
    ("shape", "pool"), [((3, 5), "mean"), ((1, 1), "mean"), ((7,), "mean"), ((7,), "cls")]
)
def test_maps_and_tokens_are_pooled(
    records: list[Record], shape: tuple[int, ...], pool: Any
) -> None:
    views = features(2, *shape)
    if len(shape) == 1:  # tokens come as (B, N, D)
        views = [view.transpose(1, 2) for view in views]
        vectors = [view.mean(1) if pool == "mean" else view[:, 0] for view in views]
    else:
        vectors = [view.mean((2, 3)) for view in views]
    augself = build(pool=pool).eval()
    torch.testing.assert_close(augself(views, records[:2]), augself(vectors, records[:2]))


def test_maps_of_one_place_need_no_pooling(records: list[Record]) -> None:
    maps, augself = features(2, 1, 1), build().eval()
    vectors = [view.flatten(1) for view in maps]
    assert augself(maps, records[:2]).total.equal(augself(vectors, records[:2]).total)
    assert all(pooled(view, None).equal(view.flatten(1)) for view in maps)
    for shape in ((1, 2), (2, 1), (1,)):
        with pytest.raises(FeatureError):
            augself(features(2, *shape), records[:2])


@pytest.mark.parametrize("symmetric", [True, False])
def test_detached_views_get_no_gradient(records: list[Record], symmetric: bool) -> None:
    one, two = features()
    build(detach_second=True, symmetric=symmetric)([one, two], records[:2]).total.backward()
    assert one.grad is not None
    assert one.grad.ne(0).any()
    assert two.grad is None


def test_detaching_changes_no_value(records: list[Record]) -> None:
    views = features()
    plain, detached = (build(detach_second=d)(views, records[:2]) for d in (False, True))
    assert plain.total.equal(detached.total)


@pytest.mark.parametrize("types", [["flip"], ["blur", "crop"], ("crop", "crop")])
def test_some_types_only(records: list[Record], types: list[str]) -> None:
    views = features()
    augself = build().eval()
    out, everything = augself(views, records[:2], types=types), augself(views, records[:2])
    assert set(out.terms) == set(types)
    expected = sum(WEIGHTS[name] * everything.terms[name] for name in out.terms)
    torch.testing.assert_close(out.total, expected)


def test_weights_follow_a_schedule(records: list[Record]) -> None:
    augself, views = build(), features()
    assert augself.weights == WEIGHTS
    augself.set_weights({"crop": 0.0, "blur": 3})
    assert augself.weights == {**WEIGHTS, "crop": 0.0, "blur": 3.0}
    out = augself(views, records[:2])
    total = sum(weight * float(out.terms[n].detach()) for n, weight in augself.weights.items())
    assert float(out.total.detach()) == pytest.approx(total)


def test_zero_weights_give_zero_gradients(records: list[Record]) -> None:
    augself, views = build(dict.fromkeys(WEIGHTS, 0.0)), features()
    out = augself(views, records[:2])
    out.total.backward()
    assert out.total == 0
    assert all(term > 0 for term in out.terms.values())
    for tensor in (*views, *augself.parameters()):
        assert tensor.grad is not None
        assert tensor.grad.eq(0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_features_of_other_precisions(records: list[Record], dtype: torch.dtype) -> None:
    views = [view.detach().to(dtype).requires_grad_() for view in features()]
    out = build()(views, records[:2])
    out.total.backward()
    assert out.total.dtype == torch.float32
    torch.testing.assert_close(out.total, build()(features(), records[:2]).total, atol=0.1, rtol=0)
    assert all(v.grad is not None and v.grad.dtype == dtype for v in views)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_autocast_gives_a_float32_loss(records: list[Record], dtype: torch.dtype) -> None:
    views = [view.detach().to(dtype).requires_grad_() for view in features()]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = build()(views, records[:2])
    out.total.backward()
    assert {out.total.dtype, *(term.dtype for term in out.terms.values())} == {torch.float32}
    torch.testing.assert_close(out.total, build()(features(), records[:2]).total, atol=0.1, rtol=0)


def test_heads_of_half_precision_give_a_float32_loss(records: list[Record]) -> None:
    out = build().bfloat16()(features(), records[:2])
    assert out.total.dtype == torch.float32
    assert out.total.isfinite()


def test_the_same_seed_gives_the_same_run(records: list[Record]) -> None:
    def run() -> list[Tensor]:
        augself = build()
        optimizer = torch.optim.SGD(augself.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            augself(features(), records[:2]).total.backward()
            optimizer.step()
        return list(augself.state_dict().values())

    assert all(one.equal(two) for one, two in zip(run(), run(), strict=True))


@torch.no_grad()
def test_training_learns_what_the_features_hold(records: list[Record]) -> None:
    views = [torch.cat([r["crop"], r["flip"], torch.zeros(BATCH, 3)], dim=-1) for r in records[:2]]
    augself = build({"crop": 1.0, "flip": 1.0})
    optimizer = torch.optim.Adam(augself.parameters(), lr=0.01)
    first = augself(views, records[:2]).total
    with torch.enable_grad():
        for _ in range(60):
            optimizer.zero_grad()
            augself(views, records[:2]).total.backward()
            optimizer.step()
    assert augself(views, records[:2]).total < 0.2 * first


def test_own_encoders_are_used_and_united(records: list[Record]) -> None:
    (one, two), weights = features(), {"blur": 1.0}
    own = BlurEncoder(sigma=(0.05, 4.0))
    augself = build(weights, encoders=[own])
    assert augself.encoders["blur"].ranges == ((0.05, 4.0),)
    assert own.preset is None
    united = build(weights, encoders=[own, BlurEncoder(sigma=(0.1, 5.0))])
    assert united.encoders["blur"].ranges == ((0.05, 5.0),)
    assert augself(one, two, *records[:2]).total.isfinite()


def test_defaults_are_crop_and_color() -> None:
    augself = AugSelfLoss(DIM)
    assert augself.weights == {"crop": 1.0, "color": 1.0}
    assert "types=('crop', 'color'), symmetric=True, pairs='all'" in repr(augself)
