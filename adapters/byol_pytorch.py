"""BYOL of ``byol_pytorch`` with AugSelf: import :class:`BYOL` from here, and give it two arguments.

The learner is called with images and returns the loss to train on, as it always did.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.errors import LossError, missing_extra
from augself_loss.hosting.depth_taps import Taps, renamed
from augself_loss.hosting.term import Term
from augself_loss.loss import AugSelfLoss
from augself_loss.output import Output
from augself_loss.parameters import Record
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

try:
    import byol_pytorch
except ImportError as error:
    raise missing_extra(__name__, "byol-pytorch", "byol-pytorch") from error

Host: Any = byol_pytorch.BYOL


class BYOL(Host):  # type: ignore[misc]
    """``byol_pytorch.BYOL`` whose loss has the AugSelf term added.

    The features are those of the hidden layer, before the projector. Without ``augself`` and
    ``recorder`` it is the plain learner. The heads are its submodule ``augself``: they are in
    ``learner.parameters()``, in its DDP wrapper and in its state.

    Args:
        net: the network, as for ``byol_pytorch.BYOL``.
        image_size: side of the views in pixels.
        augself: the term; build it with ``encoders=recorder.encoders`` and the hidden layer's
            width as ``feature_dim``.
        recorder: makes the two views of a batch of images ``(B, C, H, W)`` and records how, instead
            of ``augment_fn`` and ``augment_fn2``: ``MultiViewRecorder(KorniaRecorder(...))``.
        hidden_layer: name, or index among the children, of the layer whose output is projected.
        taps: with several depths, a dict, depth → name of a submodule of ``net``. Default: the
            hidden layer.
        **options: further arguments of ``byol_pytorch.BYOL``.

    Attributes:
        base: BYOL's loss of the last call, before the term was added, detached.
        augself_output: the term's :class:`~augself_loss.output.Output` of the last call, detached.

    Raises:
        LossError: one of ``augself`` and ``recorder`` without the other, an ``augment_fn`` beside
            the recorder, or a recorder that does not make two views by Kornia.
        RecordError: the recorder does not record what the loss predicts.
        EncoderError: the recorder's ranges exceed the loss's.

    Example:
        >>> import kornia.augmentation as K
        >>> recorder = MultiViewRecorder(KorniaRecorder(K.RandomHorizontalFlip()))
        >>> augself = AugSelfLoss(8, {"flip": 1.0}, encoders=recorder.encoders)
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(48, 8))
        >>> learner = BYOL(net, 4, augself=augself, recorder=recorder, hidden_layer=-1)
        >>> learner(torch.rand(2, 3, 4, 4)).shape
        torch.Size([])
    """

    base: Tensor | None = None
    augself_output: Output | None = None

    def __init__(
        self,
        net: nn.Module,
        image_size: int,
        *,
        augself: AugSelfLoss | None = None,
        recorder: MultiViewRecorder | None = None,
        hidden_layer: str | int = -2,
        taps: Taps | None = None,
        **options: Any,
    ) -> None:
        kept = None if augself is None and recorder is None else _kept(augself, recorder, options)
        self._kept: _Kept | None = None  # the host runs a mock batch through itself
        if kept is not None:
            options |= {"augment_fn": kept.first, "augment_fn2": kept.second}
        super().__init__(net, image_size, hidden_layer=hidden_layer, **options)
        self._kept = kept
        if kept is not None and augself is not None:
            names: Taps = _tap(net, hidden_layer)
            if taps is not None:
                names = renamed(taps, lambda name: f"net.{name}")
            self.augself_step = Term.beside(self, augself, kept.recorder, names, "all", count=2)
            self.augself: Any = augself

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Any:
        """Compute the loss, or, as the host, an embedding.

        Args:
            x: images ``(B, C, H, W)``.
            *args: the host's ``return_embedding`` and ``return_projection``.
            **kwargs: the same.

        Returns:
            BYOL's loss plus the term, a scalar; or what the host returns for embeddings.
        """
        if self._kept is None or (args and args[0]) or kwargs.get("return_embedding"):
            return super().forward(x, *args, **kwargs)
        step = self.augself_step
        with self._kept as kept, step.watch(self, kept.views):
            base: Tensor = super().forward(x, *args, **kwargs)
            step.records = kept.records
            out = step.compute(self.augself)
        self.base = base.detach()
        terms = {name: term.detach() for name, term in out.terms.items()}
        self.augself_output = Output(out.total.detach(), terms)
        return base + out.total


class _Kept:
    """The two augmentation functions given to the host; in its block they keep their records."""

    def __init__(self, recorder: MultiViewRecorder) -> None:
        self.recorder, self.active = recorder, False
        self.views: list[Tensor] = []
        self.records: list[Record] = []

    def first(self, images: Tensor) -> Any:
        return self._view(0, images)

    def second(self, images: Tensor) -> Any:
        return self._view(1, images)

    def _view(self, number: int, images: Tensor) -> Any:
        if not self.active:  # the host's mock batch, noise that is no image
            pipeline: Any = self.recorder.recorders[number]
            return pipeline.pipeline(images)
        with torch.no_grad():
            view, record = self.recorder.view(number, images)
        self.records.append(record)
        self.views.append(view)
        return view

    def __enter__(self) -> _Kept:
        self.views, self.records, self.active = [], [], True
        return self

    def __exit__(self, *_: object) -> None:
        self.views, self.records, self.active = [], [], False


def _kept(augself: object, recorder: object, options: dict[str, Any]) -> _Kept:
    if not isinstance(augself, AugSelfLoss) or not isinstance(recorder, MultiViewRecorder):
        raise LossError(
            "BYOL expected augself=AugSelfLoss(...) together with "
            f"recorder=MultiViewRecorder(...), found {type(augself).__name__} and "
            f"{type(recorder).__name__}."
        )
    pipelines = [type(r).__name__ for r in recorder.recorders]
    if len(pipelines) != 2 or not all(isinstance(r, KorniaRecorder) for r in recorder.recorders):
        raise LossError(
            "BYOL expected a recorder of two views by Kornia, since it augments whole batches, "
            f"found {pipelines}. Use MultiViewRecorder(KorniaRecorder(pipeline))."
        )
    replaced = [name for name in ("augment_fn", "augment_fn2") if options.get(name) is not None]
    if replaced:
        raise LossError(
            f"BYOL expected only the recorder to make the views, found '{replaced[0]}' too. Move "
            "that pipeline into the recorder: MultiViewRecorder(KorniaRecorder(pipeline))."
        )
    return _Kept(recorder)


def _tap(net: nn.Module, layer: str | int) -> str:
    """Name the hidden layer inside the learner; the host itself refuses one that is not there."""
    if layer == -1:
        return "net"
    inside = layer if isinstance(layer, str) else [name for name, _ in net.named_children()][layer]
    return f"net.{inside}"
