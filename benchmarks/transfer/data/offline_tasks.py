"""How the offline sets are split to fit, to choose and to score on, and what they live on."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from transfer.data.building.folds import group_folds
from transfer.data.building.rows import Built
from transfer.data.building.vendors import LEARNT
from transfer.data.memory import InMemory
from transfer.data.sets import Fold, Task

REPEATS = 3  # of cross-validation
VAL_OF = 5  # one training picture in so many chooses the regularization
MOST_IN_DOMAIN = 5000  # training pictures that in-domain accuracy is fitted on
ALWAYS_IN_DOMAIN = 5  # of each class, whatever its size


def crossvalidated(built: Built) -> tuple[Fold, ...]:
    """Cross-validation by the set's own folds."""
    return _around(torch.tensor(built.columns["fold"]))


def repeated(built: Built) -> tuple[Fold, ...]:
    """Cross-validation several times, the folds dealt anew each time: the first is the set's."""
    groups = built.columns["group"]
    return tuple(
        fold
        for seed in range(REPEATS)
        for fold in _around(torch.tensor(group_folds(groups, built.labels, seed=seed)))
    )


def vendors_crossvalidated(built: Built) -> tuple[Fold, ...]:
    """Skin tones: fitted and chosen on one vendor's drawings, scored on other glyphs of all."""
    learnt = torch.tensor([vendor == LEARNT for vendor in built.columns["vendor"]])
    return tuple(
        Fold(fold.train[learnt[fold.train]], fold.val[learnt[fold.val]], fold.test)
        for fold in crossvalidated(built)
    )


def halves(built: Built) -> tuple[Fold, ...]:
    """Each half once to score; a fifth of the other's groups chooses the regularization."""
    of_row = built.columns["fold"]
    parts = [[row for row, fold in enumerate(of_row) if fold == half] for half in (0, 1)]
    return tuple(_with_val(built, parts[1 - half], parts[half]) for half in (0, 1))


def held_apart(built: Built) -> tuple[Fold, ...]:
    """Scored on splits 1 and 2; a fifth of split 0, whole groups where there are, is for val.

    Groups: what a person or hand does (skintone), the landscape (locate: the stamps of train and
    val are the same, those of test are not), the glyph (emojicat).
    """
    split = built.columns["split"]
    fitted = [row for row, part in enumerate(split) if part == 0]
    test = [row for row, part in enumerate(split) if part > 0]
    return (_with_val(built, fitted, test),)


def by_vendors(built: Built) -> tuple[Fold, ...]:
    """Flags: two pairs of vendors, to fit and to choose on, each scored on all the others."""
    # EmojiOne's are round and read so badly that a choice on them, or for them, would be chance.
    parts = [("iso", "twemoji"), ("noto", "iso")]
    vendors = sorted(set(built.columns["vendor"]))
    return tuple(
        Fold(_of(built, fit), _of(built, choose), _of(built, *sorted({*vendors} - {fit, choose})))
        for fit, choose in parts
    )


def by_vendor(built: Built) -> tuple[Fold, ...]:
    """Flags: one vendor to fit, one to choose the regularization, two to score."""
    return (Fold(_of(built, "iso"), _of(built, "twemoji"), _of(built, "noto", "emojione")),)


def _of(built: Built, *names: str) -> Tensor:
    """Rows that one of the vendors drew."""
    vendors = built.columns["vendor"]
    return _rows(row for row, name in enumerate(vendors) if name in names)


@dataclass(frozen=True)
class Kind:
    """What is to know of a task beside its pictures."""

    lives_on: str
    folds: Callable[[Built], tuple[Fold, ...]]
    set: str = ""  # whose pictures; those of the same name if not said
    asked: str = ""  # which column is the label; the set's labels if not said
    views: int = 1
    few_shot: bool = False
    credit: str = "see the transfer example's data/SOURCES.md"


EMOJI = (
    "Twemoji, Twitter and others, CC BY 4.0; EmojiOne 2, Ranks.com, CC BY-SA 4.0; Noto Emoji, "
    "Google, Apache 2.0"
)
FLUENT = f"{EMOJI}; Fluent Emoji, Microsoft, MIT"
TASKS = {
    "skintone": Kind("color", held_apart, credit=EMOJI),
    "flags": Kind("color", by_vendor, few_shot=True, credit=EMOJI),
    "materials": Kind("texture", crossvalidated, few_shot=True),
    "locate": Kind("position", held_apart),
    "tuxphoto": Kind("category", crossvalidated, few_shot=True),
    "emojicat": Kind("category", held_apart, few_shot=True, credit=EMOJI),
    "fashion": Kind("grey control", held_apart, credit="Fashion-MNIST, Zalando SE, MIT"),
}
"""Of the setting ``offline``: what the first runs were tested on."""
LARGER = {
    "skintone": Kind("color", vendors_crossvalidated, set="skintone-2", credit=FLUENT),
    "flags": Kind("color", by_vendors, set="flags-2", few_shot=True, credit=EMOJI),
    "materials": Kind("texture", repeated, few_shot=True),
    "locate": Kind("position", halves, set="locate-2"),
    "patch": Kind("position", halves),
    "above": Kind("position", halves, set="views", views=2, credit=FLUENT),
    "left": Kind("position", halves, set="views", asked="left", views=2, credit=FLUENT),
    "tuxphoto": Kind("category", repeated, few_shot=True),
    "emojicat": Kind("category", held_apart, set="emojicat-2", few_shot=True, credit=FLUENT),
    "fashion": TASKS["fashion"],
}
"""Of the setting ``offline-2``: larger test sets, and three more tasks that live on position."""
SETTINGS = {"offline": TASKS, "offline-2": LARGER}


def set_of(name: str, kind: Kind) -> str:
    """Whose pictures a task shows."""
    return kind.set or name


def task(name: str, kind: Kind, built: Built, pictures: InMemory[Tensor]) -> Task:
    """A downstream task over a set's pictures, uint8 ``(N, 3, S, S)``."""
    rows = _every(built, kind.views)  # a pair is known by its first view
    boxes = rows.columns.get("box")
    return Task(
        name=name,
        pictures=pictures,
        labels=torch.tensor(rows.columns[kind.asked] if kind.asked else rows.labels),
        classes=("right", "left") if kind.asked else tuple(built.classes),
        folds=kind.folds(rows),
        lives_on=kind.lives_on,
        boxes=None if boxes is None else torch.tensor(boxes, dtype=torch.float32),
        groups=_groups(name, rows),
        views=kind.views,
        few_shot=kind.few_shot,
        credit=kind.credit,
    )


def _every(built: Built, step: int) -> Built:
    """Every so many rows of a set, without its pictures."""
    columns = {name: values[::step] for name, values in built.columns.items()}
    return Built(built.images[:0], built.labels[::step], built.classes, columns)


def _groups(name: str, built: Built) -> Tensor | None:
    """Rows that stand or fall together: of one group or, of flags, of one country."""
    if name == "flags":
        return torch.tensor(built.labels)
    if "group" not in built.columns:
        return None
    number = {group: place for place, group in enumerate(sorted(set(built.columns["group"])))}
    return torch.tensor([number[group] for group in built.columns["group"]])


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


def _around(of_row: Tensor) -> tuple[Fold, ...]:
    """Each fold once to score; the next one chooses the regularization."""
    count = int(of_row.max()) + 1
    return tuple(
        Fold(
            train=_where((of_row != test) & (of_row != (test + 1) % count)),
            val=_where(of_row == (test + 1) % count),
            test=_where(of_row == test),
        )
        for test in range(count)
    )


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
