"""Augmentation on the device by Kornia, in ``on_after_batch_transfer``."""

from __future__ import annotations

from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import lightning.pytorch as pl
import pytest
import torch
from lightly_modules import FEATURES, SimSiam
from pictures import fit, same, seed, trainer, weights
from torch import Tensor
from torch.utils.data import DataLoader

from augself_loss import AugSelfLoss, RecordError
from augself_loss.adapters.lightning import add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.multiview import MultiViewRecorder

pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:You defined a `validation_step`"),
]

IMAGES = torch.rand(16, 3, 24, 24, generator=torch.Generator().manual_seed(0))


def pipeline() -> K.AugmentationSequential:
    return K.AugmentationSequential(
        K.RandomResizedCrop((16, 16)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


class OnDevice(SimSiam):
    """The plain script: augments on the device itself, and validates on plain images."""

    augments = True

    def __init__(self) -> None:
        super().__init__()
        self.pipeline = pipeline()
        self.validated: list[torch.Size] = []

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
        if not (self.augments and self.trainer.training):
            return batch
        return [[self.pipeline(batch[0]), self.pipeline(batch[0])], *batch[1:]]

    def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
        images = batch["image"] if isinstance(batch, dict) else batch[0]
        self.validated.append(images.shape)


class Augmented(OnDevice):
    augments = False


def samples(images: Tensor = IMAGES, *, key: str | None = None) -> DataLoader[Any]:
    rows: Any = [(image, i) if key is None else {key: image} for i, image in enumerate(images)]
    return DataLoader(rows, batch_size=8, drop_last=True)


def module(
    weight: float = 1.0, cls: type[Any] = Augmented, apply: Any = "kornia", **options: Any
) -> Any:
    seed(0)
    recorder = MultiViewRecorder(KorniaRecorder(pipeline(), apply=apply))
    types = {"crop": weight, "color": weight}
    augself = AugSelfLoss(FEATURES, types, hidden_dim=16, encoders=recorder.encoders)
    options = {"taps": "backbone", "on_device": True, **options}
    return add_augself(cls(), augself, recorder, **options)


def test_views_and_first_base_loss_are_the_plain_scripts() -> None:
    seed(0)
    plain = OnDevice()
    base = fit(plain, samples(), max_epochs=2)
    silent = module(weight=0.0)
    assert fit(silent, samples(), max_epochs=2) == base
    assert same(weights(plain), weights(silent))
    assert fit(module(), samples())[0] > base[0]


def test_fused_views_train_as_kornias_do() -> None:
    fused = fit(module(apply="fused"), samples(), max_epochs=2)
    assert fused == pytest.approx(fit(module(), samples(), max_epochs=2), abs=1e-4)


@pytest.mark.parametrize("apply", ["kornia", "fused"])
@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
@pytest.mark.parametrize("images", [IMAGES, (IMAGES * 255).byte()], ids=["floats", "bytes"])
def test_reduced_precision(precision: Any, images: Tensor, apply: Any) -> None:
    if ONLY_APPLIED_ROWS and precision == "bf16-true":
        pytest.skip("Kornia before 0.9 takes no bfloat16")
    losses = fit(module(apply=apply), samples(images), precision=precision)
    assert losses == pytest.approx(fit(module(), samples(images)), abs=0.1)


@pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 takes no bfloat16")
def test_a_pipeline_that_the_module_holds_is_cast_with_it() -> None:
    held = Augmented()
    recorder = MultiViewRecorder(KorniaRecorder(held.pipeline))
    types = {"crop": 1.0, "color": 1.0}
    augself = AugSelfLoss(FEATURES, types, hidden_dim=16, encoders=recorder.encoders)
    add_augself(held, augself, recorder, taps="backbone", on_device=True)
    assert len(fit(held, samples(), max_epochs=2, precision="bf16-true")) == 4


def test_bytes_are_scaled_and_evaluation_sees_plain_images() -> None:
    whole = (IMAGES * 255).byte()
    scaled, by_bytes = module(), module()
    assert fit(by_bytes, samples(whole)) == fit(scaled, samples(whole / 255))
    trainer().validate(by_bytes, samples(), verbose=False)
    assert by_bytes.validated == [torch.Size([8, 3, 24, 24])] * 2


def test_images_of_a_dict() -> None:
    class Keyed(Augmented):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return super().training_step([batch["image"]], batch_idx)

    assert len(fit(module(cls=Keyed, images="image"), samples(key="image"))) == 2


def test_a_batch_that_is_the_images() -> None:
    class Alone(Augmented):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return super().training_step([batch], batch_idx)

    data = DataLoader(list(IMAGES), batch_size=8)  # type: ignore[arg-type]
    assert len(fit(module(cls=Alone, images=None), data)) == 2


def test_what_is_no_image_tensor_is_refused() -> None:
    with pytest.raises(RecordError, match="tensor of images at 1"):
        fit(module(images=1), DataLoader([(IMAGES[0], "label")] * 8, batch_size=8))


@pytest.mark.filterwarnings("ignore:You have overridden `on_after_batch_transfer`")
def test_a_data_module_that_takes_the_hook_is_refused() -> None:
    class Data(pl.LightningDataModule):  # type: ignore[misc, name-defined]
        def train_dataloader(self) -> Any:
            return samples()

        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
            return batch

    with pytest.raises(RecordError, match="DataModule"):
        trainer().fit(module(), datamodule=Data())


def test_a_host_may_run_the_recorder_itself() -> None:
    """A DataModule or module that augments on its own needs no ``on_device``."""
    recorder = MultiViewRecorder(KorniaRecorder(pipeline()))

    class Own(OnDevice):
        def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:  # noqa: ARG002
            return [recorder(batch[0]), *batch[1:]]

    seed(0)
    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=recorder.encoders)
    own = add_augself(Own(), augself, recorder, taps="backbone")
    assert fit(own, samples()) == fit(module(), samples())
