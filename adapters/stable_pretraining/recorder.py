"""Makes stable-pretraining's views carry their records, from workers or from the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.adapters.stable_pretraining.device import FIXED as FIXED_ON_DEVICE
from augself_loss.adapters.stable_pretraining.device import RecordedChain, chain_recorder
from augself_loss.adapters.stable_pretraining.device import host as on_device
from augself_loss.adapters.stable_pretraining.notes import FIXED, IMAGE
from augself_loss.adapters.stable_pretraining.notes import host as in_workers
from augself_loss.adapters.stable_pretraining.views import ViewRecorder
from augself_loss.encoders import Encoder
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Layout, Record, identity_record, pack
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder, mark_of, to_bits
from augself_loss.recording.plan import is_listed
from augself_loss.recording.reported import Apply
from augself_loss.recording.twins import held_by, holding, refilled

RECORD = "augself"
"""Key of the packed record in a view's dict, beside ``image`` and the host's own notes."""
CONTAINERS = {in_workers.Compose: "args", on_device.GPUCompose: "transforms"}
"""The host's containers → where they hold their steps."""
ON_DEVICE = (on_device.StackedMultiView, on_device.MultiView)


class StablePretrainingRecorder:
    """Runs a stable-pretraining transform that makes views, and adds to each view its record.

    It stands in for the transform: of the data set (``transform=``), or of its augmentation on the
    device (``gpu_transform=``). The views are bit for bit the transform's own under the same seed;
    a view's record is one more entry of its dict, ``augself``, which every collate passes on.

    Args:
        transform: ``MultiViewTransform``, alone or in a ``Compose``; or, on the device,
            ``StackedMultiView`` or ``MultiView``, alone or in a ``GPUCompose``.
        encoders: encoders of augmentations of your own, or replacements of built-in ones.
        register: for any other random transform in workers: it or its class → ``(encoder,
            apply)``, where ``apply(transform, sample)`` returns the sample and the encoder's
            columns, ``None`` if it was not applied.
        ignore: transforms or classes whose randomness shall not be recorded.
        types: types to record even if no view's pipeline applies them (as the identity).

    Attributes:
        layout: entries that every view's record holds.
        encoders: encoders of the recorded types, with this transform's ranges.
        views: number of views.

    Raises:
        PipelineError: no views, one view, or a random transform that is not known, by name.

    Example:
        >>> from stable_pretraining.data import transforms
        >>> view = transforms.Compose(transforms.RGB(), transforms.RandomHorizontalFlip(p=1.0))
        >>> recorder = StablePretrainingRecorder(transforms.MultiViewTransform([view, view]))
        >>> sample = recorder({"image": torch.rand(3, 8, 8)})
        >>> from augself_loss.recording.multiview import from_bits
        >>> from_bits(sample["views"][0]["augself"], recorder.layout)
        {'flip': tensor([1.])}
    """

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        types: Iterable[str] = (),
    ) -> None:
        wiring = _Wiring(tuple(encoders), dict(register or {}), tuple(ignore), tuple(types))
        self.transform = wiring.wire(transform)
        if not wiring.recorders:
            raise PipelineError(
                "StablePretrainingRecorder expected a transform that makes several views, "
                "MultiViewTransform, or on the device StackedMultiView or MultiView, found "
                f"'{type(transform).__name__}' without one. Wrap the view's pipeline: "
                "MultiViewTransform([view, view])."
            )
        united = MultiViewRecorder(wiring.recorders)
        self.layout: Layout = united.layout
        self.encoders: tuple[Encoder, ...] = united.encoders
        self.views = len(wiring.recorders)
        self._mark = mark_of(self.layout)
        self._source, self._kept = wiring.source, wiring.kept
        self._original = transform

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make the views of a sample, or of a batch on the device.

        Args:
            sample: what the transform takes: a dict with ``image``.

        Returns:
            What the transform returns, each view's dict with ``augself``: ``(P,)`` int32, of a
            batch ``(B, P)``.
        """
        made: dict[str, Any]
        if self._source is not None:
            return self._on_device(sample, sample[self._source].device)
        made = self.transform(sample)
        for view in views_of(made):
            view[RECORD] = self._packed(view[RECORD])
        return made

    def _on_device(self, batch: dict[str, Any], device: torch.device) -> dict[str, Any]:
        # The host moves what is a module; the chains are no modules of this recorder's.
        self._original.to(device)
        self._kept.clear()
        made: dict[str, Any] = self.transform(batch)
        rows = [self._packed(record, len(views), device=device) for views, record in self._kept]
        self._kept.clear()
        (views,) = (value for value in made.values() if _is_views(value))
        # One chain made all views, one after another along the batch, or each chain made one.
        split = torch.split(torch.cat(rows), [len(view[IMAGE]) for view in views])
        for view, packed in zip(views, split, strict=True):
            view[RECORD] = packed
        return made

    def _packed(
        self, record: Record, *batch: int, device: torch.device | str | None = None
    ) -> Tensor:
        """Pack a view's record, with the identity of what only another view's pipeline applies."""
        lacking = {name: field for name, field in self.layout.items() if name not in record}
        identity = {
            name: entry[0].expand(*batch, -1)
            for name, entry in identity_record(lacking, 1, device).items()
        }
        return to_bits(pack({**record, **identity}, self.layout), self._mark)


class RecordedView:
    """Stands in a multi-view transform for a view's pipeline, and puts its record into the sample.

    Args:
        recorder: runs the pipeline.
    """

    def __init__(self, recorder: ViewRecorder) -> None:
        self.recorder = recorder

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make one view of a sample."""
        view, record = self.recorder(sample)
        made: dict[str, Any] = view
        made[RECORD] = record
        return made


