"""Records applied again through their albumentations pipeline, to this image and to others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate

pytest.importorskip("albumentations")
import albumentations as A  # noqa: N812
from albumentations_pipelines import IMAGE, same, states, usual

from augself_loss.encoders import BlurEncoder
from augself_loss.errors import ImageError, PipelineError, RecordError
from augself_loss.recording.albumentations import AlbumentationsRecorder

OTHER = np.random.default_rng(9).integers(0, 255, IMAGE.shape, dtype=np.uint8)
GEOMETRY: dict[str, Callable[[], list[Any]]] = {
    "usual": lambda: [A.RandomResizedCrop((24, 24)), A.HorizontalFlip(), A.VerticalFlip()],
    "flipped first": lambda: [A.HorizontalFlip(), A.RandomCrop(30, 24), A.VerticalFlip()],
    "padded": lambda: [A.RandomCrop(60, 70, pad_if_needed=True, pad_position="random")],
    "turned": lambda: [A.CenterCrop(32, 32), A.RandomRotate90(), A.HorizontalFlip()],
    "erased": lambda: [A.Erasing(fill=9, p=0.9), A.HorizontalFlip()],
    "padding": lambda: [A.PadIfNeeded(70, 80, position="random"), A.HorizontalFlip()],
    "a choice": lambda: [A.OneOf([A.HorizontalFlip(), A.InvertImg()]), A.Sequential([A.ToGray()])],
    "a single one": lambda: [A.VerticalFlip()],
}


@pytest.mark.parametrize("name", GEOMETRY)
def test_the_same_boxes_flips_and_turns(name: str) -> None:
    """Of another image, its mask, its boxes: as if the pipeline had drawn the same for it."""
    boxes: Any = {
        "bbox_params": A.BboxParams("pascal_voc", label_fields=["labels"], min_area=1)
    }  # fmt: skip
    twins = [A.Compose(GEOMETRY[name](), seed=3, **boxes) for _ in range(2)]
    recorder, plain = AlbumentationsRecorder(twins[0]), twins[1]
    given = {
        "image": OTHER, "mask": OTHER[..., 0], "labels": [1, 2],
        "bboxes": np.array([[3.0, 4, 20, 30], [25, 9, 40, 33]]),
    }  # fmt: skip
    for _ in range(10):
        _, record = recorder(**{**given, "image": IMAGE})
        expected, before = plain(**given), states(twins[0])
        again = recorder.replay(record, **given)
        assert same(again["image"], expected["image"])
        assert same(again["mask"], expected["mask"])
        np.testing.assert_allclose(again["bboxes"], expected["bboxes"], atol=1e-3)
        assert again["labels"] == expected["labels"]
        assert states(twins[0]) == before, "nobody's generator is touched"


def test_the_usual_pipeline_comes_out_again() -> None:
    recorder = AlbumentationsRecorder(usual(seed=1))
    for _ in range(10):
        view, record = recorder(IMAGE)
        again = recorder.replay(record, IMAGE)
        assert float((view - again).abs().quantile(0.95)) < 0.05
        assert again.shape == view.shape


def test_a_part_of_a_record_is_exchanged() -> None:
    recorder = AlbumentationsRecorder(A.Compose([A.HorizontalFlip(p=0.0), A.Solarize(p=1.0)]))
    _, record = recorder(IMAGE)
    flipped = recorder.replay({**record, "flip": torch.ones(1)}, IMAGE)
    assert same(flipped, np.ascontiguousarray(recorder.replay(record, IMAGE)[:, ::-1]))


def apply_nothing(blur: Any, data: dict[str, Any]) -> tuple[Any, None]:
    del blur
    return data, None


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "a transposition": (A.Transpose, "'Transpose' cannot be replayed"),
    "two kernels": (lambda: A.GaussianBlur((3, 7)), "one kernel size"),
    "drawn pixels": (lambda: A.Erasing(fill="random", p=1.0), "fixed fill"),
    "a crop that may not be": (lambda: A.RandomCrop(9, 9, p=0.5), "applied always, found p=0.5"),
    "a crop in a choice": (
        lambda: A.OneOf([A.RandomCrop(9, 9), A.InvertImg()], p=1.0), "applied always, found a OneOf"
    ),
    "two crops": (
        lambda: A.Compose([A.RandomCrop(30, 30), A.CenterCrop(9, 9)]), "found several of"
    ),
    "a drawn order": (lambda: A.RandomOrder([A.ToGray(), A.InvertImg()]), "found a RandomOrder"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_a_record_does_not_say_is_refused(name: str) -> None:
    build, message = REFUSED[name]
    recorder = AlbumentationsRecorder(build())
    record = recorder(IMAGE)[1]
    applied = {**record, "blur": torch.ones(1)} if name == "two kernels" else record
    with pytest.raises(PipelineError, match=message):
        recorder.replay(applied, IMAGE)


def test_a_registered_callable_is_not_replayed() -> None:
    register: Any = {A.Blur: (BlurEncoder(), apply_nothing)}
    recorder = AlbumentationsRecorder(A.Compose([A.Blur()]), register=register)
    with pytest.raises(PipelineError, match="'Blur' expected an encoder that can replay it"):
        recorder.replay(recorder(IMAGE)[1], IMAGE)


def test_another_record_is_refused() -> None:
    recorder = AlbumentationsRecorder(A.Compose([A.RandomCrop(9, 9)]))
    record = recorder(IMAGE)[1]
    with pytest.raises(RecordError, match=r"expected the entry 'crop', found \['flip'\]"):
        recorder.replay({"flip": torch.zeros(1)}, IMAGE)
    with pytest.raises(RecordError, match=r"of one sample, with shape \(4,\), found \(2, 4\)"):
        recorder.replay(default_collate([record, record]), IMAGE)
    with pytest.raises(ImageError):
        recorder.replay(record, torch.zeros(3, 8, 8))


def test_one_of_a_batch_is_replayed() -> None:
    recorder = AlbumentationsRecorder(A.Compose([A.RandomCrop(9, 9)]))
    seen = [recorder(IMAGE) for _ in range(3)]
    batch = default_collate([record for _, record in seen])
    for i, (view, _) in enumerate(seen):
        assert same(recorder.replay({name: e[i] for name, e in batch.items()}, IMAGE), view)
