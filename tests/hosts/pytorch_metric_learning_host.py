"""pytorch-metric-learning in the contract suite: its losses, wrapped, in a plain loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from contract import TERM, Inner, Recording, Run, refused
from plain_loop import Images, Losses, Script, train
from processes import InProcesses
from pytorch_metric_learning import losses, miners
from pytorch_pipelines import device, unknown, worker
from torch import Tensor, nn

from augself_loss import AugSelfLoss, with_augself
from augself_loss.parameters import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, split_views
from augself_loss.recording.torchvision import TorchvisionRecorder

FEATURES, CLASSES = 12, 4
LOSSES: dict[str, Callable[[], Any]] = {
    "NTXentLoss": lambda: losses.SelfSupervisedLoss(losses.NTXentLoss()),
    "VICRegLoss": losses.VICRegLoss,
    "SupConLoss": losses.SupConLoss,
    "TripletMarginLoss": losses.TripletMarginLoss,
    "ArcFaceLoss": lambda: losses.ArcFaceLoss(CLASSES, 8),
    "CrossBatchMemory": lambda: losses.CrossBatchMemory(losses.ContrastiveLoss(), 8, 64),
}


class Net(nn.Module):
    """Backbone, embedder, and the loss with what it learns itself.

    The loss is computed inside, so that DDP keeps in sync all that learns.
    """

    def __init__(self, criterion: nn.Module) -> None:
        super().__init__()
        self.backbone = nn.Sequential(
            nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, FEATURES, 3, 2),
            nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        )  # fmt: skip
        self.embedder = nn.Linear(FEATURES, 8)
        self.criterion = criterion
        self.both: nn.Module | None = None
        self.deep = False

    def forward(self, views: list[Tensor], labels: Tensor, records: list[Record] | None) -> Tensor:
        inner = [self.backbone[:2](view) for view in views]
        features: list[Any] = [self.backbone[2:](maps) for maps in inner]
        args, kwargs = self.given([self.embedder(feature) for feature in features], labels)
        if self.deep:
            features = [{"inner": i, "outer": o} for i, o in zip(inner, features, strict=True)]
        if self.both is None:
            return self.criterion(*args, **kwargs)  # type: ignore[no-any-return]
        return self.both(*args, **kwargs, features=features, records=records)  # type: ignore[no-any-return]

    def given(self, views: list[Tensor], labels: Tensor) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Say what this loss takes: the embeddings of both views, or all and their labels."""
        if isinstance(self.criterion, losses.SelfSupervisedLoss):
            return (*views,), {}
        if isinstance(self.criterion, losses.VICRegLoss):
            return (views[0],), {"ref_emb": views[1]}
        labelled = torch.cat(views), labels.repeat(len(views))
        if isinstance(self.criterion, losses.TripletMarginLoss):
            return (*labelled, miners.MultiSimilarityMiner()(*labelled)), {}
        return labelled, {}


class PytorchMetricLearningHost(InProcesses):
    """Needs no adapter: ``with_augself(loss, augself)``."""

    key = "pytorch_metric_learning"

    name = "pytorch-metric-learning"
    packages: Mapping[str, str] = {"pytorch-metric-learning": "2.9.0"}
    adapter = "augself_loss"
    missing: tuple[str, ...] = ()
    methods: tuple[str, ...] = tuple(LOSSES)
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.1", 8)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "backbone."

    def train(
        self,
        folder: Path,
        method: str,
        *,
        weights: Mapping[str, float] | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        deep: bool = False,
        **loop: Any,
    ) -> Run:
        torch.manual_seed(0)
        on_device, augself = recording == "device", weights is not None
        recorder = MultiViewRecorder(
            KorniaRecorder(device()) if on_device else TorchvisionRecorder(worker())
        )
        criterion = LOSSES[method]()
        net = Net(criterion)
        if weights is not None:
            read: dict[str, Any] = {"feature_dim": FEATURES}
            if deep:
                net.deep, read = True, self.inner.beside(FEATURES, "backbone")
            read.pop("taps", None)  # this script hands its features over
            term = AugSelfLoss(weights=weights, hidden_dim=16, encoders=recorder.encoders, **read)
            net.both = with_augself(criterion, term)
        augment = recorder if augself else _twice(device() if on_device else worker())

        def step(module: nn.Module, batch: Any) -> Losses:
            views = augment(batch[0]) if on_device else batch[0]
            records = None
            if augself:
                views, records = split_views(views, recorder.layout)
            total = module(views, batch[1], records)
            if not augself:
                return Losses(total, total, None)
            both: Any = net.both
            return Losses(total, both.base, both.augself_output.total)

        data = Images(None if on_device else augment)
        return train(Script(net, step, data), folder, epochs=epochs, **loop)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        return refused(lambda: TorchvisionRecorder(unknown()))


def _twice(pipeline: Callable[[Tensor], Tensor]) -> Callable[[Tensor], list[Tensor]]:
    return lambda images: [pipeline(images), pipeline(images)]
