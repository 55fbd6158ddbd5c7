"""What a fused form of an augmentation is: it prepares small tensors, then works on images."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor
from typing_extensions import override


class Drawn(NamedTuple):
    """One augmentation of Kornia's, with the parameters that it drew.

    Args:
        module: the augmentation.
        params: its parameters, as ``forward_parameters`` returned them.
    """

    module: Any
    params: Mapping[str, Any]


class Form(NamedTuple):
    """Form of a batch, before anything is applied to it.

    Args:
        shape: ``(B, C, H, W)``.
        device: where it lies.
        by_graph: whether it is worked on in compiled graphs.
    """

    shape: torch.Size
    device: torch.device
    by_graph: bool = False

    @classmethod
    def of(cls, images: Tensor, *, by_graph: bool = False) -> Form:
        """Return the form of images."""
        return cls(images.shape, images.device, by_graph)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[-2], self.shape[-1]

    def sized(self, size: tuple[int, int]) -> Form:
        """Return the form of as many images of another height and width."""
        return self._replace(shape=torch.Size((*self.shape[:2], *size)))


@dataclass(frozen=True)
class Prepared:
    """What an operation needs besides the images: small, and where Kornia drew it.

    Args:
        columns: name → tensor; with ``rows``, of these rows only.
        rows: numbers of the changed rows, where the host knows them. ``None``: see ``gate``.
        gate: which rows are changed, where only the device knows. ``None``: all are.
        known: what the host knows, and a graph is made for.
        by_graph: whether to work in a compiled graph.
    """

    columns: Mapping[str, Tensor] = field(default_factory=dict)
    rows: Tensor | None = None
    gate: Tensor | None = None
    known: tuple[Any, ...] = ()
    by_graph: bool = False

    @property
    def acts(self) -> bool:
        """Whether any row may be changed."""
        return self.rows is None or len(self.rows) > 0

    def tensors(self) -> dict[str, Tensor]:
        """List all tensors by name."""
        more = {"rows": self.rows, "gate": self.gate}
        return {**self.columns, **{name: t for name, t in more.items() if t is not None}}

    def holding(self, tensors: Mapping[str, Tensor]) -> Prepared:
        """Hold other tensors of the same names, such as copies on another device."""
        return replace(
            self,
            columns={name: tensors[name] for name in self.columns},
            rows=tensors.get("rows"),
            gate=tensors.get("gate"),
        )


class Operation(ABC):
    """The fused form of one class of Kornia's augmentations."""

    makes_new: ClassVar[bool] = False
    """Whether it always returns new memory, which the next operation may write into."""

    def refuses(self, module: Any, images: Form) -> str | None:  # noqa: ARG002
        """Say why a module, as it is set, runs as Kornia's own on images like these."""
        return None

    def tolerance(self, side: int) -> float:  # noqa: ARG002
        """By how much values may differ from Kornia's, for images of a side in pixels."""
        return 1e-5

    def joins(self, group: Sequence[Drawn]) -> bool:
        """Whether modules that were drawn one after the other may be applied as one."""
        return len(group) == 1

    def size(self, group: Sequence[Drawn], size: tuple[int, int]) -> tuple[int, int]:  # noqa: ARG002
        """Height and width of what images of a height and width become."""
        return size

    @abstractmethod
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """Read what Kornia drew."""

    @abstractmethod
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Work on images, which may be written into."""


class ToSize(Operation):
    """An operation that makes images of the size in its module's flags."""

    @override
    def size(self, group: Sequence[Drawn], size: tuple[int, int]) -> tuple[int, int]:
        """The size asked for."""
        return size_of(group)


def size_of(group: Sequence[Drawn]) -> tuple[int, int]:
    """Height and width that a group's first module is asked for."""
    height, width = group[0].module.flags["size"]
    return int(height), int(width)


def gate_of(drawn: Drawn) -> Tensor | None:
    """Say which rows an augmentation was applied to ``(B,)``; ``None``: to all, as Kornia does."""
    module: Any = drawn.module
    if module.p == 1.0 and module.p_batch == 1.0:
        return None
    gate: Tensor = drawn.params["batch_prob"] > 0.5
    return gate
