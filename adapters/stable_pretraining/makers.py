"""What makes several views of a sample, in workers or on the device, with records in its views."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from augself_loss.adapters.stable_pretraining.device import Chain
from augself_loss.adapters.stable_pretraining.device import host as on_device
from augself_loss.adapters.stable_pretraining.notes import IMAGE
from augself_loss.adapters.stable_pretraining.notes import host as in_workers
from augself_loss.adapters.stable_pretraining.views import ViewRecorder
from augself_loss.recording.follow import Children
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, Recorder
from augself_loss.recording.pipelines import per_pipeline
from augself_loss.recording.twins import held_by, refilled

RECORD = "augself"
"""Key of the packed record in a view's dict, beside ``image`` and the host's own notes."""
HELD = {
    in_workers.MultiViewTransform: "transforms",
    on_device.StackedMultiView: "chain",
    on_device.MultiView: "chains",
}
"""What makes views → where it holds their pipelines; a stacked one's makes them all at once."""


class RecordedViews:
    """Runs a ``MultiViewTransform`` whose pipelines put their records into their samples.

    Args:
        maker: the host's transform; it stays as it is.
        options: of the pipelines' recorders.

    Attributes:
        recorder: of all views.
        watch: whether the host's pipelines are those that were wired.
    """

    def __init__(self, maker: Any, options: Mapping[str, Any]) -> None:
        attribute = HELD[type(maker)]
        pipelines = held_by(maker, attribute)
        views = per_pipeline(pipelines, lambda one: self.reading(maker, one, **options))
        self.recorder = MultiViewRecorder(views * getattr(maker, "n_views", 1))
        self.watch = Children(maker, attribute, pipelines)
        runs = [partial(self.run, number) for number in range(len(pipelines))]
        self.maker = refilled(maker, attribute, runs)

    def reading(self, maker: Any, pipeline: Any, **options: Any) -> Recorder:  # noqa: ARG002
        """Make the recorder of one of the pipelines."""
        return ViewRecorder(pipeline, **options)

    def run(self, number: int, sample: dict[str, Any]) -> dict[str, Any]:
        """Run one of the pipelines in the host's place."""
        made: dict[str, Any]
        made, bits = self.recorder.bits_of_view(number, sample)
        made[RECORD] = bits
        return made

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make the views of a sample."""
        made: dict[str, Any] = self.maker(sample)
        return made


class RecordedChains(RecordedViews):
    """Runs ``StackedMultiView`` or ``MultiView``, which drop what chains return beside images."""

    def __init__(self, maker: Any, options: Mapping[str, Any]) -> None:
        super().__init__(maker, options)
        self.kept: list[Tensor] = []

    def reading(self, maker: Any, pipeline: Any, **options: Any) -> Recorder:
        """Make the recorder of a chain; what is registered runs in workers only."""
        del options["register"]
        return KorniaRecorder(Chain(pipeline, maker.source, options["ignore"]), **options)

    def run(self, number: int, sample: dict[str, Any]) -> dict[str, Any]:
        """Run a chain on the images, and keep the record."""
        ((source, images),) = sample.items()
        views, bits = self.recorder.bits_of_view(number, images)
        self.kept.append(bits)
        return {source: views}

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make the views of a batch."""
        self.kept.clear()
        made = super().__call__(sample)
        views = made[self.maker.views_key]
        # One chain made all views, one after another along the batch, or each chain made one.
        records = torch.split(torch.cat(self.kept), [len(view[IMAGE]) for view in views])
        for view, record in zip(views, records, strict=True):
            view[RECORD] = record
        return made
