"""Which settings a run gets: the paper's, or on the offline set those that were chosen."""

from __future__ import annotations

import dataclasses
from typing import Any

from transfer import objectives
from transfer.augmentations import Augmentation
from transfer.config import METHODS, Config
from transfer.errors import TransferError

CHOSEN: dict[str, dict[str, Any]] = {method: {"feature_dim": 256} for method in METHODS}
"""Offline: per method what differs from :class:`Config`'s defaults; CHOICES.md says why."""

WEIGHTS: dict[str, dict[str, float]] = {m: {"crop": 1.0, "color": 1.0} for m in METHODS}
"""Offline: λ per method."""

SMALLER: dict[str, dict[str, dict[str, Any]]] = {
    "essl": {"simclr": {"weight": 0.1}, "moco": {"weight": 0.1}},
}
"""Where validation parts chose another λ than the paper's; CHOICES.md shows them."""

NEIGHBOURS: dict[str, dict[str, dict[str, Any]]] = {
    name: {m: {**options, **SMALLER.get(name, {}).get(m, {})} for m in objectives.METHODS}
    for name, options in objectives.OPTIONS.items()
}
"""What an objective is set to, by method."""

SMALL = {"width": 4, "epochs": 1, "batch": 32, "projector": 32, "embedding": 16, "queue": 64}
SMOKE: dict[str, Any] = {**SMALL, "prototypes": 8, "head_dim": 16, "warmup": 0, "feature_dim": 32}
"""A run of seconds, to test the chain."""

PAPER: dict[str, dict[str, Any]] = {
    "stl10": {
        "network": "resnet18",
        "picture": 96,
        "view": 96,
        "epochs": 200,
        "lr": 0.03,
        "weight_decay": 5e-4,
        "projector": 2048,
        "augmentation": Augmentation(blur=0.5, blur_kernel=9),
    },
    "imagenet100": {
        "network": "resnet50",
        "picture": 256,
        "view": 224,
        "epochs": 500,
        "lr": 0.05,
        "weight_decay": 1e-4,
        "projector": 2048,
        "augmentation": Augmentation(blur=0.5, blur_kernel=23),
    },
}
PAPER["imagefolder"] = PAPER["imagenet100"]
PAPER["stl10-train"] = PAPER["stl10"]
"""SimSiam's recipe of the paper; the other methods take it with their own losses."""

PAPER_WEIGHTS = {"stl10": 1.0, "stl10-train": 1.0, "imagenet100": 0.5, "imagefolder": 0.5}
"""λ of crop and of color."""

COMMON: dict[str, Any] = {"precision": "16-mixed", "warmup": 0, "queue": 65536, "prototypes": 3000}
"""What the paper's settings need on GPUs."""

RESNET18: dict[str, Any] = {
    "network": "resnet18",
    "picture": 80,
    "view": 64,
    "epochs": 100,
    "projector": 2048,
    "apply": "fused",
    "resident": True,
}
RECIPES: dict[str, dict[str, Any]] = {"resnet18": RESNET18}
"""Larger runs of the small settings, for one GPU; CHOICES.md says why. All else is Config's."""

ORDER: dict[str, tuple[str, ...]] = {
    "": METHODS,
    "resnet18": ("simclr", "moco", "simsiam", "byol", "swav", "supervised"),
}
"""In which order a recipe's methods are run, seed by seed."""

SMOKE_OF: dict[str, dict[str, Any]] = {"": {}, "resnet18": {"picture": 40, "view": 32}}
"""By recipe, what a run of seconds needs besides."""

VARIANTS: dict[str, dict[str, Any]] = {
    "crop-only": {"keep": ("crop",)},
    "color-only": {"keep": ("color",)},
    "all-types": {"add": ("flip", "grayscale")},
    "jitter-weak": {"augmentation": {"jitter": (0.2, 0.2, 0.2, 0.05)}},
    "jitter-strong": {"augmentation": {"jitter": (0.8, 0.8, 0.8, 0.2)}},
    "rotation-solarize": {
        "augmentation": {"solarize": 0.2, "rotation": True},
        "add": ("rotation", "solarize"),
    },
    "layer3": {"tap": "layer3"},
    "depths": {"tap": "depths"},
    "gradient-share": {"share": 0.5},
}
"""Ablations: what differs from the main comparison."""

ONLY_AUGSELF = ("crop-only", "color-only", "all-types", "layer3", "depths", "gradient-share")
"""Variants of the term alone, whose plain runs are the main comparison's."""


class RecipeError(TransferError, ValueError):
    """Settings that make no run."""


