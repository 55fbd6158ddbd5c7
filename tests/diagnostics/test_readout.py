"""What a probe reads is what the features hold; view 1's own frame is read by an MLP alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from augself_loss import ColorEncoder, CropEncoder, Encoder, FlipEncoder, RotationEncoder
from augself_loss.diagnostics import ALPHAS, Probe, read_parameters
from augself_loss.errors import FeatureError
from augself_loss.parameters import Record

PROBES: tuple[Probe, ...] = ("ridge", "mlp")


class Seen(NamedTuple):
    """Features of two views and their records."""

    features1: Tensor
    features2: Tensor
    record1: Record
    record2: Record


def made(count: int = 3000) -> Seen:
    """Each picture shows one thing, which has a left and a right; the picture itself has none.

    Features say where in the view the thing stands and which way round it looks.
    """
    random = torch.Generator().manual_seed(0)
    where = torch.rand(count, generator=random)
    looks = torch.randint(2, (count,), generator=random) * 2.0 - 1
    sides = []
    for _ in range(2):
        left = (torch.rand(count, generator=random) - 0.5) / 2
        flip = torch.randint(2, (count,), generator=random).float()
        way = 1 - 2 * flip
        box = torch.stack([0 * left, left, 0 * left + 1, 0 * left + 1], dim=1)
        stands = way * (where - left - 0.5)
        features = torch.stack([stands, way * looks, stands.sign()], dim=1)
        sides.append((features, {"crop": box, "flip": flip[:, None]}))
    (features1, record1), (features2, record2) = sides
    return Seen(features1, features2, record1, record2)


class Source(CropEncoder):
    """The difference in the source's frame."""

    def difference(self, record_a: Any, record_b: Any) -> Tensor:
        upright = {"flip": torch.zeros_like(record_a["flip"])}
        return super().difference({**record_a, **upright}, {**record_b, **upright})


def test_left_is_read_in_view_ones_frame_and_by_an_mlp_alone() -> None:
    def left(encoder: Encoder, probe: Probe) -> float:
        seen = made()
        return read_parameters(*seen, [encoder], probe=probe)["crop"].columns["left"]

    # Δ = w₁·w₂·stands₂ − stands₁: which way the views are flipped shows in how the thing looks.
    assert left(CropEncoder(0.0), "mlp") > 0.9
    assert left(CropEncoder(0.0), "ridge") < 0.7
    # The same for all pictures and their mirror images, whose Δ differ in sign.
    assert left(Source(0.0), "mlp") < 0.1
    assert left(Source(0.0), "ridge") < 0.1


def test_the_linear_probe_is_ridge_regression_on_products() -> None:
    seen = made(200)
    crop = CropEncoder(0.0)
    f1, f2 = seen.features1, seen.features2
    inputs = torch.cat([f1, f2, f1 * f2], dim=1).double().numpy()
    target = crop.difference(seen.record1, seen.record2).double().numpy()
    ridge = make_pipeline(StandardScaler(), RidgeCV(alphas=ALPHAS)).fit(inputs[:140], target[:140])
    expected = r2_score(target[140:], ridge.predict(inputs[140:]), multioutput="raw_values")
    read = read_parameters(*seen, [crop])["crop"]
    assert (read.metric, read.baseline) == ("R2", 0.0)
    assert list(read.columns) == ["top", "left", "height", "width"]
    assert list(read.columns.values()) == list(expected)
    assert read.value == expected.mean()


@pytest.mark.parametrize("probe", PROBES)
def test_classes_are_read(probe: Probe) -> None:
    seen = made(1000)
    read = read_parameters(*seen, [FlipEncoder()], probe=probe)["flip"]
    assert (read.metric, read.columns) == ("accuracy", {})
    assert read.value > 0.95  # the product of two signs
    assert 0.4 < read.baseline < 0.65


@pytest.mark.parametrize("probe", PROBES)
def test_quarter_turns_are_read(probe: Probe) -> None:
    turns = [torch.randint(4, (1500, 1)).float() for _ in range(2)]
    features = [torch.nn.functional.one_hot(t[:, 0].long(), 4).float() for t in turns]
    records = [{"rotation": each} for each in turns]
    read = read_parameters(*features, *records, [RotationEncoder()], probe=probe)["rotation"]
    assert read.value > (0.9 if probe == "mlp" else 0.2)


@pytest.mark.parametrize("probe", PROBES)
def test_what_features_do_not_hold_is_not_read(probe: Probe) -> None:
    seen = made(1000)
    nothing = torch.zeros(1000, 4)
    read = read_parameters(nothing, nothing, *seen[2:], [CropEncoder(0.0), FlipEncoder()],
                           probe=probe)  # fmt: skip
    assert abs(read["crop"].columns["left"]) < 0.02
    assert read["flip"].value == read["flip"].baseline


@pytest.mark.parametrize("probe", PROBES)
def test_where_nothing_varies_the_baseline_is_read(probe: Probe) -> None:
    seen = made(100)
    still = {"flip": torch.zeros(100, 1)}
    read = read_parameters(*seen[:2], still, still, [FlipEncoder()], probe=probe)["flip"]
    assert (read.value, read.baseline) == (1.0, 1.0)


def test_an_mlp_follows_from_its_seed_and_takes_nobodys_draws() -> None:
    seen, color = made(60), ColorEncoder()
    factors = {"color": torch.rand(60, 4)}, {"color": torch.rand(60, 4)}
    before = torch.get_rng_state()
    first, again, other = (
        read_parameters(*seen[:2], *factors, [color], probe="mlp", seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert first == again != other


@pytest.mark.parametrize(
    ("features1", "features2", "more", "says"),
    [
        (torch.rand(20, 3), torch.rand(20, 4), {}, r"\(20, 3\) and \(20, 4\)"),
        (torch.rand(19, 3), torch.rand(19, 3), {}, "N >= 20"),
        (torch.rand(20, 3, 1), torch.rand(20, 3, 1), {}, r"tensors \(N, D\)"),
        (torch.rand(20, 3), torch.rand(20, 3), {"probe": "linear"}, "found 'linear'"),
    ],
)
def test_what_cannot_be_read_is_refused(
    features1: Tensor, features2: Tensor, more: Any, says: str
) -> None:
    with pytest.raises(FeatureError, match=says):
        read_parameters(features1, features2, {}, {}, [], **more)
