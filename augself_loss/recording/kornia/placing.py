"""What the records of a Kornia pipeline leave open of its geometry, read off the pipeline."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from kornia.augmentation import IntensityAugmentationBase2D, Resize
from kornia.constants import Resample
from torch import nn

from augself_loss.encoders import CropEncoder, Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.geometry import Pixels
from augself_loss.recording.kornia.known import is_host
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS, run
from augself_loss.recording.kornia.replay import drawn_by
from augself_loss.recording.kornia.wiring import Wiring

How: TypeAlias = Literal["cut", "edges", "centres"]
"""A part is cut out as it is, or resized edge to edge, or between its outermost centres."""
BY_HAND = "Or describe the geometry yourself: geometry.Pixels(source, view, 'kornia', ...)."


class Sized(NamedTuple):
    """A step that changes the size, or that a change of size after it changes.

    Args:
        name: its class.
        kind: ``crop``, ``resize`` or ``warp``.
        how: what becomes of the pixels' size.
        pads: whether it shows what lies beyond its image.
        after: height and width that it leaves.
        type: the type that it is recorded as, ``""`` for none.
    """

    name: str
    kind: str
    how: How
    after: tuple[int, int]
    type: str = ""
    pads: bool = False


def pixels_of(pipeline: nn.Module, wiring: Wiring, source: Sequence[int]) -> Pixels:
    """Say of a pipeline what its records do not, so that their geometry is exact.

    Args:
        pipeline: its outermost module.
        wiring: what was found in it.
        source: height and width of the images that it is given.

    Raises:
        PipelineError: views of several sizes, steps between which records lose part of a pixel, or
            an ignored module that may move pixels.
    """
    size = (int(source[0]), int(source[1]))
    steps = list(_steps(pipeline, wiring, size))
    crops = [step for step in steps if step.kind == "crop"]
    by_centres = any(step.how == "centres" for step in crops)
    _check_centres(steps)
    _check_padding(crops)
    # Of a crop that is resized by its centres, and of a warp, the size counts that it worked on.
    worked_on = {step.after for step in steps if step.kind == "warp"}
    worked_on |= {step.after for step in crops if step.how == "centres"}
    if len(worked_on) > 1:
        raise PipelineError(
            f"{[step.name for step in steps]} expected images of the same size, found "
            f"{worked_on}: records do not say which size. Resize before all of them or after. "
            f"{BY_HAND}"
        )
    view = steps[-1].after if steps else size
    order = tuple(step.type for step in steps if step.kind == "warp")
    return Pixels(
        source=size, view=view, library="kornia", by_centres=by_centres,
        warped=next(iter(worked_on - {view}), None), order=tuple(dict.fromkeys(order)),
        encoders=tuple(wiring.catalogue.encoders.values()),
    )  # fmt: skip


def _check_centres(steps: Sequence[Sized]) -> None:
    """Refuse what records of edges lose where pixels are resized from centre to centre.

    Raises:
        PipelineError: a resize by centres, or several crops of which one is.
    """
    for i, step in enumerate(steps):
        if step.how != "centres":
            continue
        sooner = any(other.how == "edges" for other in steps[:i] if other.kind != "warp")
        later = any(other.kind == "crop" for other in steps[i + 1 :])
        if step.kind == "resize" or sooner or later:
            raise PipelineError(
                f"'{step.name}' expected align_corners=False, found True: in this pipeline, "
                "records would place its pixels off by a fraction of a pixel. Build it with "
                f"align_corners=False. {BY_HAND}"
            )


def _check_padding(crops: Sequence[Sized]) -> None:
    """Refuse padding around what was cropped, where the source goes on.

    Raises:
        PipelineError: a crop pads after another.
    """
    for crop in crops[1:]:
        if crop.pads:
            raise PipelineError(
                f"Expected '{crop.name}' to pad before it crops, found it padding what "
                f"'{crops[0].name}' cut out: records do not say where that padding begins. Pad "
                f"first, then crop. {BY_HAND}"
            )


def _steps(pipeline: nn.Module, wiring: Wiring, size: tuple[int, int]) -> Iterator[Sized]:
    """List the steps that sizes matter to, in order, following the size.

    Raises:
        PipelineError: it cannot be followed.
    """
    drawn = {m for c in wiring.containers if getattr(c, "random_apply", False) for m in c.modules()}
    for module in pipeline.modules():
        kind = type(module).__name__
        if wiring.is_ignored(module):
            _check_ignored(module)
        elif module in wiring.config:
            step = Step(kind, {}, wiring.config[module], (0, 0))
            encoder = wiring.catalogue.reading(step)
            _check_version(module, encoder)
            before = size
            how: How = "cut"
            if encoder.moves == "crop":
                size, how = _cropped(module, encoder, size)
                _check_always(module, module in drawn, size != before)
            if encoder.moves in {"crop", "warp"}:
                pads = encoder.moves == "crop" and any(_padding(module, before))
                yield Sized(kind, encoder.moves, how, size, encoder.name, pads)
        elif isinstance(module, Resize) and module in wiring.fixed:
            before, size = size, _resized(module, size)
            yield Sized(kind, "resize", "cut" if size == before else _how(module.flags), size)


def _check_ignored(module: nn.Module) -> None:
    """Refuse what is left out of the record and may move pixels.

    Raises:
        PipelineError: it may.
    """
    if not isinstance(module, IntensityAugmentationBase2D):
        raise PipelineError(
            f"Expected '{type(module).__name__}' to leave pixels in place, found that it is not "
            "recorded and may move them. Record it, or derive it from "
            f"kornia.augmentation.IntensityAugmentationBase2D. {BY_HAND}"
        )


def _check_version(module: nn.Module, encoder: Encoder) -> None:
    """Refuse what this Kornia resamples elsewhere than it says.

    Raises:
        PipelineError: it does.
    """
    flags = getattr(module, "flags", {})
    resamples = encoder.moves == "warp" or flags.get("cropping_mode") == "resample"
    if ONLY_APPLIED_ROWS and resamples and not flags.get("align_corners", True):
        raise PipelineError(
            f"'{type(module).__name__}' with align_corners=False expected Kornia 0.9 or newer, "
            "found an older version, which is off by a fraction of a pixel. Update Kornia, or "
            f"build it with align_corners=True. {BY_HAND}"
        )


def _check_always(module: Any, drawn: bool, resizes: bool) -> None:
    """Refuse a crop that leaves some views in another size.

    Raises:
        PipelineError: it is applied at random.
    """
    if resizes and (drawn or min(float(module.p), float(module.p_batch)) < 1):
        raise PipelineError(
            f"Expected '{type(module).__name__}' to be applied always, found it applied at "
            "random: views have several sizes. Build it with p=1, outside of random_apply. "
            f"{BY_HAND}"
        )


def _resized(module: nn.Module, size: tuple[int, int]) -> tuple[int, int]:
    """Find the size that a resize leaves."""
    blank = torch.zeros(1, 1, *size)
    height, width = run(module, blank, drawn_by(module, blank)).shape[-2:]
    return int(height), int(width)


def _cropped(module: Any, encoder: Encoder, size: tuple[int, int]) -> tuple[tuple[int, int], How]:
    """Find the size that a crop leaves, and how it gets there.

    Raises:
        PipelineError: it is not Kornia's.
    """
    kind = type(module).__name__
    if not is_host(module) or kind not in CropEncoder.kornia or encoder.name != CropEncoder.name:
        raise PipelineError(
            f"'{kind}' expected a known size after its crop, found that it crops "
            f"in its own way. Use one of Kornia's own crops. {BY_HAND}"
        )
    flags = module.flags
    after = flags.get("size", getattr(module, "size", None))
    after = (after, after) if isinstance(after, int) else (int(after[0]), int(after[1]))
    if kind == "RandomResizedCrop":
        return after, _how(flags)
    left, right, top, bottom = _padding(module, size)
    larger = after[0] > size[0] + top + bottom or after[1] > size[1] + left + right
    return after, "edges" if larger else "cut"  # what is larger than the canvas is stretched


def _padding(module: Any, size: tuple[int, int]) -> Sequence[int]:
    """Find how much a crop pads an image: left, right, top, bottom."""
    if not hasattr(module, "compute_padding"):
        return 0, 0, 0, 0
    padding: list[int] = module.compute_padding((1, 1, *size))
    return padding


def _how(flags: Mapping[str, Any]) -> How:
    """Say how a crop or resize resizes; one that resamples ignores ``align_corners``."""
    linear = flags["align_corners"] and flags["resample"] in (Resample.BILINEAR, Resample.BICUBIC)
    return "centres" if linear or flags.get("cropping_mode") == "resample" else "edges"
