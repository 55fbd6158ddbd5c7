"""What a LightningModule's training step does for AugSelf: batch in, term out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import LossError, RecordError
from augself_loss.hosting.pairing import Views, paired
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.loss import Output
from augself_loss.parameters import Layout, Record
from augself_loss.recording.multiview import MultiViewRecorder, is_packed, split_views


@dataclass
class Step:
    """How one module's batches are read, and the state of the step that runs.

    Args:
        taps: where features are taken.
        layout: the records' layout.
        views: which views are paired.
        images: where in the batch the views are: an index, a key, or ``None`` for the batch.
        recorder: augments batches on the device, or ``None`` where workers did.
        log: prefix of what is logged, or ``None``.
    """

    taps: FeatureTaps
    layout: Layout
    views: Views
    images: int | str | None
    recorder: MultiViewRecorder | None
    log: str | None
    records: list[Record] = field(default_factory=list)
    current: list[Tensor] = field(default_factory=list)
    waiting: bool = False
    """Whether a step runs whose term is not computed yet."""
    marked: bool = False
    """Whether a batch's records were seen to be those of the recorder."""

    def augmented(self, batch: Any, dtype: torch.dtype) -> Any:
        """Replace the batch's images by views and their records (device augmentation).

        Args:
            batch: the batch, on the device.
            dtype: the module's, which uint8 images are brought to.
        """
        images = self._images(batch)
        if self.recorder is None or not isinstance(images, Tensor):
            raise RecordError(
                f"Augmentation on the device expected a tensor of images at {self.images!r} of the "
                f"batch, found {type(images).__name__}. Say where they are: images='image'."
            )
        if images.dtype == torch.uint8:
            images = (images / 255).to(dtype)
        with torch.no_grad():
            return self._replaced(batch, self.recorder(images))

    def separate(self, batch: Any) -> tuple[Any, list[Tensor]]:
        """Take the records off the batch, and keep them for :meth:`term`."""
        views = self._images(batch)
        if isinstance(views, Tensor) or not isinstance(views, Sequence):
            raise RecordError(
                f"AugSelf expected a list of views and their records at {self.images!r} of the "
                f"batch, found {type(views).__name__}. Give the recorder to the data set as its "
                "transform (or on_device=True for Kornia; a DataModule's own "
                "on_after_batch_transfer replaces the module's)."
            )
        first, self.marked = not self.marked, True
        alone, self.records = split_views(views, self.layout, check=first)
        return self._replaced(batch, alone), alone

    def stripped(self, batch: Any) -> Any:
        """Take the records off a batch for evaluation, where it has some."""
        try:
            views = self._images(batch)
        except (KeyError, IndexError, TypeError, RecordError):
            return batch
        recorded = isinstance(views, (list, tuple)) and len(views) > 0 and is_packed(views[-1])
        return self._replaced(batch, list(views[:-1])) if recorded else batch

    @contextmanager
    def watch(self, module: Any, views: list[Tensor]) -> Iterator[None]:
        """Take features for these views while the host's step runs."""
        self.current, self.waiting = views, True
        try:
            with self.taps.watch(module, views):
                yield
        finally:
            self.taps.forget()
            self.current, self.records, self.waiting = [], [], False

    def term(self, module: Any, base: Any) -> Tensor:
        """Compute the term from the features taken so far, and log it.

        Args:
            module: the LightningModule.
            base: the host's loss, to log.

        Returns:
            Σ λ_a · L_a, a scalar.
        """
        self.waiting = False
        wanted = paired(self.views, self.current)
        features = self.taps.features(wanted)
        self.taps.stop()
        out: Output = module.augself(features, [self.records[i] for i in wanted])
        self._log(module, {"total": out.total, "base": base, **out.terms})
        return out.total

    def check_manual(self) -> None:
        """Refuse a step of manual optimization that ran the tapped module without its term."""
        if self.waiting and self.taps.called:
            raise LossError(
                "AugSelf adds its term to the first loss that a manually optimized step gives to "
                "self.manual_backward(loss), found none. Call it instead of loss.backward()."
            )

    @torch.compiler.disable  # type: ignore[untyped-decorator]
    def _log(self, module: Any, values: dict[str, Tensor]) -> None:
        # Before 1.8, Lightning keeps the trainer as a plain attribute.
        trainer = getattr(module, "_trainer", None) or vars(module).get("trainer")
        if self.log is not None and trainer is not None:
            logged = {f"{self.log}/{name}": value.detach() for name, value in values.items()}
            module.log_dict(logged, batch_size=len(self.current[0]))

    def _images(self, batch: Any) -> Any:
        if self.images is None:
            return batch
        try:
            return batch[self.images]
        except (KeyError, IndexError, TypeError) as error:
            found = list(batch) if isinstance(batch, dict) else type(batch).__name__
            raise RecordError(
                f"AugSelf expected the views at {self.images!r} of the batch, found {found}. Say "
                "where they are: images='image', or images=None for the batch itself."
            ) from error

    def _replaced(self, batch: Any, views: Any) -> Any:
        if self.images is None:
            return views
        if isinstance(batch, dict):
            return {**batch, self.images: views}
        entries: Any = list(batch)
        entries[self.images] = views
        if isinstance(batch, tuple):
            return type(batch)(*entries) if hasattr(batch, "_fields") else tuple(entries)
        return entries


def loss_in(output: Any) -> Tensor:
    """Find the loss in what a training step returned: a tensor, or a dict with one.

    Raises:
        LossError: neither.
    """
    loss = output.get("loss") if isinstance(output, Mapping) else output
    if isinstance(loss, Tensor):
        return loss
    found = list(output) if isinstance(output, Mapping) else type(output).__name__
    raise LossError(
        f"AugSelf expected training_step to return the loss or a dict with 'loss', found {found}."
    )


def plus(output: Any, term: Tensor) -> Any:
    """Add the term to the loss in what a training step returned."""
    loss = loss_in(output) + term
    return {**output, "loss": loss} if isinstance(output, Mapping) else loss
