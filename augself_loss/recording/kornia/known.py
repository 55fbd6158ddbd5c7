"""Which modules are Kornia's own, and what a user can do about others, or about none recorded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from kornia.augmentation import (
    AugmentationSequential,
    ImageSequential,
    IntensityAugmentationBase2D,
)
from torch import nn

from augself_loss.errors import PipelineError
from augself_loss.recording.held import held_in
from augself_loss.recording.misgiven import cure_of, cure_of_moving, other_recorder
from augself_loss.recording.names import name_of

CONTAINERS = (AugmentationSequential, ImageSequential, nn.Sequential)
"""Containers whose children are read, the most special first."""
RECORDER = "KorniaRecorder"
PARTS, GENERATORS = "kornia.augmentation", "kornia.augmentation.random_generator"
"""Where Kornia defines its augmentations, and what draws their parameters."""
FIXED = frozenset(
    {"Normalize", "Denormalize", "Resize", "LongestMaxSize", "SmallestMaxSize", "Identity"}
)
"""Class names of modules without randomness that keep a view's fractional frame."""


def is_host(module: nn.Module) -> bool:
    """Whether a module is of Kornia or PyTorch itself."""
    return type(module).__module__.split(".")[0] in {"kornia", "torch"}


def may_draw(module: nn.Module) -> bool:
    """Whether a module is an augmentation of Kornia's, or holds one, at any depth."""
    return any(_is_part(one) and type(one).__name__ not in FIXED for one in module.modules())


def unknown(module: nn.Module) -> PipelineError:
    """Say that a module is not known; whether a user's own draws, only they know."""
    name = type(module).__name__
    ignoring, reading = f"ignore=[{name}]", "pass an encoder that reads it (encoders=[MyEncoder()])"
    if _is_part(module) and not isinstance(module, IntensityAugmentationBase2D):
        cure = cure_of_moving(reading, ignoring)
    else:
        cure = (
            f"{_unless(module, ignoring)}{reading}, or leave it out of the record with {ignoring}."
        )
        cure = cure[0].upper() + cure[1:]
    return PipelineError(
        f"KorniaRecorder expected augmentations that it can record, found '{name}'. {cure}"
        f"{other_recorder(module, RECORDER)}"
    )


def _unless(module: nn.Module, ignoring: str) -> str:
    """Say what a user can do about a module of theirs that needs no encoder."""
    if _is_part(module):
        return ""
    base = _concrete_base(module)
    if base:
        whole = f"kornia.augmentation.{base}"
        return f"If it only sets arguments of {base}, put a {whole} in its place. Else "
    if may_draw(module):
        return f"If it only runs what it holds, put {_run_by(module)} in its place. Else "
    return f"If it draws nothing at random, say so: {ignoring}. Else "


def _concrete_base(module: nn.Module) -> str | None:
    """Name the augmentation of Kornia's that a user's class is derived from, if it is whole."""
    above = [cls.__name__ for cls in type(module).__mro__ if cls.__module__.startswith(PARTS)]
    return above[0] if above and "Base" not in above[0] else None


def check_pipeline(pipeline: Any) -> None:
    """Refuse what is no module in the place of a pipeline.

    Raises:
        PipelineError: it is none.
    """
    if isinstance(pipeline, nn.Module):
        return
    composed = "nn.Sequential(...)"
    cure = cure_of(pipeline, composed) or (
        f"Pass Kornia's augmentations, several in an {composed}."
        f"{other_recorder(pipeline, RECORDER)}"
    )
    raise PipelineError(
        f"{RECORDER} expected a module of augmentations, found '{name_of(pipeline)}'. {cure}"
    )


def check_something(ignored: Iterable[nn.Module]) -> None:
    """Refuse that all that could be recorded is left out of the record.

    Args:
        ignored: what is left out of a pipeline of which nothing else is recorded.

    Raises:
        PipelineError: one of them holds augmentations of Kornia's.
    """
    for module in ignored:
        if not _is_part(module) and may_draw(module):
            raise PipelineError(
                "KorniaRecorder expected something to record, found that ignore= leaves out all "
                f"of '{type(module).__name__}', with what it holds. If it only runs that, put "
                f"{_run_by(module)} in its place, in the order in which it runs them."
            )


def _run_by(module: nn.Module) -> str:
    """Write down, as Python, what runs the parts of Kornia's that a module holds."""
    return f"nn.Sequential({', '.join(held_in(module, _is_part, 'module'))})"


def _is_part(module: object) -> bool:
    """Whether this is of Kornia's augmentations, or a plain container that holds one."""
    if isinstance(module, CONTAINERS) and is_host(module):
        return bool(held_in(module, _is_part))
    origin = type(module).__module__
    own = origin.startswith(PARTS) and not origin.startswith(GENERATORS)
    return own and isinstance(module, nn.Module)
