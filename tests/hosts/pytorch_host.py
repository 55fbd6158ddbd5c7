"""Plain PyTorch in the contract suite: a loop of one's own, the term beside its model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from contract import TERM, Inner, Recording, Run, refused
from plain_loop import Images, Losses, Script, train
from processes import InProcesses
from pytorch_pipelines import crops, device, each, unknown
from pytorch_pipelines import recording as records
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, cross_entropy
from torch.nn.parallel import DistributedDataParallel

from augself_loss import AugSelf
from augself_loss.recording.torchvision import TorchvisionRecorder

FEATURES = 12


def backbone() -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, FEATURES, 3, 2), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )  # fmt: skip


class SimSiam(nn.Module):
    """As scripts write it: one network, both views in one call."""

    taps: tuple[str, ...] = ("backbone",)

    def __init__(self) -> None:
        super().__init__()
        self.backbone = backbone()
        self.predictor = nn.Linear(FEATURES, FEATURES)

    def forward(self, views: list[Tensor]) -> Tensor:
        z1, z2 = self.backbone(torch.cat(views)).chunk(2)
        ahead = cosine_similarity(self.predictor(z1), z2.detach()).mean()
        return -(ahead + cosine_similarity(self.predictor(z2), z1.detach()).mean()) / 2

    def after(self) -> None:
        """Do nothing after a step."""


class MoCo(SimSiam):
    """A momentum encoder of shuffled keys."""

    taps = ("backbone", "momentum")

    def __init__(self) -> None:
        super().__init__()
        self.predictor = nn.Linear(FEATURES, FEATURES)
        self.momentum = copy.deepcopy(self.backbone).requires_grad_(False)

    def forward(self, views: list[Tensor]) -> Tensor:
        query, key = views
        order = torch.arange(len(key)).flip(0)  # scripts draw it, and put it back
        keys = self.momentum(key[order])[order]
        logits = self.predictor(self.backbone(query)) @ keys.t()
        return cross_entropy(logits, torch.arange(len(query)))

    @torch.no_grad()
    def after(self) -> None:
        """Move the momentum encoder."""
        pairs = zip(self.momentum.parameters(), self.backbone.parameters(), strict=True)
        for slow, fast in pairs:
            slow.lerp_(fast, 0.01)


class DINO(MoCo):
    """Several crops in one call for each size, the teacher sees the large ones."""

    taps = ("backbone",)

    def forward(self, views: list[Tensor]) -> Tensor:
        large, small = views[:2], views[2:]
        targets = self.momentum(torch.cat(large)).softmax(1).chunk(2)
        outs = self.predictor(self.backbone(torch.cat(large))).chunk(2)
        if small:
            outs += self.predictor(self.backbone(torch.cat(small))).chunk(len(small))
        pairs = [(t, o) for i, t in enumerate(targets) for j, o in enumerate(outs) if i != j]
        return torch.stack([cross_entropy(out, target) for target, out in pairs]).mean()


METHODS: dict[str, type[SimSiam]] = {"SimSiam": SimSiam, "MoCo": MoCo, "DINO": DINO}


class PytorchHost(InProcesses):
    """Needs no adapter: ``AugSelf(model, recorder, weights, taps=…)``, beside DDP."""

    key = "pytorch"

    name = "a loop of your own"
    packages: Mapping[str, str] = {}
    adapter = "augself_loss"
    missing: tuple[str, ...] = ()
    methods: tuple[str, ...] = tuple(METHODS)
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.1", 8)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "net.backbone."

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
        on_device = recording == "device"
        pipelines: list[Any] = [device()] * 2 if on_device else crops(many=method == "DINO")
        recorder: Any = records(pipelines, on_device=on_device)
        net = METHODS[method]()
        augself = None
        if weights is not None:
            read = self.inner.beside(FEATURES, net.taps) if deep else {"taps": net.taps}
            augself = AugSelf(net, recorder, weights, hidden_dim=16, **read)
        whole = nn.ModuleDict({"net": net} if augself is None else {"net": net, "augself": augself})

        def step(model: nn.Module, batch: Any) -> Losses:
            model = net if model is whole else model
            if augself is None:
                base = model(_views(pipelines, batch[0]) if on_device else batch[0])
                return Losses(base, base, None)
            base = model(augself.views(batch))
            term = augself.term()
            return Losses(base + term, base, term)

        data = Images(None if on_device else (each(pipelines) if augself is None else recorder))
        script = Script(whole, step, data, net.after, lambda _: DistributedDataParallel(net))
        return train(script, folder, epochs=epochs, **loop)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        return refused(lambda: TorchvisionRecorder(unknown()))


def _views(pipelines: list[Any], images: Tensor) -> list[Tensor]:
    with torch.no_grad():
        return [pipeline(images) for pipeline in pipelines]
