"""The term beside a training loop of your own: AugSelf, or another objective."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.loop import Loop, Reading, as_several, check_model
from augself_loss.hosting.objectives import check_objective
from augself_loss.hosting.pairing import Views
from augself_loss.hosting.term import detached
from augself_loss.loss import AugSelfLoss
from augself_loss.objectives import Objective, Objectives
from augself_loss.optimizers import Optimizer
from augself_loss.parameters import Record
from augself_loss.recording.multiview import MultiViewRecorder, Recorder


class _Step:
    """What both offer, beside being modules."""

    _loop: Loop
    logged: dict[str, Tensor]

    def join(self, *optimizers: Optimizer) -> None:
        """Add the heads to optimizers that were built without them.

        Args:
            *optimizers: all of the run; the one that trains the tapped submodule takes the heads.

        Raises:
            LossError: none trains it, or it cannot take more parameters.
        """
        self._loop.join(*optimizers)

    def views(self, batch: Any, device: torch.device | str | int | None = None) -> list[Tensor]:
        """Take the records off a batch, or augment its images, before your forward; once a step.

        Features are captured from here until :meth:`term`. If other images pass through the tapped
        submodule in between, wrap your forward alone in ``with`` and this object.

        Args:
            batch: what the data loader gave: N views and their packed records, as a recorder in
                the data set makes them, anywhere in the batch; or, for a Kornia recorder, one
                tensor of images ``(B, C, H, W)``, uint8 or floats in [0, 1].
            device: where to move views and records; default: the model's.

        Returns:
            The views ``(B, …)`` for your forward: all but an objective's third one.

        Raises:
            RecordError: no records, several batches in one, or another recorder's records.
        """
        return self._loop.views(batch, device, stacklevel=2)

    @property
    def records(self) -> list[Record]:
        """Records of the views that :meth:`views` returned, one per view, until :meth:`term`."""
        return self._loop.records

    def __enter__(self) -> Any:
        """Capture features in this block only."""
        self._loop.enter()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.exit()

    def term(self) -> Tensor:
        """Compute the term for the step's views, to add to your loss.

        Returns:
            Σ λ · L, a scalar. ``logged`` holds it by name.

        Raises:
            LossError: no views before it, or the step's term was already computed.
            FeatureError: see :meth:`FeatureTaps.features`; or features that do not fit.
        """
        out = self._loop.compute(stacklevel=3)
        self.logged = detached(out)
        return out.total

    def _after_building(self, optimizer: Optimizer | Sequence[Optimizer] | None) -> None:
        self.logged = {}
        if isinstance(self, nn.Module):
            self.to(self._loop.model.device)
        if optimizer is not None:
            self.join(*(optimizer if isinstance(optimizer, Sequence) else (optimizer,)))


class AugSelf(_Step, AugSelfLoss):
    """Adds AugSelf to a training loop of your own.

    It is the loss with its heads, and it knows your model. :meth:`views` takes the records off a
    batch. From then on it captures features while your own forward runs, and matches them to the
    views; :meth:`term` computes their loss.

    Multi-crop, momentum encoders, AMP, accumulation, compiled and distributed models need no
    change. With several processes it keeps its heads in sync itself, unless your own DDP module
    holds them (``model.augself = augself`` before you wrap it).

    Save its ``state_dict()`` beside your model's. To resume, load it before the first step.

    Args:
        model: your network, in any wrapper, or the backbone alone.
        recorder: makes the views: a :class:`MultiViewRecorder`, as the data set's transform or,
            with Kornia pipelines, on the device. A single recorder makes two views.
        weights: type name → λ, see :class:`~augself_loss.loss.AugSelfLoss`.
        taps: name of the submodule that returns the features before the projector, or several (a
            view's features are those of the first that saw it: ``("encoder_q", "encoder_k")``).
            With several depths, a dict, depth → submodule:
            ``{"layer3": "backbone.layer3", "backbone": "backbone"}``. Default: the model itself,
            but for one that ends in a projector.
        views: which views to pair: the ``global`` ones (those with the most pixels), ``all``,
            or a list of indices.
        optimizer: yours, if it is built already: the heads join the tapped submodule's group.
            Otherwise pass ``augself.parameters()`` to the one that you build.
        in_order: your word that the taps' rows keep the views' order, see
            :class:`~augself_loss.taps.FeatureTaps`.
        patience: see :func:`~augself_loss.wrapper.with_augself`; also after how many steps a term
            that is not used is told.
        **options: of :class:`~augself_loss.loss.AugSelfLoss`. ``feature_dim`` may be left out;
            ``encoders`` default to the recorder's, and those given replace them by name.

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
        check_model("AugSelf", model)
        several = as_several(recorder)
        super().__init__(weights=weights, encoders=[*several.encoders, *encoders], **options)
        reading = Reading(taps, views, in_order=in_order)
        self._loop = Loop(
            "AugSelf", model, several, self, reading, heads=self.heads, patience=patience
        )
        self._after_building(optimizer)


class PlainStep(_Step, nn.Module):
    """Adds any objective to a training loop of your own, as :class:`AugSelf` adds AugSelf's.

    From :meth:`views` until :meth:`term`, a
    :class:`~augself_loss.objectives.ConditionedProjector` in the model, and in its momentum copy,
    gets the record of the view that it is given.

    Args:
        model: your network, in any wrapper, or the backbone alone.
        recorder: makes the views, as for :class:`AugSelf`.
        objective: an :class:`~augself_loss.objectives.Objective`, an ``AugSelfLoss``, or several as
            :class:`~augself_loss.objectives.Objectives`; ``None`` if the model holds a conditioned
            projector and no term is added.
        taps: as for :class:`AugSelf`. With a conditioned projector, name every network whose
            features are projected, including the momentum encoder.
        views: which views to pair, of those without the third.
        third: index, from 0, of the objective's own view: :meth:`term` runs it through the
            network, and your forward does not see it.
        through: name of the submodule to call with that view's images; by default what your
            forward called with the others, the tapped submodule or the innermost one around it.
            ``""`` is the model itself.
        optimizer: as for :class:`AugSelf`.
        in_order: see :class:`~augself_loss.taps.FeatureTaps`.
        patience: see :func:`~augself_loss.wrapper.with_augself`; also after how many steps a term
            that is not used is told.

    Attributes:
        objective: the objective; save its state beside your model's.
        logged: the last ``total`` and every term, unweighted, by name, detached.

    Raises:
        LossError: no module, no objective, an unknown tap, wrong views, a missing or superfluous
            third view, or an optimizer that does not train the tapped submodule.
        RecordError: the recorder does not record what the objective needs.

    Example:
        >>> import kornia.augmentation as K
        >>> from augself_loss.objectives import ESSL
        >>> from augself_loss.recording.kornia import KorniaRecorder
        >>> view = KorniaRecorder(K.RandomResizedCrop((8, 8)))
        >>> small = KorniaRecorder(K.RandomResizedCrop((4, 4)))
        >>> recorder = MultiViewRecorder([view, view, small])
        >>> backbone = nn.Sequential(nn.Conv2d(3, 16, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        >>> step = PlainStep(backbone, recorder, ESSL(16, hidden_dims=[32]), third=2)
        >>> optimizer = torch.optim.SGD([*backbone.parameters(), *step.parameters()], lr=0.1)
        >>> view1, view2 = step.views(torch.rand(6, 3, 12, 12))
        >>> loss = -nn.functional.cosine_similarity(backbone(view1), backbone(view2)).mean()
        >>> (loss + step.term()).backward()
        >>> list(step.logged)
        ['total', 'essl']
    """

    def __init__(
        self,
        model: nn.Module,
        recorder: MultiViewRecorder | Recorder,
        objective: Objective | Objectives | AugSelfLoss | None,
        *,
        taps: Taps | None = None,
        views: Views = "global",
        third: int | None = None,
        through: str | None = None,
        optimizer: Optimizer | Sequence[Optimizer] | None = None,
        in_order: bool = False,
        patience: int = 32,
    ) -> None:
        check_model("PlainStep", model)
        check_objective(model, objective, "PlainStep")
        super().__init__()
        self.objective = objective
        reading = Reading(taps, views, third, through, in_order)
        self._loop = Loop(
            "PlainStep", model, recorder, objective, reading, heads=objective, patience=patience
        )
        self._after_building(optimizer)

    def check_optimizer(self, *optimizers: Optimizer) -> None:
        """Refuse optimizers that lack the objective's networks.

        Raises:
            LossError: none of them holds some parameter.
        """
        if self.objective is not None:
            self.objective.check_optimizer(*optimizers)
