"""What every encoder promises, built-in or a user's own."""

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import BlurEncoder, ColorEncoder, Encoder, Record, RecordError, RegressionEncoder
from augself_loss.encoders import BUILT_IN

Make = Callable[..., Record]
BATCH = 7


class Zoom(RegressionEncoder):
    """A user's own augmentation: two columns, of which one does not vary."""

    name = "zoom"
    columns = ("factor", "angle")
    identity = (1.0, 0.0)


ENCODERS: dict[str, Encoder] = {
    **{kind.name: kind() for kind in BUILT_IN},
    "own": Zoom((1.5, 2.0), None),
    "hue_only": ColorEncoder(None, None, None, 0.5),
}


@pytest.fixture(params=ENCODERS.values(), ids=list(ENCODERS))
def plain(request: pytest.FixtureRequest) -> Encoder:
    encoder: Encoder = request.param
    return encoder


@pytest.fixture(params=["default", "paper"])
def encoder(plain: Encoder, request: pytest.FixtureRequest) -> Encoder:
    return plain.under(request.param)


@pytest.fixture
def records(encoder: Encoder, make_record: Make) -> tuple[Record, Record]:
    return make_record(encoder, BATCH, seed=1), make_record(encoder, BATCH, seed=2)


def predicted(encoder: Encoder) -> Tensor:
    return torch.randn(BATCH, encoder.width, generator=torch.Generator().manual_seed(3))


def cast(record: Record, to: Any) -> Record:
    return {name: entry.to(to) for name, entry in record.items()}


def naive_loss(
    encoder: Encoder, prediction: Tensor, target: Tensor, visible: Tensor | None
) -> float:
    """Average one sample and one column after the other, in float64."""
    losses: list[float] = []
    for row in range(BATCH):
        outputs = prediction[row].double().tolist()
        if encoder.kind == "classes":
            total = sum(math.exp(output) for output in outputs)
            losses.append(-math.log(math.exp(outputs[int(target[row])]) / total))
            continue
        for column, output in enumerate(outputs):
            if visible is not None and not visible[row, column]:
                continue
            wanted = float(target[row, column])
            if encoder.kind == "binary":
                same = 1 / (1 + math.exp(-output))
                losses.append(-wanted * math.log(same) - (1 - wanted) * math.log(1 - same))
            else:
                losses.append((math.tanh(output) - wanted) ** 2)
    return sum(losses) / len(losses) if losses else 0.0


def test_every_type_has_a_file_and_a_name_of_its_own() -> None:
    assert len({kind.name for kind in BUILT_IN}) == len(BUILT_IN)
    assert all(kind.__module__ == f"augself_loss.encoders.{kind.name}" for kind in BUILT_IN)


def test_columns_identity_and_ranges_agree(plain: Encoder) -> None:
    assert len(plain.columns) == len(plain.identity) == len(plain.ranges)
    assert plain.kind in ("regression", "binary", "classes")
    assert next(iter(plain.fields)) == plain.name
    assert plain.fields[plain.name] == (plain.columns, plain.identity, plain.ranges)
    assert all(f.width == len(f.identity) for f in plain.fields.values())


def test_an_untouched_view_is_the_same_as_another(encoder: Encoder) -> None:
    untouched = {encoder.name: torch.tensor([encoder.identity] * BATCH)}
    untouched |= {name: torch.zeros(BATCH, 1) for name in encoder.frame}
    same = 1.0 if encoder.kind == "binary" else 0.0
    assert encoder.difference(untouched, untouched).eq(same).all()
    if encoder.name != "crop":
        assert encoder.absolute(untouched).eq(0).all()


def test_targets_have_a_row_per_sample(encoder: Encoder, records: tuple[Record, Record]) -> None:
    for target in (encoder.difference(*records), encoder.absolute(records[0])):
        if encoder.kind == "classes":
            assert target.shape == (BATCH,)
            assert target.dtype == torch.int64
        else:
            assert target.shape == (BATCH, encoder.width)
            assert target.dtype == torch.float32


def test_samples_do_not_mix(encoder: Encoder, records: tuple[Record, Record]) -> None:
    order = torch.randperm(BATCH, generator=torch.Generator().manual_seed(4))
    shuffled = [{name: entry[order] for name, entry in r.items()} for r in records]
    assert encoder.difference(*shuffled).equal(encoder.difference(*records)[order])
    assert encoder.absolute(shuffled[0]).equal(encoder.absolute(records[0])[order])


def test_swapping_the_views_turns_the_target(
    encoder: Encoder, records: tuple[Record, Record]
) -> None:
    if encoder.name == "crop":  # measured in the first view's frame, so only with equal flips
        for name in ("flip", "vertical_flip"):
            records[1][name] = records[0][name]
    forth, back = encoder.difference(*records), encoder.difference(*reversed(records))
    if encoder.kind == "regression":
        torch.testing.assert_close(forth, -back)
    elif encoder.kind == "binary":
        assert forth.equal(back)
    else:
        assert ((forth + back) % encoder.width).eq(0).all()


@pytest.mark.parametrize("seed", range(5))
def test_default_targets_can_be_reached(plain: Encoder, make_record: Make, seed: int) -> None:
    encoder = plain.under("default")
    one, two = make_record(encoder, 200, seed), make_record(encoder, 200, seed + 100)
    target = encoder.difference(one, two)
    low = -1.0 if encoder.kind == "regression" else 0.0
    high = encoder.width - 1 if encoder.kind == "classes" else 1.0
    assert target.min() >= low - 1e-5
    assert target.max() <= high + 1e-5
    assert target.unique().numel() > 1


