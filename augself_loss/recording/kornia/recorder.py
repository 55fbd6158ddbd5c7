"""Records what a Kornia pipeline did to a batch. The only reader of Kornia's private ``_params``.

Measured on Kornia 0.7.4, 0.8.2, 0.8.3 and 0.9.0. Up to 0.8 an operation keeps the parameters of the
samples it was applied to only; since 0.9 it keeps a row for every sample, also where the sampled
values were not used. Both are read here, by the gate ``batch_prob`` and the number of rows.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step, Value
from augself_loss.errors import ImageError
from augself_loss.geometry import Pixels
from augself_loss.parameters import Layout, Record, unpack
from augself_loss.recording.catalogue import Catalogue, layout_of, unite
from augself_loss.recording.journal import Journal
from augself_loss.recording.kornia.drawn import applied, draws_at_once
from augself_loss.recording.kornia.fused.walk import FusedPipeline, fused_pipeline
from augself_loss.recording.kornia.images import ImageCheck, needs_colour
from augself_loss.recording.kornia.known import check_pipeline, check_something
from augself_loss.recording.kornia.params import (
    all_rows,
    check_canvas,
    device_of,
    on,
    packed_rows,
    run,
    size_of,
)  # fmt: skip
from augself_loss.recording.kornia.placing import pixels_of
from augself_loss.recording.kornia.replay import Replayed, ReplayKind, replay
from augself_loss.recording.kornia.replay_moved import replay_boxes, replay_masks
from augself_loss.recording.kornia.sizes import check_sizes, sizes_kept
from augself_loss.recording.kornia.watch import PipelineWatch
from augself_loss.recording.kornia.wiring import Wiring
from augself_loss.recording.names import check_ignore
from augself_loss.recording.plan import check_plan, leaves


class KorniaRecorder:
    """Runs a Kornia pipeline on a batch and returns the views with their record.

    Under the same seed, the views are bit for bit the pipeline's own. After the first call,
    recording adds no device-to-host sync, only a copy to the device that nothing waits for. (Before
    0.9, Kornia's own crop reads the device four times an image.) One recorder serves one thread.

    With ``apply="fused"`` Kornia still draws, so records and random state stay the same, but its
    draws are applied in a few vectorised operations: several times faster, views within 1e-5. The
    first batch is compared with Kornia's. Modules without a fused form run as Kornia's own, see
    :attr:`fused`; so do images that are not float32 or that need gradients, and what a module drew
    in another dtype.

    Later changes of the pipeline that leave records true are followed: probabilities, narrower
    ranges. All others are refused at the next call, which reads settings again if they were written
    to; for a range that learns on an accelerator, that is a sync per optimizer step.

    Images of one channel have no saturation and hue: none are recorded, and ``grayscale`` is 1.

    Args:
        pipeline: ``AugmentationSequential``, ``ImageSequential``, ``nn.Sequential``, nested as
            you like, or a single augmentation.
        encoders: encoders for augmentations of your own, or replacements for built-in ones.
        ignore: modules or classes whose randomness is not recorded.
        types: types to record even if this pipeline never applies them (as the identity).
        check_images: check the first batch's values; 0–255 floats are refused.
        apply: ``"kornia"`` runs the pipeline itself, ``"fused"`` its draws in vectorised form.
        compile: compile the fused operations, each at its first use. On a CPU that takes about a
            minute and needs a C++ compiler.

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: no module, an unknown random transform, a container that runs its children in
            a way of its own, an order that no record can express, or an ``ignore`` that leaves
            nothing to record; ``compile`` with ``apply="kornia"``.

    Example:
        >>> import kornia.augmentation as K
        >>> recorder = KorniaRecorder(K.RandomHorizontalFlip(p=1.0))
        >>> views, record = recorder(torch.rand(2, 3, 8, 8))
        >>> record
        {'flip': tensor([[1.],
                [1.]])}
    """

    def __init__(
        self,
        pipeline: nn.Module,
        *,
        encoders: Iterable[Encoder] = (),
        ignore: Iterable[nn.Module | type] = (),
        types: Iterable[str] = (),
        check_images: bool = True,
        apply: Literal["kornia", "fused"] = "kornia",
        compile: bool = False,  # noqa: A002 - as torch calls it
    ) -> None:
        check_pipeline(pipeline)
        self.pipeline = pipeline
        self._catalogue = Catalogue("kornia", encoders)
        self._wiring = Wiring(self._catalogue, check_ignore(ignore))
        plan, types = self._wiring.wire(pipeline), list(types)
        if not (leaves(plan) or types):
            check_something(self._wiring.ignored)
        check_plan(plan)
        self._config = self._wiring.config
        self._doubtful = check_sizes(pipeline, self._is_sized, self._wiring.is_ignored)
        found = unite(leaf.encoder for leaf in leaves(plan))
        self.layout: Layout = layout_of(found, self._catalogue, types)
        self.encoders: tuple[Encoder, ...] = tuple(found.values())
        self._watch = PipelineWatch(pipeline, self._wiring, found)
        coloured = [type(m).__name__ for m, c in self._config.items() if needs_colour(m, c)]
        photometric = any(encoder.photometric for encoder in self.encoders)
        self._check = ImageCheck(photometric, coloured, check_images)
        self._fused = fused_pipeline(self._wiring, apply, compile)

    def __call__(self, images: Tensor) -> tuple[Tensor, Record]:
        """Augment a batch.

        Args:
            images: float images ``(B, C, H, W)`` in [0, 1].

        Returns:
            Views ``(B, C, h, w)`` and their record, on the images' device.

        Raises:
            ImageError: images of another dtype, shape or range.
            PipelineError: the pipeline was changed so that its record would be wrong, or, on the
                first batch, a fused form disagrees with Kornia.
        """
        self._check(images)
        self._watch.check(self.pipeline)
        if self._fused is not None:
            views, packed = self._run_fused(self._fused, images)
        else:
            views = self._run(images)
            packed = self._record(images, views).to(images.device, non_blocking=True)
        return views, unpack(packed, self.layout) if self.layout else {}

    def _record(self, images: Tensor, views: Tensor) -> Tensor:
        """Read what was just drawn for images, packed ``(B, P)``, where Kornia drew it."""
        if not self.layout:
            return torch.empty(0)
        channels = min(images.shape[1], views.shape[1])
        return packed_rows(self._settled(channels), len(images))

    def _settled(self, channels: int, params: Any = None) -> Mapping[str, Sequence[Value]]:
        """Read, entry by entry, what was drawn for images of so many channels, by default last."""
        journal = Journal(self.layout, self._catalogue)
        steps = list(applied(self._wiring, self.pipeline, params))
        device = device_of(params for _, params in steps)
        for module, drawn in steps:
            name, config = type(module).__name__, self._config[module]
            check_canvas(name, config, drawn)
            params = {k: on(device, value) for k, value in drawn.items()}
            gate = params["batch_prob"] > 0.5
            step = Step(name, params, config, size_of(drawn), channels=channels)
            entries = self._catalogue.read(step)
            rows = {name: all_rows(columns, gate) for name, columns in entries.items()}
            journal.add(step, rows, gate)
        settled = journal.settle()
        if channels == 1 and "grayscale" in settled:
            settled["grayscale"] = [1.0]  # whatever was drawn, the views are grey
        return settled

    def draw(self, images: Tensor) -> Record:
        """Draw what a call would do to a batch, without views: a record to edit and replay.

        Record and random state are a call's. Pipelines of Kornia's own containers only draw; an
        ``nn.Sequential``, or one with ignored modules, runs, and its views are dropped.

        Args:
            images: as for a call.

        Returns:
            The record, on the images' device.

        Raises:
            ImageError, PipelineError: as a call does.

        Example:
            >>> import kornia.augmentation as K
            >>> recorder = KorniaRecorder(K.RandomHorizontalFlip(p=1.0))
            >>> recorder.draw(torch.rand(2, 3, 8, 8))
            {'flip': tensor([[1.],
                    [1.]])}
        """
        if not (self.layout and draws_at_once(self._wiring, self.pipeline)):
            return self(images)[1]
        self._check(images)
        self._watch.check(self.pipeline)
        drawn = self.pipeline.forward_parameters(images.shape)  # type: ignore[operator]
        packed = packed_rows(self._settled(images.shape[1], drawn), len(images))
        return unpack(packed.to(images.device, non_blocking=True), self.layout)

    def _run(self, images: Tensor) -> Tensor:
        """Run the pipeline."""
        with sizes_kept(self._doubtful):
            return self.pipeline(images)  # type: ignore[no-any-return]

    def _run_fused(self, fused: FusedPipeline, images: Tensor) -> tuple[Tensor, Tensor]:
        """Run the fused pipeline; the packed record travels to the device with its parameters."""
        with sizes_kept(self._doubtful):
            record = functools.partial(self._record, images)
            return fused(self.pipeline, images, passenger=record)

    def replay(
        self,
        images: Tensor,
        record: Record,
        *,
        kind: ReplayKind = "image",
        size: tuple[int, int] | None = None,
    ) -> Tensor:
        """Apply a record again: bit for bit to these or other images, or to their masks or boxes.

        Masks and boxes move as the pixels do, and change in no other way: a mask keeps its class
        ids (nearest neighbour; 0 comes in from outside), erased pixels keep theirs. All images are
        checked, which waits for the device.

        Args:
            images: what to replay on, as many and as large as the recorded images. By ``kind``:
                float images ``(B, C, H, W)``; masks ``(B, H, W)`` or ``(B, C, H, W)`` of any
                dtype; boxes ``(B, N, 4)``, x and y of the top-left and the bottom-right corner in
                pixels, where an image reaches from 0 to its width and height.
            record: what this recorder returned, or a part of one exchanged for another's.
            kind: ``"image"``, ``"mask"`` or ``"boxes"``.
            size: height and width of the images that boxes lie in; for boxes only.

        Returns:
            Views ``(B, C, h, w)``; masks of the views, in the form and dtype given; or boxes
            ``(B, N, 4)`` in the views, enclosing what they held and clipped to the view. A box
            that left the view has no area.

        Raises:
            PipelineError: the pipeline draws which children to apply, or holds a type whose
                record is incomplete (affine, perspective).
        """
        self._watch.check(self.pipeline)
        given = Replayed(self.pipeline, record, self.layout, self._wiring, self._play)
        if kind == "mask":
            return replay_masks(given, images)
        if kind == "boxes":
            return replay_boxes(given, images, size)
        if kind != "image":
            raise ImageError(f"kind expected 'image', 'mask' or 'boxes', found {kind!r}.")
        self._check.replayed(images)
        return replay(given, images)

    def _play(self, module: nn.Module, images: Tensor, params: Any) -> Tensor:
        """Run a part of the pipeline as its views are made, with parameters in Kornia's form."""
        if self._fused is not None:
            return self._fused(module, images, params)[0]
        return run(module, images, params)

    def pixels(self, source: Sequence[int]) -> Pixels:
        """Describe what records leave open about where views lie, for :mod:`augself_loss.geometry`.

        Args:
            source: height and width of the images that views are made of.

        Raises:
            PipelineError: views of several sizes, a resize whose records lose part of a pixel, or
                an ignored module that may move pixels.

        Example:
            >>> import kornia.augmentation as K
            >>> crop = K.RandomResizedCrop((8, 8), align_corners=False)
            >>> KorniaRecorder(crop).pixels((32, 48)).by_centres
            False
        """
        self._watch.check(self.pipeline)
        return pixels_of(self.pipeline, self._wiring, source)

    @property
    def fused(self) -> dict[str, str]:
        """Place and class of every module → how it is applied to square float32 RGB images.

        ``"fused"``, or ``"Kornia's own"`` and why; empty with ``apply="kornia"``.

        Example:
            >>> import kornia.augmentation as K
            >>> pipeline = K.AugmentationSequential(K.RandomGrayscale(), K.RandomInvert())
            >>> for place, how in KorniaRecorder(pipeline, apply="fused").fused.items():
            ...     print(f"{place}: {how}")
            RandomGrayscale_0: fused
            RandomInvert_1: Kornia's own: this class has no fused form
        """
        return {} if self._fused is None else self._fused.told(self.pipeline)

    def _is_sized(self, module: nn.Module) -> bool:
        """Whether a module is recorded by the size of its image, as far as is known."""
        if module not in self._config:
            return False
        name = type(module).__name__
        own = self._catalogue.knows(name, own=True)
        step = Step(name, {}, self._config[module], (0, 0))
        return own or self._catalogue.by_size(step)
