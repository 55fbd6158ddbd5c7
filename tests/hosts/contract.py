"""What the contract suite asks of every host framework, and how it looks into a training run."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from augself_loss.errors import PipelineError

TERM: Mapping[str, float] = {"crop": 1.0, "color": 1.0}
SILENT: Mapping[str, float] = {"crop": 0.0, "color": 0.0}
"""All weights 0: the host's run shall be its plain run, bit for bit."""
HEADS = "augself."
"""In the name of every parameter of the term: its module is called so in every host."""

Recording = Literal["CPU", "device"]


class Inner(NamedTuple):
    """A layer inside of the backbone of a host's first method."""

    tap: str
    width: int
    pool: Any = 2

    def beside(self, feature_dim: int, taps: Any, pool: Any = None) -> dict[str, Any]:
        """Say where a term of two depths reads: crop here, colour where it does without depths.

        Args:
            feature_dim: the width of what it reads else.
            taps: where that is.
            pool: how it is pooled.
        """
        return {
            "feature_dim": {"inner": self.width, "outer": feature_dim},
            "pool": {"inner": self.pool, "outer": pool},
            "depths": {"crop": "inner"},
            "taps": {"inner": self.tap, "outer": taps},
        }


class Host(Protocol):
    """One framework, trained for real by its own loop on a few small pictures."""

    name: str
    """As the table of docs/frameworks/index.md calls it."""
    packages: Mapping[str, str]
    """Distribution → the version that this table states."""
    adapter: str
    """The module of ours that its users import; the core one where no adapter is needed."""
    missing: tuple[str, ...]
    """Top-level modules without which the adapter must give the pip line; () without adapter."""
    methods: tuple[str, ...]
    recording: tuple[Recording, ...]
    resume: Literal["bit for bit", "weights"]
    """What a resumed run shares with one that was not interrupted: every bit, or all weights."""
    inner: Inner

    def backbone(self, method: str) -> str:
        """Return the prefix of the names of the parameters in front of the tap."""

    def run(
        self,
        folder: Path,
        method: str,
        *,
        weights: Mapping[str, float] | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        processes: int = 1,
        resume: bool = False,
        deep: bool = False,
    ) -> list[Run]:
        """Train in a seeded way, at least two steps an epoch, checkpoints in ``folder``.

        Args:
            folder: an empty folder, or with ``resume`` that of a run of fewer epochs.
            method: one of ``methods``.
            weights: the term's; ``None`` runs the plain script.
            recording: where augmentation runs, with and without the term.
            epochs: how many in all.
            processes: with 2, gloo processes.
            resume: go on from the last checkpoint in the folder.
            deep: the term is of two depths, ``inner`` and the usual one; of the first method only.

        Returns:
            One :class:`Run` per process.
        """

    def refusal(self, folder: Path) -> str:
        """Set a run up with the transform ``RandomMystery``; return the error's type and text."""


def refused(build: Callable[[], object]) -> str:
    """Build what a recorder must refuse; return the type and the text of its error."""
    try:
        build()
    except PipelineError as error:
        return f"{type(error).__name__}: {error}"
    return "no error"


@dataclass
class Run:
    """What one process's training run did; plain tensors, lists and strings."""

    base: list[float] = field(default_factory=list)
    """The host's own loss, step by step, without the term."""
    terms: list[float] = field(default_factory=list)
    """The term, weighted, step by step."""
    initial: dict[str, Tensor] = field(default_factory=dict)
    """Parameters before the first step of this run."""
    gradients: dict[str, Tensor] = field(default_factory=dict)
    """The first step's."""
    final: dict[str, Tensor] = field(default_factory=dict)
    """Parameters after the last step."""
    optimized: list[str] = field(default_factory=list)
    """Names of the parameters that some optimizer holds."""
    saved: dict[str, Tensor] = field(default_factory=dict)
    """The model's weights as the last checkpoint holds them, under the names of ``final``."""

    def heads(self, of: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pick the term's parameters."""
        return {name: tensor for name, tensor in of.items() if HEADS in name}

    def host(self, of: dict[str, Tensor]) -> dict[str, Tensor]:
        """Pick the host's own parameters."""
        return {name: tensor for name, tensor in of.items() if HEADS not in name}

    def write(self, path: Path) -> None:
        """Save, for the process that started this one."""
        torch.save(vars(self), path)

    @classmethod
    def read(cls, path: Path) -> Run:
        return cls(**torch.load(path, weights_only=True))


class Probe:
    """Looks at a run from the optimizer's side, which every host steps.

    Example: ``with probe() as seen: train(...)``, then ``run = seen.run(model)``, to which the host
    adds its losses and its checkpoint.
    """

    def __init__(self) -> None:
        self.initial: dict[int, Tensor] = {}
        self.gradients: dict[int, Tensor] = {}
        self.done: set[int] = set()

    def before(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Note the first step's parameters and gradients, before an optimizer scales those."""
        if id(optimizer) in self.done:
            return
        for p in _parameters(optimizer):
            self.initial[id(p)] = p.detach().clone()
        self._note_gradients(optimizer)

    def after(self, optimizer: torch.optim.Optimizer, *_: Any) -> None:
        """Note the gradients that a closure (Lightning's) computed during the step."""
        if id(optimizer) not in self.done:
            self._note_gradients(optimizer)
        self.done.add(id(optimizer))

    def _note_gradients(self, optimizer: torch.optim.Optimizer) -> None:
        for p in _parameters(optimizer):
            if p.grad is not None and id(p) not in self.gradients:
                self.gradients[id(p)] = p.grad.detach().clone()

    def run(self, model: nn.Module) -> Run:
        """Name what was seen.

        Args:
            model: the trained module, without a parallel wrapper.
        """
        named = dict(model.named_parameters())
        return Run(
            initial={n: self.initial[id(p)] for n, p in named.items() if id(p) in self.initial},
            gradients={
                n: self.gradients[id(p)] for n, p in named.items() if id(p) in self.gradients
            },
            final={n: p.detach().clone() for n, p in named.items()},
            optimized=[n for n, p in named.items() if id(p) in self.initial],
        )


def _parameters(optimizer: torch.optim.Optimizer) -> Iterator[Tensor]:
    for group in optimizer.param_groups:
        yield from group["params"]


@contextmanager
def probe() -> Iterator[Probe]:
    """Watch every optimizer of this process in this block."""
    seen = Probe()
    handles = (
        register_optimizer_step_pre_hook(seen.before),
        register_optimizer_step_post_hook(seen.after),
    )
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


HOSTS = {
    "pytorch": "pytorch_host:PytorchHost",
    "lightly": "lightly_host:LightlyHost",
    "vits": "lightly_vits_host:LightlyVitsHost",
    "lightning": "lightning_host:LightningHost",
    "stable_pretraining": "stable_pretraining_host:StablePretrainingHost",
    "solo_learn": "solo_learn_host:SoloLearnHost",
    "vissl": "vissl_host:VisslHost",
    "mmpretrain": "mmpretrain_host:MMPretrainHost",
    "pytorch_metric_learning": "pytorch_metric_learning_host:PytorchMetricLearningHost",
    "transformers": "transformers_host:TransformersHost",
    "byol_pytorch": "byol_pytorch_host:ByolPytorchHost",
}
"""``--host NAME`` → module and class, which import the framework."""

FURTHER = {"objectives": "objective_host:ObjectiveHost"}
"""Those with tests of their own."""


def load_host(name: str) -> Host:
    module, _, cls = {**HOSTS, **FURTHER}[name].partition(":")
    host: Host = getattr(importlib.import_module(module), cls)()
    return host