@pytest.mark.parametrize("masked", [False, True])
def test_loss_is_that_of_a_loop(
    encoder: Encoder, records: tuple[Record, Record], masked: bool
) -> None:
    target, prediction = encoder.difference(*records), predicted(encoder)
    visible = encoder.visible(*records) if masked else None
    assert visible is None or visible.shape == (BATCH, encoder.width)
    loss = encoder.loss(prediction, target, visible)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(naive_loss(encoder, prediction, target, visible), rel=1e-5)


def test_what_cannot_be_seen_does_not_count(
    encoder: Encoder, records: tuple[Record, Record]
) -> None:
    if encoder.kind == "classes":
        return  # every rotation can be seen
    visible = (torch.arange(BATCH * encoder.width) % 3 > 0).view(BATCH, encoder.width)
    target, prediction = encoder.difference(*records), predicted(encoder).requires_grad_()
    loss = encoder.loss(prediction, target, visible.float())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(
        naive_loss(encoder, prediction, target, visible), rel=1e-5
    )
    assert prediction.grad is not None
    assert prediction.grad[~visible].eq(0).all()
    assert prediction.grad[visible].ne(0).any()
    assert encoder.loss(prediction, target, torch.zeros_like(target)) == 0


def test_readout_is_in_the_targets_units(encoder: Encoder) -> None:
    readout = encoder.readout(10 * predicted(encoder))
    assert readout.shape == (BATCH, encoder.width)
    assert readout.min() >= (-1 if encoder.kind == "regression" else 0)
    assert readout.max() <= 1
    if encoder.kind == "classes":
        torch.testing.assert_close(readout.sum(-1), torch.ones(BATCH))


def test_a_preset_makes_another_encoder(plain: Encoder) -> None:
    before = copy.deepcopy(vars(plain))
    paper = plain.under("paper")
    assert vars(plain) == before
    assert plain.preset is None
    assert paper.preset == "paper"
    assert paper.under("default") is paper
    assert type(paper) is type(plain)


def test_union_with_itself_is_itself(encoder: Encoder) -> None:
    assert vars(encoder.union(encoder)) == vars(encoder)
    assert encoder.union(encoder) is not encoder


def test_repr_tells_columns_and_ranges(encoder: Encoder) -> None:
    text = repr(encoder)
    assert text.startswith(type(encoder).__name__)
    assert all(column in text for column in encoder.columns)
    assert repr(encoder.preset) in text


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_check_accepts_its_own_pipelines_values(
    encoder: Encoder, records: tuple[Record, Record], dtype: torch.dtype
) -> None:
    encoder.check(cast(records[0], dtype))
    encoder.check({encoder.name: torch.tensor([encoder.identity], dtype=dtype)})
    edges = [[i if r is None else r[end] for i, r in zip(encoder.identity, encoder.ranges,
              strict=True)] for end in (0, 1)]  # fmt: skip
    encoder.check({encoder.name: torch.tensor(edges, dtype=dtype)})


def test_check_refuses_another_pipelines_values(encoder: Encoder) -> None:
    for index, (column, limits) in enumerate(zip(encoder.columns, encoder.ranges, strict=True)):
        value = encoder.identity[index] + 0.5 if limits is None else limits[1] + 0.5
        entry = torch.tensor([encoder.identity] * 3)
        entry[1, index] = value
        expected = rf"'{encoder.name}' expected {column} in .*the encoder's range, found .*recorder"
        with pytest.raises(RecordError, match=expected):
            encoder.check({encoder.name: entry})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_check_refuses_what_is_not_finite(encoder: Encoder, value: float) -> None:
    entry = torch.tensor([encoder.identity] * 3)
    entry[2, -1] = value
    with pytest.raises(
        RecordError, match=f"'{encoder.name}' expected finite .*found NaN.*pipeline"
    ):
        encoder.check({encoder.name: entry})


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
def test_copies_give_the_same_target(
    encoder: Encoder, records: tuple[Record, Record], copied: Callable[[Encoder], Encoder]
) -> None:
    twin = copied(encoder)
    assert vars(twin) == vars(encoder)
    assert twin.difference(*records).equal(encoder.difference(*records))


def test_nothing_waits_for_the_device(encoder: Encoder, records: tuple[Record, Record]) -> None:
    one, two = (cast(record, "meta") for record in records)  # holds no values to look at
    target = encoder.difference(one, two)
    loss = encoder.loss(predicted(encoder).to("meta"), target, encoder.visible(one, two))
    assert loss.is_meta
    assert encoder.absolute(one).is_meta
    assert encoder.readout(predicted(encoder).to("meta")).is_meta


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.bfloat16, 0.05)])
def test_other_precisions(
    encoder: Encoder, records: tuple[Record, Record], dtype: torch.dtype, tolerance: float
) -> None:
    one, two = (cast(record, dtype) for record in records)
    target = encoder.difference(one, two)
    reference = encoder.difference(*records)
    assert target.dtype == (torch.int64 if encoder.kind == "classes" else dtype)
    if not isinstance(encoder, BlurEncoder) or dtype == torch.float64:  # σ up to 2, span 1
        torch.testing.assert_close(target.double(), reference.double(), atol=tolerance, rtol=0)
    loss = encoder.loss(predicted(encoder).to(dtype), target, encoder.visible(one, two))
    assert loss.dtype == dtype
    assert loss.isfinite()
