"""Several loaders: views are in a batch inside of the batch, in Lightning and in plain loops."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from lightly_modules import FEATURES, SimSiam
from lightning.pytorch.utilities import CombinedLoader
from lightning_modules import device, worker
from pictures import Pictures, fit, same, seed, trainer, weights
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from augself_loss import AugSelf, AugSelfLoss, RecordError
from augself_loss.adapters.lightning import add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]

PATH = ("unlabelled", 0)
TYPES = {"crop": 1.0, "color": 1.0}


class SemiSupervised(SimSiam):
    """Classifies labelled images, and makes two views of unlabelled ones alike."""

    path: tuple[Any, ...] = PATH

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(FEATURES, 3)
        self.validated: list[Any] = []

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        images, labels = batch["labelled"]
        known = nn.functional.cross_entropy(self.classifier(self.features(images)), labels)
        if batch["unlabelled"] is None:
            return known
        views = batch
        for step in self.path:
            views = views[step]
        return known + super().training_step([views], batch_idx)

    def validation_step(self, batch: Any, batch_idx: int, dataloader_idx: int = 0) -> None:  # noqa: ARG002
        self.validated.append(batch)


def recorder(on_device: bool = False) -> MultiViewRecorder:
    one: Any = KorniaRecorder(device()) if on_device else TorchvisionRecorder(worker())
    return MultiViewRecorder(one)


def labelled(count: int = 24) -> DataLoader[Any]:
    images = torch.rand(count, 3, 32, 32, generator=torch.Generator().manual_seed(3))
    return DataLoader(TensorDataset(images, torch.arange(count) % 3), batch_size=8)


def unlabelled(transform: Any, count: int = 24, **options: Any) -> DataLoader[Any]:
    pictures = Pictures(count)
    pictures.transform = transform
    return DataLoader(pictures, batch_size=8, **options)


def loaders(mode: str, counts: tuple[int, int] = (24, 16), **options: Any) -> CombinedLoader:
    known, unknown = counts
    parts = {"labelled": labelled(known), "unlabelled": unlabelled(recorder(), unknown, **options)}
    return CombinedLoader(parts, mode)


def module(made: MultiViewRecorder | None = None, scale: float = 1.0, **options: Any) -> Any:
    made = recorder() if made is None else made
    seed(0)
    types = {name: weight * scale for name, weight in TYPES.items()}
    augself = AugSelfLoss(FEATURES, types, hidden_dim=16, encoders=made.encoders)
    chosen = {"taps": "backbone", "images": PATH, **options}
    return add_augself(SemiSupervised(), augself, made, **chosen)


class TwoViews:
    """The plain script's transform: the recorder's views, without their records."""

    def __init__(self) -> None:
        self.view = worker()

    def __call__(self, image: Any) -> list[Any]:
        return [self.view(image), self.view(image)]


@pytest.mark.parametrize(
    ("mode", "steps"), [("min_size", 2), ("max_size_cycle", 3), ("dict", 3)], ids=str
)
def test_views_of_one_of_several_loaders(mode: str, steps: int) -> None:
    data: Any = loaders("max_size_cycle").iterables if mode == "dict" else loaders(mode)
    seed(0)
    plain = SemiSupervised()
    parts = {"labelled": labelled(), "unlabelled": unlabelled(TwoViews(), 16)}
    base = fit(plain, CombinedLoader(parts, "max_size_cycle" if mode == "dict" else mode))
    silent = module(scale=0.0)
    assert fit(silent, data) == base
    assert same(weights(plain), weights(silent))
    losses = fit(module(), data)
    assert len(losses) == steps
    assert losses[0] > base[0]


@pytest.mark.slow
def test_views_that_workers_make() -> None:
    assert len(fit(module(), loaders("min_size", num_workers=2))) == 2


def test_images_augmented_on_the_device() -> None:
    made = recorder(on_device=True)
    parts = {"labelled": labelled(), "unlabelled": labelled(16)}
    assert len(fit(module(made, on_device=True), CombinedLoader(parts, "min_size"))) == 2
    with pytest.raises(RecordError, match=r"tensor of images at \('unlabelled',\)"):
        fit(module(made, on_device=True, images=("unlabelled",)), CombinedLoader(parts, "min_size"))


def test_a_loader_that_ran_out_is_named() -> None:
    assert len(fit(module(), loaders("max_size", (16, 24)).iterables)) == 3
    with pytest.raises(RecordError, match=r"None at \('unlabelled',\).*'max_size_cycle'"):
        fit(module(), loaders("max_size"))


def test_a_path_that_does_not_lead_to_views_is_refused() -> None:
    with pytest.raises(RecordError, match=r"found list of 2 at \('unlabelled',\)"):
        fit(module(images=("unlabelled", "views")), loaders("min_size"))
    with pytest.raises(RecordError, match=r"records at \('labelled', 0\) of the batch, found Ten"):
        fit(module(images=("labelled", 0)), loaders("min_size"))


def test_evaluation_one_loader_after_another() -> None:
    """In turn (``sequential``, Lightning's default there) batches are not nested: left alone."""
    each = module()
    in_turn = CombinedLoader([labelled(8), unlabelled(recorder(), 8)], "sequential")
    trainer().validate(each, in_turn, verbose=False)
    images, recorded = each.validated
    assert images[0].shape == (8, 3, 32, 32)
    assert len(recorded[0]) == 3
    together = module()
    trainer().validate(together, loaders("min_size", (8, 8)), verbose=False)
    (batch,) = together.validated
    assert len(batch["unlabelled"][0]) == 2


@pytest.mark.parametrize("mode", ["min_size", "max_size_cycle"])
def test_a_plain_loop_finds_them_itself(mode: str) -> None:
    seed(0)
    plain, made = SemiSupervised(), recorder()
    augself = AugSelf(plain, made, TYPES, taps="backbone")
    combined: Iterable[Any] = loaders(mode)
    for batch, *_ in combined:
        views = augself.views(batch)
        (plain.training_step({**batch, PATH[0]: [views]}, 0) + augself.term()).backward()
        assert set(augself.logged) >= set(TYPES)


@pytest.mark.parametrize("on_device", [False, True])
def test_a_plain_loop_is_told_of_a_loader_that_ran_out(on_device: bool) -> None:
    """It would else augment the labelled images, the only ones that are left."""
    augself = AugSelf(SemiSupervised(), recorder(on_device), TYPES, taps="backbone")
    batch = {"labelled": next(iter(labelled())), "unlabelled": None}
    with pytest.raises(RecordError, match=r"and a None: .*'max_size_cycle'"):
        augself.views(batch)
    augself = AugSelf(SemiSupervised(), recorder(True), TYPES, taps="backbone")
    assert len(augself.views(batch["labelled"])) == 2
