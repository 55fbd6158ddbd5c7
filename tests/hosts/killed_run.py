"""A plain PyTorch run that may be killed at any moment: ``killed_run.py FOLDER SOURCE STEPS``.

It saves everything after every step, prints the step's number, and goes on from what it finds in
the folder. ``SOURCE`` is where views and records are made:

- ``device``: by Kornia, of the whole batch, from PyTorch's random state, which is saved.
- ``seeded``: by torchvision in workers, whose random states die with them; so every sample is
  seeded by its epoch and index, and a resumed epoch loads what is left of it.
- ``skipped``: the same without a seed per sample: the loader has a generator, seeded by the epoch,
  from which the workers' seeds come; a resumed epoch is loaded anew, what was consumed is skipped.

In all three the loader has a generator of its own: without one, making its iterator draws from
PyTorch's random state, once more in a resumed epoch than in an uninterrupted one.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import random
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import numpy as np
import torch
from plain_loop import Images
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from augself_loss import AugSelfLoss, with_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

COUNT, BATCH, DIM = 60, 6, 12
PER_EPOCH = COUNT // BATCH
KORNIA = K.AugmentationSequential(
    K.RandomResizedCrop((12, 12)), K.RandomHorizontalFlip(), K.ColorJitter(0.4, 0.4, 0.4, 0.1)
)
TORCHVISION = v2.Compose([
    v2.RandomResizedCrop(12), v2.RandomHorizontalFlip(),
    v2.RandomApply([v2.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
])  # fmt: skip


class SeededViews(Dataset[Any]):
    """Views of an image, by ``(epoch, index)``, whoever makes them and after what."""

    def __init__(self, transform: Any) -> None:
        self.images = Images(transform, COUNT)

    def __getitem__(self, key: tuple[int, int]) -> Any:
        epoch, index = key
        torch.manual_seed(COUNT * epoch + index)
        random.seed(COUNT * epoch + index)
        return self.images[index]


class Training:
    """All that a run consists of, and all that it has to save."""

    def __init__(self, source: str) -> None:
        torch.manual_seed(0)
        random.seed(0)
        np.random.seed(0)
        on_device = source == "device"
        recorder: Any = KorniaRecorder(KORNIA) if on_device else TorchvisionRecorder(TORCHVISION)
        self.source, self.recorder = source, MultiViewRecorder(recorder)
        self.backbone = nn.Sequential(
            nn.Conv2d(3, DIM, 3, 2), nn.BatchNorm2d(DIM), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )  # fmt: skip
        self.projector = nn.Sequential(nn.Linear(DIM, 8), nn.BatchNorm1d(8))
        self.predictor = nn.Linear(8, 8)
        augself = AugSelfLoss(DIM, hidden_dim=16, encoders=self.recorder.encoders)
        self.criterion = with_augself(simsiam, augself, patience=5)
        self.modules = nn.ModuleList(
            [self.backbone, self.projector, self.predictor, self.criterion]
        )
        self.optimizer = torch.optim.SGD(self.modules.parameters(), lr=0.05, momentum=0.9)
        self.history: list[Any] = []

    def batches(self) -> Iterator[Any]:
        """Load what is left of the epoch."""
        epoch, done = divmod(len(self.history), PER_EPOCH)
        generator = torch.Generator().manual_seed(epoch)
        if self.source == "skipped":
            data = Images(self.recorder, COUNT)
            options: Any = {"shuffle": True, "generator": generator, "num_workers": 2}
            return itertools.islice(DataLoader(data, BATCH, **options), done, None)
        order = torch.randperm(COUNT, generator=generator).tolist()[BATCH * done :]
        if self.source == "device":
            return iter(DataLoader(Images(None, COUNT), BATCH, sampler=order, generator=generator))
        keys: Any = [(epoch, index) for index in order]
        return iter(DataLoader(SeededViews(self.recorder), BATCH, sampler=keys,
                               generator=generator, num_workers=2))  # fmt: skip

    def step(self, batch: Any) -> None:
        """Train on one batch and note all that it computed and drew."""
        batch = batch * np.random.uniform(0.9, 1.0) if isinstance(batch, Tensor) else batch
        made = self.recorder(batch) if isinstance(batch, Tensor) else batch
        views, records = split_views(made, self.recorder.layout)
        features = [self.backbone(view) for view in views]
        z = [self.projector(feature) for feature in features]
        p = [self.predictor(one) for one in z]
        loss = self.criterion(p, z, features=features, records=records)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if len(self.history) % 7 == 3:  # a schedule that only the saved state remembers
            self.criterion.augself.set_weights({"color": random.uniform(0.5, 1.5)})
        terms = {k: v.item() for k, v in self.criterion.augself_output.terms.items()}
        entries = digest(entry for record in records for entry in record.values())
        states = digest([torch.get_rng_state(), random.getstate(), np.random.get_state()[1:3]])
        self.history.append([loss.item(), terms, entries, states])

    def save(self, path: Path) -> None:
        """Save all; a kill leaves the old file or the new one, and never half of one."""
        _, keys, place, *_ = np.random.get_state()
        version, internal, gauss = random.getstate()
        state = {
            "modules": self.modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "history": self.history,
            "torch": torch.get_rng_state(),
            "numpy": [keys.tolist(), place, *np.random.get_state()[3:]],
            "python": [version, list(internal), gauss],
        }
        torch.save(state, path.with_suffix(".new"))
        os.replace(path.with_suffix(".new"), path)  # noqa: PTH105 - said as it is known: atomic

    def load(self, path: Path) -> None:
        """Go on where the file left off."""
        state = torch.load(path, weights_only=True)
        self.modules.load_state_dict(state["modules"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history = state["history"]
        torch.set_rng_state(state["torch"])
        np.random.set_state(("MT19937", *state["numpy"]))
        version, internal, gauss = state["python"]
        random.setstate((version, tuple(internal), gauss))


def simsiam(p: list[Tensor], z: list[Tensor]) -> Tensor:
    """Predict each view's projection from the other's."""
    similar = nn.functional.cosine_similarity
    return -(similar(p[0], z[1].detach()) + similar(p[1], z[0].detach())).mean() / 2


def digest(values: Iterable[Any]) -> str:
    """Hash tensors and numbers, bit by bit."""
    sha = hashlib.sha256()
    for value in values:
        sha.update(value.numpy().tobytes() if isinstance(value, Tensor) else repr(value).encode())
    return sha.hexdigest()


def main(folder: str, source: str, steps: str) -> None:
    torch.set_num_threads(1)
    path, training = Path(folder) / "checkpoint.pt", Training(source)
    if path.exists():
        training.load(path)
    while True:
        for batch in training.batches():
            images = batch[0]  # the label is not used
            training.step(images)
            training.save(path)
            print(len(training.history), flush=True)
            if len(training.history) >= int(steps):
                return


if __name__ == "__main__":
    main(*sys.argv[1:])
