"""One table of everything a user may set up wrongly: the error, and what it says."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from augself_loss import (
    AugSelfError,
    AugSelfLoss,
    BlurEncoder,
    ColorEncoder,
    Encoder,
    EncoderError,
    FeatureError,
    LossError,
    RecordError,
    RegressionEncoder,
    with_augself,
)

BATCH, DIM = 4, 8
NAN, INF = float("nan"), float("inf")
WEIGHTS = {"blur": 1.0}


class Pipeline:
    """What a recorder says of itself."""

    def __init__(self, *encoders: Encoder) -> None:
        self.encoders = encoders
        self.layout = {name: field for e in encoders for name, field in e.fields.items()}


def rows(**kwargs: Any) -> Tensor:
    return torch.ones(BATCH, DIM, **kwargs)


def record() -> dict[str, Tensor]:
    return {"blur": torch.ones(BATCH, 1)}


SETUP: dict[str, tuple[dict[str, Any], type[AugSelfError], str]] = {
    "feature_dim 0": ({"feature_dim": 0}, LossError, r"feature_dim expected .*>= 1, found 0"),
    "feature_dim float": ({"feature_dim": 8.0}, LossError, r"feature_dim expected .*found 8.0"),
    "hidden_dim bool": ({"hidden_dim": True}, LossError, r"hidden_dim expected .*found True"),
    "no type": ({"weights": {}}, LossError, r"at least one type, e.g. .*found none"),
    "weights list": ({"weights": ["crop"]}, LossError, r"a dict from type name .*found list"),
    "unknown type": ({"weights": {"zoom": 1}}, LossError, r"'crop'.*found 'zoom'.*encoders="),
    "replayed entry": (
        {"weights": {"color": 1, "color_order": 1}},
        LossError,
        r"found 'color_order'\. This entry replays 'color' and is not predicted: leave it out",
    ),
    "negative weight": (
        {"weights": {"crop": -1}},
        LossError,
        r"'crop' .*>= 0, found -1.*zero, pass 0",
    ),
    "NaN weight": ({"weights": {"crop": NAN}}, LossError, r"finite number >= 0, found nan"),
    "infinite weight": ({"weights": {"crop": INF}}, LossError, r"finite .*found inf"),
    "huge weight": ({"weights": {"crop": 1e300}}, LossError, r"finite .*found 1e\+300"),
    "bool weight": ({"weights": {"crop": True}}, LossError, r"finite number .*found True"),
    "text weight": ({"weights": {"crop": "1"}}, LossError, r"finite number .*found '1'"),
    "no weight": ({"weights": {"crop": None}}, LossError, r"finite number .*found None"),
    "preset": ({"preset": "papr"}, LossError, r"preset expected one of .*'paper'.*found 'papr'"),
    "pool": ({"pool": "max"}, LossError, r"pool expected one of .*'mean_channels_last'.*'max'"),
    "check_values": ({"check_values": True}, LossError, r"'first', 'always', 'never'.*found True"),
    "pairs": ({"pairs": "last"}, LossError, r"'all', 'first' or a list .*found 'last'"),
    "encoder class": ({"encoders": [BlurEncoder]}, EncoderError, r"list of encoders.*instances"),
    "encoder alone": ({"encoders": BlurEncoder()}, EncoderError, r"a list .*found BlurEncoder"),
    "encoder text": ({"encoders": "blur"}, EncoderError, r"list of encoders, found 'b' in it"),
}


@pytest.mark.parametrize(("options", "error", "message"), SETUP.values(), ids=list(SETUP))
def test_refused(options: dict[str, Any], error: type[AugSelfError], message: str) -> None:
    with pytest.raises(error, match=message):
        AugSelfLoss(**{"feature_dim": DIM, "weights": WEIGHTS, **options})


def test_new_weights_are_checked() -> None:
    augself = AugSelfLoss(DIM, WEIGHTS, hidden_dim=4)
    for weights, message in (({"flip": 1.0}, "'flip'"), ({"blur": NAN}, "nan"), (None, "dict")):
        with pytest.raises(LossError, match=message):
            augself.set_weights(weights)  # type: ignore[arg-type]
    assert augself.weights == WEIGHTS


class Zoom(RegressionEncoder):
    name = "zoom"
    columns = ("factor",)
    identity = (1.0,)


REFUSED: dict[str, tuple[Callable[[], Any], type[AugSelfError], str]] = {
    "zero width": (lambda: ColorEncoder((1.0, 1.0)), EncoderError, r"brightness=None"),
    "zero width on paper": (
        lambda: AugSelfLoss(DIM, encoders=[ColorEncoder((1.5, 1.5))], preset="paper"),
        EncoderError, r"range of brightness that varies, found \(1.5, 1.5\)",
    ),
    "two kinds of one name": (
        lambda: AugSelfLoss(DIM, encoders=[type("Blur", (Zoom,), {"name": "blur"})((1.0, 2.0)),
                                           BlurEncoder()]),
        EncoderError, r"one class, found .*: rename one",
    ),
    "name with a dot": (
        lambda: AugSelfLoss(DIM, {"a.b": 1.0}, encoders=[type("Dot", (Zoom,), {"name": "a.b"})(
            (1.0, 2.0))]),
        LossError, r"no dot .*found 'a.b'",
    ),
    "heads of another type": (
        lambda: AugSelfLoss(DIM, WEIGHTS).load_released_heads({"rot": {}}), LossError,
        r"expected types from \('blur',\), found the released head 'rot'.*'rotation'",
    ),
    "heads of another width": (
        lambda: AugSelfLoss(DIM, WEIGHTS).load_released_heads(
            {"blur": AugSelfLoss(DIM + 1, WEIGHTS).heads["blur"].state_dict()}),
        LossError, r"'blur' expected the state dict .*feature_dim.*found: .*\n.*size mismatch",
    ),
    "heads that are none": (
        lambda: AugSelfLoss(DIM, WEIGHTS).load_released_heads({"blur": 3}),  # type: ignore[dict-item]
        LossError, r"'blur' expected the state dict .*0.weight.*found: 'int'",
    ),
    "recorder without the type": (
        lambda: AugSelfLoss(DIM, WEIGHTS).check_recorder(Pipeline()), RecordError,
        r"expected the entry 'blur'.*found \[\]",
    ),
    "recorder of wider ranges": (
        lambda: AugSelfLoss(DIM, WEIGHTS, encoders=[BlurEncoder((0.1, 1.0))]).check_recorder(
            Pipeline(BlurEncoder((0.1, 2.0)))),
        EncoderError, r"'blur' expected values in .*1.0.*2.0.*encoders=recorder.encoders",
    ),
    "predict one view": (
        lambda: AugSelfLoss(DIM, WEIGHTS).predict(rows(), None),  # type: ignore[arg-type]
        FeatureError, r"features2 expected a tensor \(B, D\), found NoneType",
    ),
    "predict elsewhere": (
        lambda: AugSelfLoss(DIM, WEIGHTS).predict(*[rows(device="meta")] * 2), FeatureError,
        r"features on cpu, where the heads are, found meta",
    ),
    "wrap no AugSelfLoss": (
        lambda: with_augself(nn.MSELoss(), nn.MSELoss()),  # type: ignore[arg-type]
        LossError, r"expected an AugSelfLoss, found MSELoss",
    ),
    "wrap no loss": (
        lambda: with_augself(3, AugSelfLoss(DIM, WEIGHTS)),  # type: ignore[arg-type]
        LossError, r"expected a callable loss, found int",
    ),
    "no patience": (
        lambda: with_augself(nn.MSELoss(), AugSelfLoss(DIM, WEIGHTS), patience=0), LossError,
        r"patience expected an integer >= 1, found 0",
    ),
    "wrapped loss gives a vector": (
        lambda: with_augself(lambda: torch.zeros(3), AugSelfLoss(DIM, WEIGHTS))(
            features=[rows()] * 2, records=[record()] * 2),
        LossError, r"returns a scalar tensor, found \(3,\). Wrap a function",
    ),
    "wrapped loss gives a number": (
        lambda: with_augself(lambda: 0.5, AugSelfLoss(DIM, WEIGHTS))(  # type: ignore[arg-type,return-value]
            features=[rows()] * 2, records=[record()] * 2),
        LossError, r"returns a scalar tensor, found float",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("act", "error", "message"), REFUSED.values(), ids=list(REFUSED))
def test_refused_elsewhere(act: Callable[[], Any], error: type[AugSelfError], message: str) -> None:
    with pytest.raises(error, match=message):
        act()
