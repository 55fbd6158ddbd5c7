"""Views that differ in one type alone, from a seed, without a trace in anybody's draws."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import pytest
import torch
from torch import Tensor, nn

from augself_loss.diagnostics import equivariance_by_replay, transformed
from augself_loss.errors import AugSelfError, EncoderError, FeatureError, PipelineError
from augself_loss.recording.kornia import KorniaRecorder


def pixels(views: Tensor) -> Tensor:
    return views.flatten(1)


def colour(views: Tensor) -> Tensor:
    return views.mean((2, 3))


@pytest.fixture
def images() -> Tensor:
    return torch.rand(12, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.fixture(params=["kornia", "fused"])
def recorder(request: pytest.FixtureRequest) -> KorniaRecorder:
    pipeline = K.AugmentationSequential(
        K.RandomResizedCrop((8, 8)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.3),
        K.RandomRotation90(times=(0, 3), p=0.5),
    )
    return KorniaRecorder(pipeline, apply=request.param)


def test_views_are_replays_with_one_part_of_another_record(
    images: Tensor, recorder: KorniaRecorder
) -> None:
    found = transformed(pixels, recorder, images.split(6), candidates=3, seed=5)
    assert list(found) == ["crop", "flip", "color", "grayscale", "rotation"]
    for number, batch in enumerate(images.split(6)):
        torch.manual_seed(5 * 1_000_003 + number)
        views, record = recorder(batch)
        others = [recorder(batch)[1] for _ in range(3)]
        rows = slice(6 * number, 6 * number + 6)
        for encoder in recorder.encoders:
            made = found[encoder.name]
            assert torch.equal(made.features[rows], pixels(views))
            for k, other in enumerate(others):
                part = {name: other[name] for name in encoder.fields}
                view = recorder.replay(batch, {**record, **part})
                assert torch.equal(made.views[rows, k], pixels(view))
                difference = encoder.difference(record, {**record, **part})
                if encoder.kind == "classes":
                    assert torch.equal(made.parameters[rows, k].argmax(dim=-1), difference)
                else:
                    assert torch.equal(made.parameters[rows, k], difference)


def test_equal_parameters_are_one_candidate(images: Tensor, recorder: KorniaRecorder) -> None:
    found = transformed(pixels, recorder, [images], candidates=12)
    assert int(found["flip"].distinct.sum(dim=1).max()) == 2
    assert int(found["rotation"].distinct.sum(dim=1).max()) <= 4
    assert found["color"].distinct.sum() < found["color"].distinct.numel()  # one in five is skipped
    for made in found.values():
        assert bool(made.distinct[:, 0].all())
        for row, column in (~made.distinct).nonzero().tolist():
            same = (made.parameters[row, :column] == made.parameters[row, column]).all(dim=-1)
            assert bool(same.any())
            place = int(same.nonzero()[0])
            assert torch.allclose(made.views[row, place], made.views[row, column], atol=1e-5)


def test_nobodys_draws_change_what_is_measured(images: Tensor, recorder: KorniaRecorder) -> None:
    def draws(views: Tensor) -> Tensor:
        torch.rand(len(views))
        return pixels(views)

    batches = images.split(4)
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = transformed(pixels, recorder, batches, candidates=2)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    again = transformed(draws, recorder, (batch for batch in batches), candidates=2)
    other = transformed(pixels, recorder, batches, candidates=2, seed=1)
    for name, made in first.items():
        assert all(torch.equal(a, b) for a, b in zip(made, again[name], strict=True))
        assert not torch.equal(made.views, other[name].views)
    assert not torch.equal(first["crop"].parameters[:4], first["crop"].parameters[4:8])


def test_what_features_show_is_found_and_what_they_do_not_is_not() -> None:
    pictures = torch.linspace(0.2, 0.6, 160)[:, None, None, None].expand(160, 3, 8, 8)
    side = torch.rand(160, generator=torch.Generator().manual_seed(0))[:, None, None, None] / 10
    pictures = pictures + side * torch.linspace(-1, 1, 8)
    recorder = KorniaRecorder(
        K.AugmentationSequential(K.RandomHorizontalFlip(), K.ColorJitter(brightness=0.3, p=1.0))
    )

    def measured(embed: Callable[[Tensor], Tensor]) -> dict[str, tuple[float, float]]:
        mixed = pictures[torch.randperm(160, generator=torch.Generator().manual_seed(1))]
        found = equivariance_by_replay(
            embed, recorder, mixed[:120].split(60), mixed[120:].split(40), candidates=10
        )
        return {name: (each.found.mrr, each.chance.mrr) for name, each in found.items()}

    def level(views: Tensor) -> Tensor:  # an angle for each brightness
        angle = views.mean((1, 2, 3))
        return torch.stack([angle.cos(), angle.sin()], dim=1)

    def halves(views: Tensor) -> Tensor:
        return torch.stack([views[..., :4].mean((1, 2, 3)), views[..., 4:].mean((1, 2, 3))], dim=1)

    found = measured(level)
    assert found["color"][0] > 2 * found["color"][1]
    assert found["flip"][0] == pytest.approx(found["flip"][1], abs=1e-3)
    assert measured(halves)["flip"][0] > 0.95
    found = measured(lambda views: torch.ones(len(views), 2))
    assert all(mrr == pytest.approx(chance) for mrr, chance in found.values())


TRAINS = nn.Sequential(nn.Flatten(), nn.Dropout())
AFFINE = KorniaRecorder(K.RandomAffine(10.0, p=1.0))
PART = KorniaRecorder(K.RandomHorizontalFlip())
BATCH = torch.rand(4, 3, 8, 8)


@pytest.mark.parametrize(
    ("embed", "given", "batches", "more", "error", "says"),
    [
        (TRAINS, PART, [BATCH], {}, FeatureError, "Call .eval"),
        (pixels, PART, BATCH, {}, FeatureError, r"found \(3, 8, 8\).*images.split"),
        (pixels, PART, [[BATCH]], {}, FeatureError, "found list"),
        (pixels, PART, [], {}, FeatureError, "batches of images, found none"),
        (pixels, PART, [BATCH], {"types": ["crop"]}, EncoderError, r"\['flip'\], found \['crop'\]"),
        (pixels, PART, [BATCH], {"types": []}, EncoderError, "found none"),
        (pixels, PART, [BATCH], {"candidates": 0}, FeatureError, "an integer >= 1, found 0"),
        (lambda x: x, PART, [BATCH], {}, FeatureError, r"found \(4, 3, 8, 8\). Pool"),
        (lambda _: BATCH[:1, 0, 0], PART, [BATCH], {}, FeatureError, r"\(4, D\) for 4 views"),
        (lambda _: None, PART, [BATCH], {}, FeatureError, "found NoneType"),
        (pixels, AFFINE, [BATCH], {}, PipelineError, "RandomAffine"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    embed: Any,
    given: KorniaRecorder,
    batches: Sequence[Tensor],
    more: dict[str, Any],
    error: type[AugSelfError],
    says: str,
) -> None:
    before = torch.get_rng_state()
    with pytest.raises(error, match=says):
        transformed(embed, given, batches, **more)
    assert torch.equal(torch.get_rng_state(), before)