class _Wiring:
    """Copies a multi-view transform, with every view's pipeline replaced by one that records."""

    def __init__(
        self,
        encoders: tuple[Encoder, ...],
        register: Mapping[Any, tuple[Encoder, Apply]],
        ignore: tuple[Any, ...],
        types: tuple[str, ...],
    ) -> None:
        self.options: Any = {"encoders": encoders, "ignore": ignore, "types": types}
        self.register, self.ignore = register, ignore
        self.recorders: list[Any] = []
        self.source: str | None = None
        self.kept: list[tuple[Tensor, Record]] = []

    def wire(self, transform: Any) -> Any:
        cls = type(transform)
        if is_listed(transform, self.ignore) or cls in (*FIXED, *FIXED_ON_DEVICE):
            return transform
        if cls in CONTAINERS:
            steps = [self.wire(step) for step in held_by(transform, CONTAINERS[cls])]
            return refilled(transform, CONTAINERS[cls], steps)
        making = cls in (in_workers.MultiViewTransform, *ON_DEVICE)
        if not making or self.recorders:
            raise PipelineError(
                "StablePretrainingRecorder expected one transform that makes views, and beside it "
                f"only steps without randomness, found '{cls.__name__}'. Put it into each view's "
                "pipeline, or leave it out of the record on purpose with ignore=[...]."
            )
        return self._chains(transform) if cls in ON_DEVICE else self._pipelines(transform)

    def _pipelines(self, transform: Any) -> Any:
        """Wire the pipelines of a MultiViewTransform; one that makes several views stays one."""
        made: dict[int, RecordedView] = {}
        pipelines = held_by(transform, "transforms")
        for pipeline in pipelines:
            if id(pipeline) not in made:
                recorder = ViewRecorder(pipeline, register=self.register, **self.options)
                made[id(pipeline)] = RecordedView(recorder)
        views = [made[id(pipeline)] for pipeline in pipelines]
        self.recorders = [view.recorder for view in views]
        return refilled(transform, "transforms", views)

    def _chains(self, transform: Any) -> Any:
        """Wire the chains of a multi-view transform on the device."""
        self.source = transform.source
        if type(transform) is on_device.StackedMultiView:
            recorder = self._chain(transform.chain)
            self.recorders = [recorder] * transform.n_views
            return holding(transform, "chain", self._recorded(recorder))
        self.recorders = [self._chain(chain) for chain in transform.chains]
        chains = [self._recorded(recorder) for recorder in self.recorders]
        return refilled(transform, "chains", chains)

    def _chain(self, chain: nn.Module) -> KorniaRecorder:
        return chain_recorder(chain, str(self.source), **self.options)

    def _recorded(self, recorder: KorniaRecorder) -> RecordedChain:
        return RecordedChain(recorder, str(self.source), self.kept)


def views_of(batch: Mapping[str, Any]) -> list[dict[str, Any]]:
    """List the views of a sample or batch, in the order in which the forward functions take them.

    Args:
        batch: ``{"views": [view, …]}``, or views by name, ``global_1`` and its like first.

    Raises:
        RecordError: no views with a record.
    """
    views: list[dict[str, Any]] = []
    for value in (batch, *batch.values()):
        if isinstance(value, list):
            views += [view for view in value if _is_view(view)]
        elif isinstance(value, dict):
            named = sorted(value.items(), key=lambda item: not str(item[0]).startswith("global"))
            views += [view for _, view in named if _is_view(view)]
    if not views:
        raise RecordError(
            f"AugSelf expected views with their records, '{RECORD}' in each view's dict, found a "
            f"batch of {list(batch)}. Give the data set's transform, or its gpu_transform, to "
            "StablePretrainingRecorder, and the recorder to the data set."
        )
    return views


def _is_view(value: Any) -> bool:
    return isinstance(value, dict) and RECORD in value and IMAGE in value


def _is_views(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) and IMAGE in v for v in value)
