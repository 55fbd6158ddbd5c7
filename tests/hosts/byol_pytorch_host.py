"""byol-pytorch in the contract suite: its learner in a loop of plain PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import byol_pytorch
import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from contract import TERM, Inner, Recording, Run, refused
from plain_loop import Images, Losses, Script, train
from processes import InProcesses
from torch import Tensor, nn

from augself_loss import AugSelfLoss
from augself_loss.adapters.byol_pytorch import BYOL
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

SIZE, FEATURES = 16, 12
SMALL = {"projection_size": 8, "projection_hidden_size": 16, "use_simplicial_embeddings": False}


def network() -> nn.Sequential:
    """Convolutions, a pool (the hidden layer), and a classifier that BYOL does not use."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, FEATURES, 3, 2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(FEATURES, 4),
    )  # fmt: skip


def pipeline(*more: nn.Module) -> K.AugmentationSequential:
    return K.AugmentationSequential(
        K.RandomResizedCrop((SIZE, SIZE)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        *more,
    )


class RandomMystery(K.IntensityAugmentationBase2D):  # type: ignore[misc]
    """Does what no recorder knows."""

    def apply_transform(self, input: Tensor, *_: Any, **__: Any) -> Tensor:  # noqa: A002
        return input.flip(-2)


class ByolPytorchHost(InProcesses):
    """BYOL, and SimSiam, which the package runs as BYOL without momentum."""

    key = "byol_pytorch"

    name = "byol-pytorch"
    packages: Mapping[str, str] = {"byol-pytorch": "0.9.1"}
    adapter = "augself_loss.adapters.byol_pytorch"
    missing: tuple[str, ...] = ("byol_pytorch",)
    methods: tuple[str, ...] = ("BYOL", "SimSiam")
    recording: tuple[Recording, ...] = ("device",)
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("1", 8)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "net."

    def train(
        self,
        folder: Path,
        method: str,
        *,
        weights: Mapping[str, float] | None = TERM,
        recording: Recording = "device",  # noqa: ARG002 - the learner augments, nothing else
        epochs: int = 1,
        deep: bool = False,
        **loop: Any,
    ) -> Run:
        torch.manual_seed(0)
        learner = self.learner(weights, deep=deep, use_momentum=method == "BYOL")

        def step(module: nn.Module, batch: Any) -> Losses:
            total = module(batch[0])
            if weights is None:
                return Losses(total, total, None)
            return Losses(total, learner.base, learner.augself_output.total)

        after = learner.update_moving_average if method == "BYOL" else lambda: None
        return train(Script(learner, step, Images(), after), folder, epochs=epochs, **loop)

    def learner(
        self, weights: Mapping[str, float] | None, *, deep: bool = False, **options: Any
    ) -> Any:
        """Build the plain learner, or one with the term."""
        net, options = network(), {**SMALL, "hidden_layer": "3", **options}
        if weights is None:
            return byol_pytorch.BYOL(net, SIZE, augment_fn=pipeline(), **options)
        recorder = MultiViewRecorder(KorniaRecorder(pipeline()))
        read = self.inner.beside(FEATURES, "4") if deep else {"feature_dim": FEATURES}
        options["taps"] = read.pop("taps", None)
        with torch.random.fork_rng():
            augself = AugSelfLoss(
                weights=weights, hidden_dim=16, encoders=recorder.encoders, **read
            )
        return BYOL(net, SIZE, augself=augself, recorder=recorder, **options)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        return refused(lambda: KorniaRecorder(pipeline(RandomMystery())))
