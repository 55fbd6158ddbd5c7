"""The step of a training loop of one's own: views off a batch, features on the way, one term."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.arguments import check_whole
from augself_loss.errors import LossError
from augself_loss.heads_watch import HeadWatch
from augself_loss.hosting.conditioned import conditioned
from augself_loss.hosting.depth_taps import DepthTaps, Taps, listed, tapped
from augself_loss.hosting.ends import check_end
from augself_loss.hosting.finding import as_recorded, moved, views_in
from augself_loss.hosting.in_sync import InSync
from augself_loss.hosting.optimizers import join, with_weights
from augself_loss.hosting.pairing import Views
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.third_view import ThirdView, check_compared
from augself_loss.hosting.watching import Watching
from augself_loss.keywords import innermost, layers
from augself_loss.optimizers import Optimizer
from augself_loss.output import Output
from augself_loss.parameters import Record
from augself_loss.recording.multiview import MultiViewRecorder, Recorder
from augself_loss.term_watch import TermWatch
from augself_loss.views import tensors_in

WHOLE = "model"
"""What the model is called where it is tapped itself."""


@dataclass
class _Model:
    """The user's model, kept where it is no submodule of the term.

    Args:
        root: what the taps' names are read in.
        given: the module as it was given, perhaps in DDP's wrapper.
        taps: where its features are taken.
        third: what an objective's own view is run through.
    """

    root: nn.Module
    given: nn.Module
    taps: FeatureTaps | DepthTaps
    third: ThirdView | None

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        parameter = next(self.given.parameters(), torch.empty(0))
        return parameter.device

    def training(self) -> nn.Module:
        """Return the root, in the mode that the model is in."""
        self.root.training = self.given.training
        return self.root


@dataclass
class _Batch:
    """The batch whose step runs."""

    views: list[Tensor] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """What a loop reads, as its user said.

    Args:
        taps: names of the submodules that return features; default the model itself.
        views: which views are paired.
        third: which view is the objective's alone.
        through: what that view is run through.
        in_order: see :class:`~augself_loss.taps.FeatureTaps`.
    """

    taps: Taps | None = None
    views: Views = "global"
    third: int | None = None
    through: str | None = None
    in_order: bool = False


class Loop:
    """What :class:`~augself_loss.AugSelf` and :class:`~augself_loss.PlainStep` do in a step.

    Args:
        name: of the class that the user called, for messages.
        model: the user's network.
        recorder: what makes the views.
        objective: the loss, or ``None`` where the model holds conditioned projectors alone.
        reading: what is read.
        heads: what has to learn, see :class:`~augself_loss.heads_watch.HeadWatch`.
        patience: see :func:`~augself_loss.wrapper.with_augself`.

    Raises:
        LossError, RecordError: as these classes do.
    """

    def __init__(
        self,
        name: str,
        model: nn.Module,
        recorder: MultiViewRecorder | Recorder,
        objective: Any,
        reading: Reading,
        *,
        heads: nn.Module | None,
        patience: int,
    ) -> None:
        several = as_several(recorder)
        if objective is not None:
            objective.check_recorder(several)
        self.name, self._objective = name, objective
        self._recorder, self._paired = several, reading.views
        self.model = _tapped(name, model, objective, reading, len(several.recorders))
        self._batch, self._block = _Batch(), ExitStack()
        self._watching = Watching(self.model.taps, conditions=bool(conditioned(model)))
        self._watch = HeadWatch(heads, check_whole("patience", patience))
        self._use = TermWatch(name, patience)
        self._in_sync = None if objective is None else InSync(objective, model)
        self._marked, self._device = False, self.model.device

    def join(self, *optimizers: Optimizer) -> None:
        """Let networks of the objective be trained by optimizers that were built without them."""
        if self._objective is not None:
            beside = with_weights(self.model.root, self.model.taps.names)
            join(optimizers, self._objective, beside)

    def views(
        self, batch: Any, device: torch.device | str | int | None, *, stacklevel: int
    ) -> list[Tensor]:
        """Take the records off a batch, or augment its images; return the host's views."""
        if self._batch.views and self._trains and any(self._objective.weights.values()):
            self._use.skipped(stacklevel=stacklevel + 1)
        self._block.close()
        self._batch = _Batch()  # if this batch is refused, the term must not be of the last one
        found = views_in(batch)
        self._follow()
        there = self.model.device if device is None else torch.device(device)
        views, records = as_recorded(found, self._recorder, there, check=not self._marked)
        self._marked = True
        if self.model.third is not None:
            self.model.third.take(views, records)
        self._batch = _Batch(views, records)
        self._take()
        return list(views)

    def enter(self) -> None:
        """Take features from here on alone."""
        self._check_batch()
        self._take()

    def exit(self) -> None:
        """Take no more features."""
        self._block.close()

    def compute(self, *, stacklevel: int) -> Output:
        """Compute the term of the step's views.

        Args:
            stacklevel: of the user's call, for a warning.

        Raises:
            LossError: no views before it.
            FeatureError: see :meth:`FeatureTaps.features`.
        """
        self._check_batch()
        objective, batch, taps = self._objective, self._batch, self.model.taps
        self._block.close()  # a backward pass may run some layers again
        if objective is None:
            self._batch = _Batch()
            return Output(torch.zeros((), device=self.model.device), {})
        features, records = self._watching.compared(
            objective, self._paired, batch.views, batch.records
        )
        if features:
            there = tensors_in(features)[0].device
            records = [moved(record, there) for record in records]
        assert self._in_sync is not None
        shape: Any = getattr(objective, "shape_heads", id)  # DDP wants to know all shapes
        run = self._in_sync.runner(lambda: shape(features))
        if self.model.third is None:
            out: Output = run(features, records)
        else:
            root = self.model.training()
            out = self.model.third.compute(objective, features, records, root, taps, run)
        taps.forget()
        self._batch = _Batch()
        if self._trains and not torch.compiler.is_compiling():
            self._watch.look(stacklevel=stacklevel + 1)
            self._use.computed(out.total, stacklevel=stacklevel + 1)
        return out

    @property
    def records(self) -> list[Record]:
        """Those of the step's views."""
        return self._batch.records

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle as between two steps: a copied model is not the one that is watched."""
        return {**vars(self), "_batch": _Batch(), "_block": ExitStack()}

    def _follow(self) -> None:
        """Bring what learns to the model's device, if the model was moved since."""
        if self.model.device != self._device:
            self._device = self.model.device
            if self._objective is not None:
                self._objective.to(self._device)

    @property
    def _trains(self) -> bool:
        """Whether a step is to learn."""
        learns = self._objective is not None and self._objective.training
        return learns and torch.is_grad_enabled()

    def _take(self) -> None:
        """Begin to take features."""
        self._block.close()
        root = self.model.training()
        batch = self._batch
        self._block.enter_context(self._watching.step(root, batch.views, lambda: batch.records))

    def _check_batch(self) -> None:
        if not self._batch.views:
            call = "augself" if self.name == "AugSelf" else "step"  # as the documentation writes
            raise LossError(
                f"{self.name} expected views since the last term, found none. Each step, or "
                f"micro-batch, call views = {call}.views(batch), then your forward pass, then "
                f"{call}.term() once. For several losses in a step, reuse the returned term."
            )


