"""Applies a record again through the Kornia pipeline that it was recorded from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from kornia.augmentation import ImageSequential
from kornia.augmentation.container.params import ParamItem
from torch import Tensor, nn
from typing_extensions import Self

from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError, RecordError
from augself_loss.parameters import Layout, Record
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.kornia.wiring import Wiring
from augself_loss.recording.unsettle import Unsettled

ReplayKind: TypeAlias = Literal["image", "mask", "boxes"]


class Replayed(NamedTuple):
    """What is replayed.

    Args:
        pipeline: the pipeline's outermost module.
        record: what its recorder said.
        layout: the record's entries.
        wiring: what was found in the pipeline.
        play: runs a part of the pipeline on images, with parameters in Kornia's form.
    """

    pipeline: nn.Module
    record: Record
    layout: Layout
    wiring: Wiring
    play: Callable[[nn.Module, Tensor, Any], Tensor]


def replay(given: Replayed, images: Tensor) -> Tensor:
    """Run a pipeline on images with the parameters of its record."""
    writer = Writer(given, len(images))
    with writer:
        return writer.run(given.pipeline, images)


def _check_record(record: Record, layout: Layout, count: int) -> None:
    for name in layout:
        if name not in record:
            raise RecordError(
                f"replay expected the entry '{name}', found {sorted(record)}. Pass a record of "
                "the same recorder."
            )
        if len(record[name]) != count:
            raise RecordError(
                f"replay expected one image per sample of the record, found {count} images and "
                f"{len(record[name])} samples."
            )


class Writer:
    """Turns a record back, step by step, into what each step was given.

    In a ``with`` block, since some steps are made to look at their gate, and are set back then.

    Args:
        given: the pipeline and its record.
        count: how many samples there are to replay.

    Raises:
        RecordError: the record lacks an entry, or has another number of samples.
        PipelineError: several steps are recorded as one.
    """

    def __init__(self, given: Replayed, count: int) -> None:
        _check_record(given.record, given.layout, count)
        self.wiring, self.config = given.wiring, given.wiring.config
        self.play = given.play
        self.catalogue = given.wiring.catalogue
        self.gated: list[nn.Module] = []
        steps = [self._step(m) for m in _modules(given.pipeline) if m in self.config]
        self.steps = Unsettled(given.record, given.layout, self.catalogue, steps)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for module in self.gated:
            module.p = 1.0  # type: ignore[assignment]

    def run(self, module: nn.Module, images: Tensor) -> Tensor:
        """Run one module with the record's parameters."""
        if not self.is_recorded(module):
            return self.play(module, images, None)
        if isinstance(module, nn.Sequential) and not isinstance(module, ImageSequential):
            for child in module.children():
                images = self.run(child, images)
            return images
        if module in self.config:
            return self.play(module, images, self.params(module, drawn_by(module, images)))
        return self.play(module, images, self._items(module, drawn_by(module, images)))

    def _items(self, container: ImageSequential, drawn: list[ParamItem]) -> list[ParamItem]:
        check_fixed_order(container)
        children = dict(container.named_children())
        return [self._item(children[item.name], item) for item in drawn]

    def _item(self, module: nn.Module, item: ParamItem) -> ParamItem:
        if module in self.config:
            return ParamItem(item.name, self.params(module, item.data))
        if not self.is_recorded(module):
            return item
        if isinstance(module, ImageSequential):
            return ParamItem(item.name, self._items(module, item.data))
        raise PipelineError(
            f"A {type(module).__name__} inside a Kornia container cannot be replayed: Kornia "
            "passes it no parameters. Replace it by a kornia.augmentation.ImageSequential."
        )

    def is_recorded(self, module: nn.Module) -> bool:
        """Whether the record says something of this module or one inside it."""
        return any(child in self.config for child in module.modules())

    def next(self, module: nn.Module) -> tuple[str, dict[str, Columns], Tensor]:
        """Say what the next step did: its type, its entries in its own frame, its gate."""
        p = getattr(module, "p_batch", 1)  # a user's own module may have none
        return self.steps.next(self._step(module), at_random=None if p == 1 else f"p={p}")

    def _step(self, module: nn.Module) -> Step:
        return Step(type(module).__name__, {}, self.config[module], (0, 0))

    def params(self, module: nn.Module, drawn: Mapping[str, Any]) -> dict[str, Any]:
        """Overwrite what was drawn for one augmentation by what the record says."""
        _, entries, gate = self.next(module)
        height, width = drawn["forward_input_shape"].tolist()[-2:]
        step = Step(type(module).__name__, {"applied": gate}, self.config[module], (height, width))
        rows = gate.cpu() > 0.5
        if module.p == 1 and not bool(rows.all()):
            # Since 0.9 Kornia looks at the gate only where p is not 1.
            self.gated.append(module)
            module.p = 0.5  # type: ignore[assignment]
        written = {
            key: _as_kornia_keeps(key, value.to(drawn[key].device), drawn[key], rows)
            for key, value in self.catalogue.write(entries, step).items()
        }
        return {**drawn, **written, "batch_prob": rows.to(drawn["batch_prob"])}


def _as_kornia_keeps(key: str, written: Tensor, drawn: Tensor, applied: Tensor) -> Tensor:
    """Lay out a parameter's rows as this version of Kornia does, see ``recorder``."""
    if key == "order":
        return written
    applied = applied.to(written.device)
    if ONLY_APPLIED_ROWS:
        return written[applied]
    # Skipped rows are computed too, so they need a value that the operation can take.
    mask = applied.reshape(-1, *(1,) * (drawn.ndim - 1))
    return torch.where(mask, written.to(drawn.dtype), drawn)


def check_fixed_order(container: nn.Module) -> None:
    """Refuse a container that draws which children to run.

    Raises:
        PipelineError: it has ``random_apply``.
    """
    if getattr(container, "random_apply", False):
        raise PipelineError(
            "A container with random_apply cannot be replayed: the record does not hold which "
            "children it chose, nor their order. Use a container without random_apply."
        )


def _modules(module: nn.Module) -> Iterator[nn.Module]:
    """List a pipeline's modules in the order in which they run."""
    yield module
    if isinstance(module, nn.Sequential):
        for child in module.children():
            yield from _modules(child)


def drawn_by(module: nn.Module, images: Tensor) -> Any:
    """Let Kornia draw parameters of the right form, without touching anybody's random state."""
    if not hasattr(module, "forward_parameters"):
        raise PipelineError(
            f"'{type(module).__name__}' cannot be replayed: it does not take parameters as "
            "Kornia's augmentations do. Derive it from "
            "kornia.augmentation.IntensityAugmentationBase2D."
        )
    with torch.random.fork_rng(devices=[images.device] if images.is_cuda else []):
        return module.forward_parameters(images.shape)  # type: ignore[operator]
