"""Fused forms that change some rows of a batch, each on its own."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, TypeAlias

import torch
from torch import Tensor
from typing_extensions import override

from augself_loss.recording.kornia.fused.compiled import any_number, compiled
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Operation, Prepared, gate_of

Work: TypeAlias = Callable[[Tensor, Mapping[str, Tensor]], Tensor]
"""Images and columns → images changed, in new memory."""
CACHE_BYTES = 1 << 19
"""So many bytes of images stay in a CPU's cache."""
EVERY_ROW = 0.5
"""Compiled graphs work on all rows and select, where at least so many are changed."""


class RowWise(Operation):
    """An operation on some of the rows, each on its own, that keeps the size.

    ``graph`` is what one graph holds; ``in_place`` does the same operation by operation.
    """

    bit_by_bit: ClassVar[bool] = False
    """Whether a CPU works on few rows at a time, so that many steps find them in its cache."""
    by_where: ClassVar[bool] = True
    """Whether a graph may rather work on all rows, if most are changed anyhow."""

    def columns(self, drawn: Drawn) -> dict[str, Tensor]:  # noqa: ARG002
        """List the parameters of every row, each ``(B, …)``."""
        return {}

    def graph_columns(self, drawn: Drawn) -> dict[str, Tensor]:
        """List the parameters that a graph reads, if it reads others."""
        return self.columns(drawn)

    def known(self, drawn: Drawn) -> tuple[Any, ...]:  # noqa: ARG002
        """Say what the host knows, and ``in_place`` makes use of."""
        return ()

    def variant(self, drawn: Drawn) -> tuple[Any, ...]:  # noqa: ARG002
        """Say what a graph is made for: there is one for every value."""
        return ()

    @abstractmethod
    def graph(self, known: tuple[Any, ...]) -> Work:
        """Return what one graph holds; for equal ``known`` the same function."""

    def in_place(
        self, images: Tensor, columns: Mapping[str, Tensor], known: tuple[Any, ...]
    ) -> Tensor:
        """Return images changed; they may be written into."""
        return self.graph(known)(images, columns)

    @override
    def prepare(self, group: Sequence[Drawn], images: Form) -> Prepared:
        """List columns, of the changed rows only where these are few enough."""
        (drawn,) = group
        gate = gate_of(drawn)
        if images.by_graph:
            columns, known = self.graph_columns(drawn), self.variant(drawn)
        else:
            columns, known = self.columns(drawn), self.known(drawn)
        prepared = Prepared(columns, known=known, by_graph=images.by_graph)
        most = images.by_graph and self.by_where and drawn.module.p >= EVERY_ROW
        if gate is None or most or gate.device.type != "cpu":
            return replace(prepared, gate=gate)
        rows = gate.nonzero()[:, 0]
        if images.by_graph and len(rows) == 1:
            rows = rows.expand(2)  # a graph for one row is another graph
        some = {name: column[rows.to(column.device)] for name, column in columns.items()}
        return replace(prepared, columns=some, rows=rows)

    @override
    def apply(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Change the rows that are to be."""
        if prepared.by_graph:
            return self.by_graph(images, prepared)
        if prepared.gate is not None:
            changed = self.in_place(images.clone(), prepared.columns, prepared.known)
            return put(images, changed, prepared)
        most = CACHE_BYTES if self.bit_by_bit and images.device.type == "cpu" else images.nbytes
        for some, part in _parts(images, prepared.rows, most):
            columns = {name: column[part] for name, column in prepared.columns.items()}
            block = images[some] if isinstance(some, slice) else images.index_select(0, some)
            changed = self.in_place(block, columns, prepared.known)
            if not isinstance(some, slice):
                images.index_copy_(0, some, changed)
            elif changed is not block:
                block.copy_(changed)
        return images

    def by_graph(self, images: Tensor, prepared: Prepared) -> Tensor:
        """Change the rows that are to be, in one graph."""
        rows, columns, work = prepared.rows, prepared.columns, self.graph(prepared.known)
        changed: Tensor
        if prepared.gate is not None:
            changed = compiled(_where, work)(work, images, prepared.gate, columns)
        elif rows is None:
            changed = compiled(_all, work)(work, images, columns)
        else:
            any_number([rows, *columns.values()])
            changed = put(images, compiled(_selected, work)(work, images, rows, columns), prepared)
        return changed


def put(images: Tensor, changed: Tensor, prepared: Prepared) -> Tensor:
    """Put changed rows in their places."""
    if prepared.rows is not None:
        return images.index_copy_(0, prepared.rows, changed)
    if prepared.gate is not None:
        return torch.where(prepared.gate[:, None, None, None], changed, images)
    return changed


def _all(work: Work, images: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    return work(images, columns)


def _where(work: Work, images: Tensor, gate: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    return torch.where(gate[:, None, None, None], work(images, columns), images)


def _selected(work: Work, images: Tensor, rows: Tensor, columns: Mapping[str, Tensor]) -> Tensor:
    return work(images[rows], columns)


def _parts(
    images: Tensor, rows: Tensor | None, most: int
) -> Iterator[tuple[slice | Tensor, slice]]:
    """Part the changed rows into blocks of at most so many bytes, or one row."""
    count = len(images) if rows is None else len(rows)
    step = max(1, most * len(images) // max(1, images.nbytes))
    for start in range(0, count, step):
        part = slice(start, start + step)
        yield (part if rows is None else rows[part]), part