def _tapped(name: str, model: nn.Module, objective: Any, reading: Reading, count: int) -> _Model:
    taps = reading.taps
    root = nn.ModuleDict({WHOLE: model}) if taps is None else _knowing(model, listed(taps))
    names = WHOLE if taps is None else taps
    third = ThirdView.beside(root, objective, names, reading.third, reading.through, count=count)
    check_compared(reading.views, objective, third, count=count)
    found = tapped(root, objective, names, in_order=reading.in_order)
    if taps is None:
        check_end(name, model)
    return _Model(root, model, found, third)


def as_several(recorder: Any) -> MultiViewRecorder:
    """Take a single recorder for both of two views."""
    several: MultiViewRecorder = recorder
    return several if hasattr(recorder, "recorders") else MultiViewRecorder(recorder)


def check_model(name: str, model: object) -> None:
    """Refuse what is no module.

    Raises:
        LossError: it is none.
    """
    if not isinstance(model, nn.Module):
        raise LossError(
            f"{name} expected your model, a torch.nn.Module, found {type(model).__name__}. "
            "Pass the module itself, not a function."
        )


def _knowing(model: nn.Module, names: Sequence[str]) -> nn.Module:
    """Find the module that the taps' names are meant in: within wrappers, if it knows them."""
    inner: nn.Module = innermost(model)

    def knows(root: nn.Module) -> bool:
        known = dict(root.named_modules(remove_duplicate=False))
        return all(isinstance(name, str) and name in known for name in names)

    return next(filter(knows, (inner, *layers(model))), inner)
