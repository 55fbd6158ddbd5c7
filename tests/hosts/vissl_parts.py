"""What VISSL's runs in the tests are made of; the processes that it starts import it by name."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import numpy as np
import torch
from classy_vision.dataset.transforms import register_transform
from classy_vision.dataset.transforms.classy_transform import ClassyTransform
from classy_vision.hooks.classy_hook import ClassyHook
from contract import probe
from mystery import RandomMystery
from PIL import Image
from torch import nn
from vissl.hooks import default_hook_generator
from vissl.models.trunks import register_model_trunk
from vissl.utils.distributed_launcher import launch_distributed
from vissl.utils.hydra_config import compose_hydra_configuration, convert_to_attrdict
from vissl_options import CPU, METHODS, SMALL, override

from augself_loss.adapters.vissl import AugSelfHook, augself_hooks, enable

FEATURES = 16
SIZE = 16


@register_model_trunk("tiny")
class Tiny(nn.Module):
    """A trunk as VISSL wants it: returns a list with the feature of its last layer."""

    def __init__(self, model_config: Any, model_name: str) -> None:  # noqa: ARG002
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()
        )
        self.layer = nn.Conv2d(8, FEATURES, 3, stride=2, padding=1)

    def forward(self, x: torch.Tensor, out_feat_keys: Any = None) -> list[torch.Tensor]:  # noqa: ARG002
        x = getattr(x, "tensor", x)  # multi-crop, padded in one tensor
        return [self.layer(self.stem(x)).relu().mean(dim=(2, 3))]


@register_transform("RandomMystery")
class Mystery(ClassyTransform):  # type: ignore[misc]
    """The random transform that no recorder knows, as VISSL builds it."""

    def __new__(cls) -> Any:
        return RandomMystery()

    def __call__(self, image: Any) -> Any:
        raise NotImplementedError


def device() -> K.AugmentationSequential:
    """Build the pipeline that ``KORNIA`` in the host's options describes."""
    return K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
    )


class Quiet(ClassyHook):  # type: ignore[misc]
    """A hook that does nothing yet."""

    on_start = on_phase_start = on_forward = on_loss_and_meter = on_backward = ClassyHook._noop
    on_update = on_step = on_phase_end = on_end = ClassyHook._noop


class Augmented:
    """An epoch's batches, augmented on the device without the library: one tensor of all views."""

    def __init__(self, batches: Any) -> None:
        self.batches, self.pipeline = batches, device()

    def __next__(self) -> Any:
        batch = next(self.batches)
        return {**batch, "data": [self.pipeline(batch["data"][0])]}

    def __len__(self) -> int:
        return len(self.batches)


class PlainDevice(Quiet):
    """Lets Kornia augment every batch."""

    def on_phase_start(self, task: Any) -> None:
        task.data_iterator = Augmented(task.data_iterator)


class Watch(Quiet):
    """Writes down what one process's run did."""

    def __init__(self, folder: Path, term: AugSelfHook | None) -> None:
        super().__init__()
        self.folder, self.term = folder, term
        self.base: list[float] = []
        self.terms: list[float] = []
        self.context = probe()

    def on_start(self, task: Any) -> None:  # noqa: ARG002
        self.seen = self.context.__enter__()

    def on_loss_and_meter(self, task: Any) -> None:
        if self.term is None:
            self.base.append(float(task.last_batch.loss))
            return
        self.base.append(float(self.term.logged["base"]))
        self.terms.append(float(self.term.logged["total"]))

    def on_end(self, task: Any) -> None:
        self.context.__exit__(None, None, None)
        run = self.seen.run(task.base_model)
        run.base, run.terms = self.base, self.terms
        run.write(self.folder / f"rank{torch.distributed.get_rank()}.pt")


class PairingCheck(Quiet):
    """Asks at every step whether a view's features are what the trunk returns for that view.

    The trunk must treat every sample alone: no batch norm.
    """

    @torch.no_grad()
    def on_forward(self, task: Any) -> None:
        model, sample = task.base_model, task.last_batch.sample
        images = sample["input"]
        batch_size, count = sample["augself"].shape[:2]
        views = images if isinstance(images, list) else images.split(batch_size)
        tap = model.augself_tap
        kept = list(tap.kept)
        features = torch.cat(kept).split(batch_size)
        alone = [model.trunk(view)[0] for view in views]
        alone += [task.loss.moco_encoder.trunk(key)[0] for key in sample.get("data_momentum", ())]
        tap.kept = kept
        assert len(features) == len(alone) == count
        assert all(map(partial(torch.allclose, atol=1e-6), features, alone))
        assert all((one[0] - one[1]).abs().max() > 1e-5 for one in alone)


class SeededSteps(Quiet):
    """Seeds every step by its number: VISSL does not keep the random state in its checkpoints."""

    def on_phase_start(self, task: Any) -> None:
        self.on_step(task)

    def on_step(self, task: Any) -> None:
        random.seed(task.iteration)
        np.random.seed(task.iteration)
        torch.manual_seed(task.iteration)


def hooks(
    config: Any, folder: Path, *, plain: bool, on_device: bool, more: tuple[type, ...] = ()
) -> list[Any]:
    """List the hooks of a run, and the one that watches it."""
    if plain:
        more = [PlainDevice()] if on_device else []
        return [*default_hook_generator(config), *more, Watch(folder, None)]
    own = augself_hooks(config)
    term = next((hook for hook in own if isinstance(hook, AugSelfHook)), None)
    return [*own, *(hook() for hook in more), Watch(folder, term)]


def watched(folder: Path, **options: Any) -> Any:
    """Make a hook generator that pickles."""
    return partial(hooks, folder=folder, **options)


def config(folder: Path, method: str, options: Mapping[str, Any]) -> Any:
    """Compose a config as VISSL's command line does, and enable AugSelf if it asks for it."""
    stock, transforms, tiny = METHODS[method]
    pictures = folder.parent / "vissl_pictures"
    draw(pictures)
    folder.mkdir(exist_ok=True)
    chosen = {
        **CPU,
        **SMALL,
        **tiny,
        "DATA.TRAIN.TRANSFORMS": transforms,
        "DATA.TRAIN.DATA_PATHS": [str(pictures)],
        "DATA.TRAIN.LABEL_PATHS": [str(pictures)],
        "CHECKPOINT.DIR": str(folder),
        **options,
    }
    line = [f"config=test/integration_test/{stock}", *map(override, chosen.items())]
    _, composed = convert_to_attrdict(compose_hydra_configuration(line))
    return enable(composed) if "AUGSELF" in composed else composed


def launch(prepared: Any, hook_generator: Any) -> None:
    """Train as VISSL's launcher does, and leave its process group."""
    try:
        launch_distributed(prepared, 0, "train", hook_generator)
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


def saved(folder: Path, epochs: int) -> dict[str, torch.Tensor]:
    """Read the model's weights in the last checkpoint, under the model's own names."""
    path = folder / f"model_final_checkpoint_phase{epochs - 1}.torch"
    state = torch.load(path, weights_only=False)["classy_state_dict"]["base_model"]["model"]
    return {f"{part}.{name}": held for part, of in state.items() for name, held in of.items()}


def draw(folder: Path, count: int = 16) -> None:
    """Draw some pictures of coloured noise, as torchvision's ImageFolder reads them."""
    for number in range(count):
        path = folder / "noise" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.RandomState(number).randint(0, 256, (5, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((30, 24), Image.Resampling.BICUBIC).save(path)
