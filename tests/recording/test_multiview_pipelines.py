"""Views of several pipelines: one layout, united ranges, and records completed with identities."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch.overrides import TorchFunctionMode
from torch.utils.data import default_collate
from torchvision.transforms import v2
from view_pipelines import IMAGES, kornia, strong, weak

from augself_loss import RegressionEncoder
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder


@pytest.mark.parametrize("swapped", [False, True])
def test_two_pipelines_give_records_of_one_layout(swapped: bool) -> None:
    pipelines: list[Any] = [strong(), weak()]
    several = MultiViewRecorder(pipelines[::-1] if swapped else pipelines)
    assert set(several.layout) == {*pipelines[0].layout, *pipelines[1].layout}
    assert list(several.layout) == list(MultiViewRecorder(pipelines).layout)
    _, records = split_views(default_collate(list(map(several, IMAGES))), several.layout)
    first, second = records[::-1] if swapped else records
    for record, recorder in ((first, pipelines[0]), (second, pipelines[1])):
        assert list(record) == list(several.layout)
        for name in set(several.layout) - set(recorder.layout):
            identity = torch.tensor(several.layout[name].identity)
            assert record[name].equal(identity.expand(4, -1))
    assert "solarize" not in pipelines[0].layout
    assert "color" not in pipelines[1].layout
    assert first["color"].ne(torch.tensor([1.0, 1.0, 1.0, 0.0])).any()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_ranges_are_united(order: tuple[int, int]) -> None:
    pipelines = [strong(), weak()]
    several = MultiViewRecorder([pipelines[i] for i in order])
    encoders = {encoder.name: encoder for encoder in several.encoders}
    assert list(encoders) == ["crop", "flip", "color", "blur", "solarize"]
    assert encoders["blur"].ranges == ((0.1, 3.0),)
    color = next(encoder for encoder in pipelines[0].encoders if encoder.name == "color")
    assert encoders["color"].ranges == color.ranges


def test_the_layout_has_the_united_ranges_and_a_user_s_own_type() -> None:
    class ShadowEncoder(RegressionEncoder):
        name, columns, identity = "shadow", ("intensity",), (0.0,)

    mine = ShadowEncoder((-0.5, 0.0))
    kept = TorchvisionRecorder(v2.RandomCrop(16), encoders=[mine], types=["shadow"])
    several = MultiViewRecorder([kept, strong(), weak()])
    assert list(several.layout)[-1] == "shadow"
    assert several.layout["blur"].ranges == ((0.1, 3.0),)
    *_, packed = several(IMAGES[0])
    _, records = split_views([IMAGES, IMAGES, IMAGES, packed[None]], several.layout)
    assert [record["shadow"].item() for record in records] == [0.0, 0.0, 0.0]


def test_device_pipelines_are_completed_in_batches() -> None:
    pipelines = [kornia(), kornia(K.RandomSolarize(p=1.0), K.RandomHorizontalFlip(p=1.0))]
    several = MultiViewRecorder(pipelines)
    _, records = split_views(several(IMAGES / 255), several.layout)
    assert records[0]["solarize"].eq(1).all()
    assert records[1]["solarize"].lt(1).any()
    assert records[1]["flip"].eq(1).all()
    assert records[1]["crop"].equal(torch.tensor([0.0, 0.0, 1.0, 1.0]).expand(4, -1))


def test_a_view_without_augmentation_is_completed_in_batches_and_alone() -> None:
    still = KorniaRecorder(K.Normalize(torch.zeros(3), torch.ones(3)))
    several = MultiViewRecorder([kornia(K.RandomSolarize(p=1.0)), still])
    _, records = split_views(several(IMAGES / 255), several.layout)
    assert records[0]["solarize"].lt(1).any()
    assert records[1]["solarize"].equal(torch.ones(4, 1))
    views = v2.RandomInvert(p=1.0), v2.Identity()
    alone = MultiViewRecorder([TorchvisionRecorder(view) for view in views])
    assert alone(IMAGES[0])[-1][:, :-1].view(torch.float32).tolist() == [[1.0], [0.0]]


class MadeOfNumbers(TorchFunctionMode):
    """Lists where tensors are made of Python's numbers: on a device, that waits for them."""

    def __init__(self) -> None:
        super().__init__()
        self.devices: set[str] = set()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in ("new_tensor", "tensor", "as_tensor"):
            self.devices.add(out.device.type)
        return out


@pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 reads the device itself")
def test_completing_a_batch_waits_for_no_device() -> None:
    kornia = KorniaRecorder(K.RandomHorizontalFlip()), KorniaRecorder(K.RandomVerticalFlip())
    two = MultiViewRecorder(kornia)
    with MadeOfNumbers() as made:
        *_, packed = two(torch.empty(4, 3, 8, 8, device="meta"))
    assert packed.is_meta
    assert packed.shape[:2] == (4, 2)
    assert made.devices == {"cpu"}
