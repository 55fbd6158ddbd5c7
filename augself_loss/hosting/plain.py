"""The term beside a training loop of your own: a step's views, features and records."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.checks import check_whole
from augself_loss.errors import LossError
from augself_loss.heads_watch import HeadWatch
from augself_loss.hosting.depth_taps import DepthTaps, Taps, listed, tapped
from augself_loss.hosting.finding import as_recorded, moved, views_in
from augself_loss.hosting.in_sync import InSync
from augself_loss.hosting.optimizers import join, with_weights
from augself_loss.hosting.pairing import Views, check_views, paired
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.term import detached
from augself_loss.keywords import innermost, layers
from augself_loss.loss import AugSelfLoss, Output
from augself_loss.optimizers import Optimizer
from augself_loss.parameters import Record
from augself_loss.recording.multiview import MultiViewRecorder, Recorder
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
    """

    root: nn.Module
    given: nn.Module
    taps: FeatureTaps | DepthTaps

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


class AugSelf(AugSelfLoss):
    """AugSelf for a training loop of your own: four lines beside the ones that you have.

    It is the loss with its heads, and it knows your model. :meth:`views` takes the records off a
    batch. From there on it takes features while your own forward runs, and finds out which of them
    are which view's; :meth:`term` computes the loss of them.

    Multi-crop, momentum encoders, AMP, accumulation, compiled and distributed models stay as they
    are. In several processes it keeps its heads in sync by itself, unless your own DDP module holds
    them (``model.augself = augself`` before it is wrapped).

    Save its ``state_dict()`` beside your model's, and load it before the first step of a run that
    is resumed.

    Args:
        model: your network, in whatever wrapper; or the backbone alone.
        recorder: what makes the views: a :class:`MultiViewRecorder`, in the data set's place of
            the transform or, of Kornia's pipelines, on the device. A single recorder makes two.
        weights: type name → λ, see :class:`~augself_loss.loss.AugSelfLoss`.
        taps: name of the submodule that returns the features before the projector, or several (a
            view's features are those of the first that saw it: ``("encoder_q", "encoder_k")``).
            Of a loss of several depths a dict, depth → submodule:
            ``{"layer3": "backbone.layer3", "backbone": "backbone"}``. Default: the model itself.
        views: which views are paired: the ``global`` ones (those with the most pixels), ``all``,
            or a list of indices.
        optimizer: built already? Then the heads join the group of the tapped submodule. Else pass
            ``augself.parameters()`` to the one that you build.
        in_order: your word that the taps' rows keep the views' order, see
            :class:`~augself_loss.taps.FeatureTaps`.
        patience: see :func:`~augself_loss.wrapper.with_augself`.
        **options: of :class:`~augself_loss.loss.AugSelfLoss`. ``feature_dim`` may be left out;
            ``encoders`` are the recorder's, and those given replace them by name.

    Attributes:
        logged: the last ``total`` and every type's unweighted loss, by name, detached.

    Raises:
        LossError: no module, an unknown tap, wrong weights or views, or an optimizer that does not
            train the tapped submodule.
        RecordError: the recorder does not record what the loss predicts.

    Example:
        >>> import kornia.augmentation as K
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> recorder = KorniaRecorder(K.AugmentationSequential(K.RandomResizedCrop((8, 8))))
        >>> model = nn.Sequential(nn.Flatten(), nn.Linear(192, 16), nn.Linear(16, 4))
        >>> augself = AugSelf(model, recorder, {"crop": 1.0}, taps="1")
        >>> optimizer = torch.optim.SGD([*model.parameters(), *augself.parameters()], lr=0.1)
        >>> view1, view2 = augself.views(torch.rand(6, 3, 12, 12))
        >>> loss = -nn.functional.cosine_similarity(model(view1), model(view2)).mean()
        >>> (loss + augself.term()).backward()
        >>> augself.feature_dim
        16
    """

    logged: dict[str, Tensor]

    def __init__(
        self,
        model: nn.Module,
        recorder: MultiViewRecorder | Recorder,
        weights: Mapping[str, float] | None = None,
        *,
        taps: Taps | None = None,
        views: Views = "global",
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        in_order: bool = False,
        patience: int = 32,
        encoders: Iterable[Any] = (),
        **options: Any,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise LossError(
                f"AugSelf expected your model, a torch.nn.Module, found {type(model).__name__}."
            )
        several: Any = recorder
        if not hasattr(recorder, "recorders"):
            several = MultiViewRecorder(recorder)
        super().__init__(weights=weights, encoders=[*several.encoders, *encoders], **options)
        self.check_recorder(several)
        check_views(views, len(several.recorders))
        self._recorder, self._paired = several, views
        self._model = _tapped(model, self, taps, in_order=in_order)
        self._batch, self._block = _Batch(), ExitStack()
        self._watch = HeadWatch(self, check_whole("patience", patience))
        self._in_sync, self._marked = InSync(self, model), False
        self.logged = {}
        self.to(self._model.device)
        if optimizer is not None:
            self.join(*(optimizer if isinstance(optimizer, Sequence) else (optimizer,)))

    def join(self, *optimizers: Optimizer) -> None:
        """Let the heads be trained by optimizers that were built without them.

        Args:
            *optimizers: all of the run; the one that trains the tapped submodule takes them.

        Raises:
            LossError: none trains it, or it cannot take more parameters.
        """
        join(optimizers, self, with_weights(self._model.root, self._model.taps.names))

    def views(self, batch: Any, device: torch.device | str | int | None = None) -> list[Tensor]:
        """Take the records off a batch, or augment its images, before your forward; once a step.

        Features are taken from here until :meth:`term`. If other images pass the tapped submodule
        in between, put your forward alone into ``with augself:``.

        Args:
            batch: what the data loader gave: N views and their packed records, as a recorder in
                the data set makes them, wherever in the batch they are; or one tensor of images
                ``(B, C, H, W)``, uint8 or floats in [0, 1], for a recorder of Kornia's.
            device: where to bring views and records; default where the model is.

        Returns:
            The N views ``(B, …)``, for your forward.

        Raises:
            RecordError: no records, several batches in one, or another recorder's records.
        """
        found = views_in(batch)
        there = self._model.device if device is None else torch.device(device)
        views, records = as_recorded(found, self._recorder, there, check=not self._marked)
        self._marked = True
        self._batch = _Batch(views, records)
        self._take()
        return list(views)

    def __enter__(self) -> AugSelf:
        """Take features in this block alone."""
        self._check_batch()
        self._take()
        return self

    def __exit__(self, *_: object) -> None:
        self._block.close()

    def term(self) -> Tensor:
        """Compute the term of the step's views, to add to your loss.

        Returns:
            Σ λ · L, a scalar. ``augself.logged`` holds it by type.

        Raises:
            LossError: no views before it, or the step's term was computed already.
            FeatureError: see :meth:`FeatureTaps.features`; or features that do not fit.
        """
        self._check_batch()
        batch, taps = self._batch, self._model.taps
        self._block.close()  # a backward pass may run some layers again
        wanted = paired(self._paired, batch.views)
        features = taps.features(wanted)
        there = tensors_in(features)[0].device
        records = [moved(batch.records[i], there) for i in wanted]
        run = self._in_sync.runner(lambda: self._vectors(features))
        out: Output = run(features, records)
        taps.forget()
        self._batch = _Batch()
        self.logged = detached(out)
        if self.training and torch.is_grad_enabled() and not torch.compiler.is_compiling():
            self._watch.look(stacklevel=3)
        return out.total

    def _take(self) -> None:
        """Begin to take features."""
        self._block.close()
        self._block.enter_context(self._model.taps.watch(self._model.training(), self._batch.views))

    def _check_batch(self) -> None:
        if not self._batch.views:
            raise LossError(
                "AugSelf expected views = augself.views(batch) once a step, then your forward, "
                "then one augself.term(); found no views since the last term. Of several losses a "
                "step add up what one term returned."
            )


def _tapped(model: nn.Module, augself: AugSelfLoss, taps: Taps | None, *, in_order: bool) -> _Model:
    root = nn.ModuleDict({WHOLE: model}) if taps is None else _knowing(model, listed(taps))
    names = WHOLE if taps is None else taps
    return _Model(root, model, tapped(root, augself, names, in_order=in_order))


def _knowing(model: nn.Module, names: Sequence[str]) -> nn.Module:
    """Find the module that the taps' names are meant in: within wrappers, if it knows them."""
    inner: nn.Module = innermost(model)

    def knows(root: nn.Module) -> bool:
        known = dict(root.named_modules(remove_duplicate=False))
        return all(isinstance(name, str) and name in known for name in names)

    return next(filter(knows, (inner, *layers(model))), inner)
