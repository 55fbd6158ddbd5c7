"""A host's transform of several pipelines: one recorder each, and options that reach them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch
from torchvision.transforms import v2

from augself_loss import FlipEncoder, PipelineError
from augself_loss.recording.pipelines import PipelinesRecorder, per_pipeline
from augself_loss.recording.torchvision import TorchvisionRecorder

FLIP, INVERT = v2.RandomHorizontalFlip(p=1.0), v2.RandomInvert(p=1.0)
IMAGE = torch.arange(48, dtype=torch.uint8).view(3, 4, 4)


class Recorder(PipelinesRecorder):
    view_recorder = TorchvisionRecorder

    def pipelines(self, transform: Sequence[Any]) -> Sequence[Any]:
        return transform


def test_a_pipeline_of_several_views_is_read_once() -> None:
    made: list[object] = []
    recorders = per_pipeline([FLIP, INVERT, FLIP], lambda p: made.append(p) or object())  # type: ignore[func-returns-value]
    assert made == [FLIP, INVERT]
    assert recorders[0] is recorders[2]
    assert recorders[0] is not recorders[1]
    recorder = Recorder([FLIP, INVERT, FLIP])
    assert recorder.recorders[0] is recorder.recorders[2]
    *views, _ = recorder(IMAGE)
    assert [view.equal(IMAGE.flip(-1)) for view in views] == [True, False, True]


def mirror(image: Any) -> Any:
    return image.flip(-1)


def test_options_reach_every_view_even_from_generators() -> None:
    read = FlipEncoder(), lambda mirror, image: (mirror(image), (1.0,))
    recorder = Recorder(
        [FLIP, v2.Compose([INVERT, v2.Lambda(mirror)])],
        types=(name for name in ["grayscale"]),
        ignore=(kind for kind in [v2.Lambda]),
        register={mirror: read},
    )
    assert list(recorder.layout) == ["flip", "grayscale", "invert"]
    registered = Recorder([FLIP, mirror], register={mirror: read})
    assert registered.view(1, IMAGE)[1]["flip"].tolist() == [1.0]


def test_one_view_and_unknown_transforms_are_refused() -> None:
    with pytest.raises(PipelineError, match="at least two views"):
        Recorder([FLIP])
    with pytest.raises(PipelineError, match="mirror"):
        Recorder([FLIP, mirror])
