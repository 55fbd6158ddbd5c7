"""How the offline sets are split to fit, to choose and to score on, and what they live on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from transfer.data.building.folds import group_folds
from transfer.data.building.rows import Built
from transfer.data.memory import InMemory
from transfer.data.sets import Fold, Task

VAL_OF = 5  # one training picture in so many chooses the regularization
MOST_IN_DOMAIN = 5000  # training pictures that in-domain accuracy is fitted on
ALWAYS_IN_DOMAIN = 5  # of each class, whatever its size


def crossvalidated(built: Built) -> tuple[Fold, ...]:
    """Each fold once to score; the next one chooses the regularization."""
    of_row = torch.tensor(built.columns["fold"])
    count = int(of_row.max()) + 1
    return tuple(
        Fold(
            train=_where((of_row != test) & (of_row != (test + 1) % count)),
            val=_where(of_row == (test + 1) % count),
            test=_where(of_row == test),
        )
        for test in range(count)
    )


def held_apart(built: Built) -> tuple[Fold, ...]:
    """Scored on splits 1 and 2; a fifth of split 0, whole groups where there are, is for val.

    Groups: what a person or hand does (skintone), the landscape (locate: the stamps of train and
    val are the same, those of test are not), the glyph (emojicat).
    """
    split = built.columns["split"]
    fitted = [row for row, part in enumerate(split) if part == 0]
    test = [row for row, part in enumerate(split) if part > 0]
    return (_with_val(built, fitted, test),)


def by_vendor(built: Built) -> tuple[Fold, ...]:
    """Flags: one vendor to fit, one to choose the regularization, two to score."""
    vendor = built.columns["vendor"]

    def drawn_by(*names: str) -> Tensor:
        return _rows(row for row, name in enumerate(vendor) if name in names)

    return (Fold(drawn_by("iso"), drawn_by("twemoji"), drawn_by("noto", "emojione")),)


@dataclass(frozen=True)
class Kind:
    """What is to know of a task beside its pictures."""

    lives_on: str
    folds: Callable[[Built], tuple[Fold, ...]]
    few_shot: bool = False
    credit: str = "see the transfer example's data/SOURCES.md"


EMOJI = (
    "Twemoji, Twitter and others, CC BY 4.0; EmojiOne 2, Ranks.com, CC BY-SA 4.0; Noto Emoji, "
    "Google, Apache 2.0"
)
TASKS = {
    "skintone": Kind("color", held_apart, credit=EMOJI),
    "flags": Kind("color", by_vendor, few_shot=True, credit=EMOJI),
    "materials": Kind("texture", crossvalidated, few_shot=True),
    "locate": Kind("position", held_apart),
    "tuxphoto": Kind("category", crossvalidated, few_shot=True),
    "emojicat": Kind("category", held_apart, few_shot=True, credit=EMOJI),
    "fashion": Kind("grey control", held_apart, credit="Fashion-MNIST, Zalando SE, MIT"),
}


def task(name: str, built: Built, images: Tensor) -> Task:
    """A downstream task over pictures, uint8 ``(N, 3, S, S)``."""
    kind = TASKS[name]
    boxes = built.columns.get("box")
    return Task(
        name=name,
        pictures=InMemory(images),
        labels=torch.tensor(built.labels),
        classes=tuple(built.classes),
        folds=kind.folds(built),
        lives_on=kind.lives_on,
        boxes=None if boxes is None else torch.tensor(boxes, dtype=torch.float32),
        few_shot=kind.few_shot,
        credit=kind.credit,
    )


def trained_and_held_out(built: Built) -> tuple[Tensor, Tensor]:
    """Rows of the pretraining set that methods train on, and those that none does."""
    held_out = torch.tensor(built.columns["held_out"]).bool()
    return _where(~held_out), _where(held_out)


def held_out_task(built: Built, images: Tensor) -> Task:
    """In-domain accuracy: fitted on pretraining pictures, scored on the held-out ones.

    Fitted on at most 5000 of them, a like share of every class, at least five of each. Crops of
    one photograph are on both sides and may overlap, as the class is the photograph: this measures
    how well a photograph is known again, beside categories of textures, drawings and renders.
    """
    trained, held_out = trained_and_held_out(built)
    chosen = _stratified([(row, built.labels[row]) for row in trained.tolist()])
    rows = torch.tensor(chosen + held_out.tolist())
    columns = {"group": [built.columns["group"][row] for row in rows.tolist()]}
    labels = [built.labels[row] for row in rows.tolist()]
    part = Built(built.images[:0], labels, built.classes, columns)
    fitted, test = list(range(len(chosen))), list(range(len(chosen), len(rows)))
    return Task(
        name="held_out",
        pictures=InMemory(images[rows]),
        labels=torch.tensor(labels),
        classes=tuple(built.classes),
        folds=(_with_val(part, fitted, test),),
        lives_on="in-domain",
    )


def _stratified(labelled: list[tuple[int, int]]) -> list[int]:
    """Some of the rows, in their order: a few of every class, then the same share of each."""
    random.Random(0).shuffle(labelled)
    of_class: dict[int, list[int]] = {}
    for row, label in labelled:
        of_class.setdefault(label, []).append(row)
    ranked = [
        (max(0.0, rank - ALWAYS_IN_DOMAIN + 1) / len(rows), row)
        for rows in of_class.values()
        for rank, row in enumerate(rows)
    ]
    return sorted(row for _, row in sorted(ranked)[:MOST_IN_DOMAIN])


def _with_val(built: Built, fitted: list[int], test: list[int]) -> Fold:
    groups = built.columns.get("group", list(range(len(built.labels))))
    parts = group_folds(
        [groups[row] for row in fitted], [built.labels[row] for row in fitted], VAL_OF
    )
    return Fold(
        train=_rows(row for row, part in zip(fitted, parts, strict=True) if part > 0),
        val=_rows(row for row, part in zip(fitted, parts, strict=True) if part == 0),
        test=_rows(test),
    )


def _where(mask: Tensor) -> Tensor:
    return mask.nonzero().flatten()


def _rows(rows: Iterable[int]) -> Tensor:
    return torch.tensor(list(rows), dtype=torch.int64)
