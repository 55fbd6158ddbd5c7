"""Makes stable-pretraining's views carry their records, from workers or from the device."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from augself_loss.adapters.stable_pretraining.device import host as on_device
from augself_loss.adapters.stable_pretraining.makers import (
    HELD,
    RECORD,
    RecordedChains,
    RecordedViews,
)
from augself_loss.adapters.stable_pretraining.notes import IMAGE
from augself_loss.adapters.stable_pretraining.notes import host as in_workers
from augself_loss.adapters.stable_pretraining.views import STILL, HostWiring
from augself_loss.encoders import Encoder
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Layout
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.plan import NOTHING, Node
from augself_loss.recording.reported import Apply

AROUND = (*STILL, in_workers.Compose, on_device.GPUCompose)
"""What may stand around the transform that makes views."""


class StablePretrainingRecorder:
    """Runs a stable-pretraining transform that makes views, and adds to each view its record.

    It stands in for the transform: of the data set (``transform=``), or of its augmentation on the
    device (``gpu_transform=``). The views are bit for bit the transform's own under the same seed;
    a view's record is one more entry of its dict, ``augself``, which every collate passes on.

    Args:
        transform: ``MultiViewTransform``, alone or in a ``Compose``; or, on the device,
            ``StackedMultiView`` or ``MultiView``, alone or in a ``GPUCompose``.
        encoders, register, ignore, types: as
            :class:`~augself_loss.recording.torchvision.TorchvisionRecorder` takes them; what is
            registered runs in workers, and is given the sample.

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
        walk = _Around(
            register=register, encoders=tuple(encoders), ignore=tuple(ignore), types=tuple(types)
        )
        self.transform, _ = walk.wire(transform)
        if walk.recorded is None:
            raise PipelineError(
                "StablePretrainingRecorder expected a MultiViewTransform, or on the device a "
                f"StackedMultiView or MultiView, found '{type(transform).__name__}' without one. "
                "Wrap the view's pipeline: MultiViewTransform([view, view])."
            )
        self.layout: Layout = walk.recorded.recorder.layout
        self.encoders: tuple[Encoder, ...] = walk.recorded.recorder.encoders
        self.views = len(walk.recorded.recorder.recorders)
        self._original, self._recorded, self._watches = transform, walk.recorded, walk.watches

    def __call__(self, sample: dict[str, Any]) -> dict[str, Any]:
        """Make the views of a sample, or of a batch on the device.

        Args:
            sample: what the transform takes: a dict with ``image``.

        Returns:
            What the transform returns, each view's dict with ``augself``: ``(P,)`` int32, of a
            batch ``(B, P)``.
        """
        for watch in self._watches:
            watch.check({})
        if isinstance(self._recorded, RecordedChains):
            # The host moves what is a module; the chains are no modules of this recorder's.
            self._original.to(sample[self._recorded.maker.source].device)
        made: dict[str, Any] = self.transform(sample)
        return made


class _Around(HostWiring):
    """Walks what stands around the transform that makes views, and lets that one be recorded.

    Args:
        options: of the recorders of the views' pipelines.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(Catalogue("torchvision"), (), {}, options["ignore"], {})
        self.options = options
        self.recorded: RecordedViews | None = None

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire what makes views, or what may stand around it."""
        cls = type(transform)
        if cls in AROUND:
            return super().wire_known(transform)
        if cls not in HELD or self.recorded is not None:
            raise PipelineError(
                "StablePretrainingRecorder expected one transform that makes views, and otherwise "
                f"only steps without randomness, found '{cls.__name__}'. Move it into each view's "
                f"pipeline, or leave it out of the record with ignore=[{cls.__name__}]."
            )
        in_worker = cls is in_workers.MultiViewTransform
        self.recorded = (RecordedViews if in_worker else RecordedChains)(transform, self.options)
        self.watches.append(self.recorded.watch)
        return self.recorded, NOTHING


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
            f"AugSelf expected records, '{RECORD}' in each view's dict, found a batch of "
            f"{list(batch)}. Wrap the data set's transform, or its gpu_transform, in a "
            "StablePretrainingRecorder."
        )
    return views


def _is_view(value: Any) -> bool:
    return isinstance(value, dict) and RECORD in value and IMAGE in value
