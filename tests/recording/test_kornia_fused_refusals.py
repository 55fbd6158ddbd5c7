"""What a fused recorder refuses, and how it notices that it disagrees with Kornia."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from typing_extensions import override

from augself_loss import ImageError, PipelineError
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.fused import choose
from augself_loss.recording.kornia.fused.colour import Grey
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

pytestmark = pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 is not fused")


def test_another_way_of_applying() -> None:
    with pytest.raises(PipelineError, match="apply expected 'kornia' or 'fused', found 'fast'"):
        KorniaRecorder(K.RandomGrayscale(), apply="fast")  # type: ignore[arg-type]


def test_compiling_kornias_own() -> None:
    with pytest.raises(
        PipelineError, match=r"compile=True expected apply='fused'.*module\.compile"
    ):
        KorniaRecorder(K.RandomGrayscale(), compile=True)


@pytest.mark.parametrize(
    ("images", "found"),
    [
        (torch.rand(2, 3, 8, 8) * 255, "values from"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.rand(3, 8, 8), r"\(3, 8, 8\)"),
        (torch.rand(2, 1, 8, 8), "found 1"),
    ],
)
def test_images_are_looked_at_as_ever(images: Tensor, found: str) -> None:
    recorder = KorniaRecorder(K.ColorJitter(0.4, 0.4, 0.4, 0.1), apply="fused")
    with pytest.raises(ImageError, match=found):
        recorder(images)


class Redder(Grey):
    """Weighs channels otherwise than Kornia does."""

    @override
    def in_place(
        self, images: Tensor, columns: Mapping[str, Tensor], known: tuple[Any, ...]
    ) -> Tensor:
        return images[:, :1].expand(-1, 3, -1, -1)


def test_a_form_that_disagrees_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(choose.FORMS, K.RandomGrayscale, Redder())
    pipeline = nn.Sequential(K.RandomHorizontalFlip(), K.RandomGrayscale(p=0.01))
    recorder = KorniaRecorder(pipeline, apply="fused")
    with pytest.raises(
        PipelineError,
        match="fused form of 'RandomGrayscale' to agree with Kornia within 1e-05 on "
        r"the first batch, found \d+ of 384 values further off, by up to 0.\d+. Use KorniaRec",
    ):
        recorder(torch.rand(2, 3, 8, 8))


def test_a_form_that_changes_the_shape_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    class Narrow(Redder):
        @override
        def apply(self, images: Tensor, prepared: Any) -> Tensor:
            return images[..., :4]

    monkeypatch.setitem(choose.FORMS, K.RandomGrayscale, Narrow())
    recorder = KorniaRecorder(K.RandomGrayscale(), apply="fused")
    with pytest.raises(
        PipelineError, match=r"'RandomGrayscale'.*found views of shape \(2, 3, 8, 4\) instead"
    ):
        recorder(torch.rand(2, 3, 8, 8))


def test_nan_is_no_agreement() -> None:
    recorder = KorniaRecorder(K.RandomGrayscale(p=1.0), apply="fused", check_images=False)
    images = torch.rand(2, 3, 8, 8)
    images[0, 0, 0, 0] = float("nan")
    with pytest.raises(PipelineError, match=r"1 of|3 of"):
        recorder(images)


def test_kornia_tells_of_images_that_a_kernel_does_not_fit() -> None:
    recorder = KorniaRecorder(K.RandomGaussianBlur(9, (0.1, 2.0)), apply="fused")
    with pytest.raises(Exception, match="RandomGaussianBlur"):
        recorder(torch.rand(2, 3, 4, 4))


def test_only_the_first_batch_is_compared() -> None:
    calls: list[int] = []

    grey = K.RandomGrayscale(p=0.5)
    own = grey.apply_transform
    recorder = KorniaRecorder(grey, apply="fused")
    object.__setattr__(
        grey, "apply_transform", lambda *args, **more: (calls.append(1), own(*args, **more))[1]
    )
    for _ in range(3):
        recorder(torch.rand(2, 3, 8, 8))
    assert len(calls) == 1