def place(data: str, recipe: str = "") -> str:
    """Name what runs of a recipe on a data setting are kept and compared under."""
    return "-".join(filter(None, [data, recipe]))


def configure(
    data: str,
    method: str,
    seed: int,
    *,
    augself: bool,
    objective: str = "",
    variant: str = "",
    recipe: str = "",
    smoke: bool = False,
    overrides: dict[str, Any] | None = None,
) -> Config:
    """Put a run's settings together.

    Args:
        data: name of the data setting.
        method: one of ``METHODS``.
        seed: of everything.
        augself: with the term, or plain.
        objective: another objective that is trained with, see :mod:`transfer.objectives`.
        variant: one of ``VARIANTS``, or empty.
        recipe: one of ``RECIPES``, or empty for the setting's own. Its runs bear a name of their
            own, e.g. ``offline-resnet18``.
        smoke: a tiny run.
        overrides: fields of :class:`Config` that shall differ from the recipe.

    Raises:
        RecipeError: an unknown method, variant, objective or field, a variant of the term without
            it, or an objective where it is not compared.
    """
    _check(method, augself, variant, overrides or {})
    _check_recipe(data, recipe)
    _check_objective(objective, method, variant, overrides or {})
    if recipe:
        fields, types = dict(RECIPES[recipe]), dict(WEIGHTS[method])
    elif data in PAPER:
        fields = {**COMMON, **PAPER[data]}
        types = dict.fromkeys(("crop", "color"), PAPER_WEIGHTS[data])
    else:
        fields, types = dict(CHOSEN[method]), dict(WEIGHTS[method])
    changes = dict(VARIANTS.get(variant, {}))
    augmentation = fields.get("augmentation", Augmentation())
    fields["augmentation"] = dataclasses.replace(augmentation, **changes.pop("augmentation", {}))
    kept = changes.pop("keep", tuple(types))
    added = changes.pop("add", ())
    types = {**{n: v for n, v in types.items() if n in kept}, **dict.fromkeys(added, 1.0)}
    small = {**SMOKE, **SMOKE_OF[recipe]} if smoke else {}
    fields = {"types": types, **fields, **changes, **small, **(overrides or {})}
    if not augself:
        fields.update(types={}, share=None)
    options = {**NEIGHBOURS[objective][method], **fields.get("options", {})} if objective else {}
    fields.update(objective=objective, options=options)
    return Config(place(data, recipe), method, seed, **fields, variant=variant)


def _check_recipe(data: str, recipe: str) -> None:
    if recipe and recipe not in RECIPES:
        raise RecipeError(f"recipe expected one of {', '.join(RECIPES)}, found {recipe!r}.")
    if recipe and data in PAPER:
        raise RecipeError(f"{data} has the paper's recipe; leave --recipe away, or --set FIELD.")


def _check_objective(objective: str, method: str, variant: str, overrides: dict[str, Any]) -> None:
    if not objective:
        return
    known = objectives.OPTIONS
    if objective not in known:
        raise RecipeError(f"objective expected one of {', '.join(known)}, found {objective!r}.")
    if method not in objectives.METHODS:
        raise RecipeError(
            f"The arm {objective!r} expected a method out of {', '.join(objectives.METHODS)}, "
            f"found {method!r}. Ask for those: --methods {' '.join(objectives.METHODS)}."
        )
    if variant:
        raise RecipeError(
            f"The arm {objective!r} is compared in the main grid alone, found the variant "
            f"{variant!r}. Leave --variant away."
        )
    unknown = sorted(set(overrides.get("options", {})) - set(known[objective]))
    if unknown:
        raise RecipeError(
            f"options of {objective!r} expected some of {', '.join(known[objective]) or 'none'}, "
            f"found {', '.join(unknown)}."
        )


def _check(method: str, augself: bool, variant: str, overrides: dict[str, Any]) -> None:
    known = {field.name for field in dataclasses.fields(Config)}
    if method not in METHODS:
        raise RecipeError(f"method expected one of {', '.join(METHODS)}, found {method!r}.")
    if variant and variant not in VARIANTS:
        raise RecipeError(f"variant expected one of {', '.join(VARIANTS)}, found {variant!r}.")
    if variant in ONLY_AUGSELF and not augself:
        raise RecipeError(f"{variant!r} changes the AugSelf term: its plain run is the main one.")
    unknown = sorted(set(overrides) - known)
    if unknown:
        raise RecipeError(
            f"--set expected fields out of {', '.join(sorted(known))}; found {', '.join(unknown)}."
        )
