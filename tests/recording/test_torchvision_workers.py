"""Recording in DataLoader workers, and recorders that are pickled and copied on their way."""

from __future__ import annotations

import copy
import importlib
import multiprocessing
import pickle
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import FakeData
from torchvision.transforms import functional as f1
from torchvision.transforms import v2

from augself_loss.encoders import BlurEncoder, RegressionEncoder
from augself_loss.encoders.base import Columns
from augself_loss.parameters import Record
from augself_loss.recording.torchvision import TorchvisionRecorder

# Python 3.12 and later warn whenever a process with threads, as torch has, is forked.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
APIS = pytest.mark.parametrize("api", [v1, v2], ids=["v1", "v2"])


class PilBlur:
    """MoCo v2's blur, which draws by Python's own random."""

    def __call__(self, image: Any) -> Any:
        return self.run(image)[0]

    def run(self, image: Any) -> tuple[Any, float]:
        sigma = random.uniform(0.1, 2.0)
        return f1.gaussian_blur(image, [5, 5], [sigma, sigma]), sigma


def apply_blur(blur: PilBlur, image: Any) -> tuple[Any, Columns | None]:
    view, sigma = blur.run(image)
    return view, (sigma,)


class RandomShade(v2.Transform):
    """A user's own v2 transform."""

    def make_params(self, flat_inputs: list[Any]) -> dict[str, Any]:  # noqa: ARG002
        return {"shade": float(torch.empty(1).uniform_(0.5, 1.5))}

    def transform(self, inpt: Any, params: dict[str, Any]) -> Any:
        return f1.adjust_brightness(inpt, params["shade"])

    _get_params, _transform = make_params, transform  # their names until torchvision 0.20


def read_shade(step: Any) -> dict[str, Columns]:
    return {"shade": (step.params["shade"],)}


class ShadeEncoder(RegressionEncoder):
    """Reads RandomShade."""

    name = "shade"
    columns = ("factor",)
    identity = (1.0,)
    torchvision = {"RandomShade": read_shade}


def pipeline(api: ModuleType, *own: Any) -> Any:
    ending = [api.ToImage(), api.ToDtype(torch.float32, scale=True)] if api is v2 else []
    return api.Compose(
        [
            api.RandomResizedCrop(24), api.RandomHorizontalFlip(),
            api.RandomApply(nn.ModuleList([api.ColorJitter(0.4, 0.4, 0.4, 0.1)]), p=0.8),
            api.RandomGrayscale(0.2), api.RandomApply([*own, api.RandomSolarize(128)], p=0.5),
            api.RandomRotation((90, 90)), *(ending or [api.ToTensor()]), api.RandomErasing(0.5),
        ]
    )  # fmt: skip


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """This file under a name that worker processes can import too."""
    path = Path(__file__)
    monkeypatch.syspath_prepend(str(path.parent))
    yield importlib.import_module(path.stem)
    sys.modules.pop(path.stem)


def recorded(here: ModuleType, api: ModuleType) -> tuple[Any, TorchvisionRecorder]:
    """Make a pipeline with augmentations of a user's own, and its recorder."""
    own = [here.PilBlur(), here.RandomShade()] if api is v2 else [here.PilBlur()]
    plain = pipeline(api, *own)
    recorder = TorchvisionRecorder(
        plain,
        encoders=[here.ShadeEncoder((0.5, 1.5))],
        register={here.PilBlur: (BlurEncoder((0.1, 2.0)), here.apply_blur)},
        types=["shade", "vertical_flip"],
    )
    return plain, recorder


def batches(transform: Any, workers: int, context: Any) -> list[Any]:
    """Load one epoch of 12 images under one seed."""
    loader = DataLoader(
        FakeData(12, (3, 40, 44), 2, transform=transform),
        batch_size=4,
        shuffle=True,
        num_workers=workers,
        multiprocessing_context=context,
        generator=torch.Generator().manual_seed(5),
    )
    return [views for views, _ in loader]


@pytest.mark.processes
@pytest.mark.parametrize(
    ("method", "api"),
    [("fork", v1), ("fork", v2), ("forkserver", v1), ("forkserver", v2), ("spawn", v2)],
    ids=["fork-v1", "fork-v2", "forkserver-v1", "forkserver-v2", "spawn-v2"],  # spawn takes long
)
def test_workers_record_and_give_the_plain_pipeline_s_batches(
    here: ModuleType, api: ModuleType, method: str
) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    plain, recorder = recorded(here, api)
    context = multiprocessing.get_context(method)
    context.set_forkserver_preload([TorchvisionRecorder.__module__, "torchvision.datasets"])
    expected, repeated = (batches(transform, 2, "fork") for transform in (plain, recorder))
    loaded = batches(recorder, 2, context)
    rows: list[Tensor] = []
    for (views, record), (_, again), plain_views in zip(loaded, repeated, expected, strict=True):
        assert torch.equal(views, plain_views)
        assert {name: tuple(columns.shape) for name, columns in record.items()} == {
            name: (4, field.width) for name, field in recorder.layout.items()
        }
        assert all(columns.dtype == torch.float32 for columns in record.values())
        torch.testing.assert_close(record, again, atol=0, rtol=0)
        rows.append(torch.cat(list(record.values()), dim=-1))
    assert len(torch.cat(rows).unique(dim=0)) == 12
    blur = torch.cat([record["blur"] for _, record in loaded])
    assert 0 < int((blur == 0).sum()) < 12


@APIS
def test_a_record_in_a_worker_is_that_of_the_main_process(
    here: ModuleType, api: ModuleType
) -> None:
    del here
    recorder = TorchvisionRecorder(api.Compose([api.RandomCrop(20), *pipeline(api).transforms[1:]]))
    for views, record in batches(recorder, 2, "fork"):
        # All that a worker records comes back in range and matches what the encoders expect.
        for encoder in recorder.encoders:
            encoder.check(record)
        erased = (views == 0).all(dim=1).flatten(1).any(dim=1)
        assert torch.equal(erased | (record["erasing"][:, 2] == 0), torch.ones(4, dtype=torch.bool))


def run(recorder: Any, seed: int) -> tuple[Tensor, Record]:
    image = f1.to_pil_image(torch.arange(3 * 40 * 40).reshape(3, 40, 40).byte())
    torch.manual_seed(seed)
    random.seed(seed)
    view, record = recorder(image)
    return view, record


@APIS
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("way", ["pickle", "deepcopy"])
def test_a_copied_recorder_records_the_same(api: ModuleType, way: str, times: int) -> None:
    _, recorder = recorded(sys.modules[__name__], api)
    copied: TorchvisionRecorder = recorder
    for _ in range(times):
        copied = pickle.loads(pickle.dumps(copied)) if way == "pickle" else copy.deepcopy(copied)
    assert copied.layout == recorder.layout
    assert [repr(e) for e in copied.encoders] == [repr(e) for e in recorder.encoders]
    for seed in range(5):
        view, record = run(recorder, seed)
        same_view, same_record = run(copied, seed)
        assert torch.equal(view, same_view)
        torch.testing.assert_close(record, same_record, atol=0, rtol=0)


@APIS
def test_a_lambda_is_recorded_but_cannot_be_pickled(api: ModuleType) -> None:
    plain = api.Compose([lambda image: image, api.RandomCrop(20)])
    recorder = TorchvisionRecorder(plain, ignore=[plain.transforms[0]])
    assert run(recorder, 0)[1]["crop"][2] == 0.5
    with pytest.raises((pickle.PicklingError, AttributeError), match="lambda"):
        pickle.dumps(recorder)
