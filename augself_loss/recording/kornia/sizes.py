"""Finds modules that change an image's size where Kornia does not see it.

A Kornia container draws the parameters of all its children before the first of them runs, and
follows the size through its own augmentations only. After a plain module that changes the size,
crops are drawn for another image than they are applied to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from kornia.augmentation import ImageSequential, Resize
from torch import Tensor, nn

from augself_loss.errors import PipelineError
from augself_loss.recording.kornia.known import is_host
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS
from augself_loss.recording.kornia.wiring import overridden

SIZERS = frozenset(
    {
        "CenterCrop", "LongestMaxSize", "PadTo", "RandomCrop", "RandomResizedCrop", "Rescale",
        "Resize", "SmallestMaxSize",
    }
)  # fmt: skip
"""Class names of Kornia's modules that change an image's size."""


def check_sizes(
    pipeline: nn.Module,
    sized: Callable[[nn.Module], bool],
    ignored: Callable[[nn.Module], bool],
) -> list[nn.Module]:
    """Refuse modules that change the size unseen, and list those that may.

    Args:
        pipeline: the pipeline's outermost module.
        sized: whether a module draws, or is read, by the size of its image.
        ignored: whether the user left a module out of the record.

    Returns:
        Modules to watch while they run, see :func:`sizes_kept`.

    Raises:
        PipelineError: a module that is known to change the size stands before one that is sized.
    """
    doubtful: list[nn.Module] = []
    for container in _outermost(pipeline, ignored):
        steps = list(_steps(container, sized, ignored))
        last = max((i for i, (_, outer) in enumerate(steps) if outer is None), default=-1)
        for module, outer in steps[: max(last, 0)]:
            if outer is None or module in doubtful:
                continue
            if any(is_host(m) and type(m).__name__ in SIZERS for m in module.modules()):
                raise _unseen(module, type(outer).__name__)
            doubtful.append(module)
    return doubtful


@contextmanager
def sizes_kept(modules: Iterable[nn.Module]) -> Iterator[None]:
    """Keep an eye on modules that may change the size unseen, while they run."""
    hooks = [module.register_forward_hook(keeps_size) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def keeps_size(module: nn.Module, given: tuple[Any, ...], returned: Any) -> None:
    """Refuse, as a forward hook, that a module has changed the size of its image.

    Raises:
        PipelineError: it has.
    """
    if isinstance(returned, Tensor) and returned.shape[-2:] != given[0].shape[-2:]:
        raise _unseen(module, "a Kornia container")


def _unseen(module: nn.Module, container: str) -> PipelineError:
    return PipelineError(
        f"Expected '{type(module).__name__}' inside {container} to keep the image's size, found "
        "that it changes it, which Kornia does not notice: a later crop would be drawn for the "
        "wrong size. Use kornia.augmentation.Resize or ImageSequential instead, or put it and the "
        "container into a plain nn.Sequential."
    )


def _outermost(module: nn.Module, ignored: Callable[[nn.Module], bool]) -> Iterator[nn.Module]:
    """List the Kornia containers that are called with images, not run by another's list."""
    if ignored(module):
        return
    if isinstance(module, ImageSequential):
        yield module
    for child in module.children():
        if isinstance(child, nn.Sequential):
            inside = isinstance(module, ImageSequential) and isinstance(child, ImageSequential)
            found = list(_outermost(child, ignored))
            yield from found[1:] if inside else found


def _steps(
    container: nn.Module,
    sized: Callable[[nn.Module], bool],
    ignored: Callable[[nn.Module], bool],
) -> Iterator[tuple[nn.Module, nn.Module | None]]:
    """List what a container runs: a module with its container if unseen, with ``None`` if sized."""
    # In an order that is drawn, each child may come before each other.
    for child in [*container.children()] * (2 if getattr(container, "random_apply", 0) else 1):
        if isinstance(child, ImageSequential) and not overridden(child):
            yield from _steps(child, sized, ignored)
        elif not hasattr(child, "forward_parameters") or _is_lost(child):
            if not isinstance(child, nn.Identity):
                yield child, container
        elif not ignored(child) and (sized(child) or _cuts(child)):
            yield child, None


def _cuts(module: nn.Module) -> bool:
    """Whether a change of size takes a part of the image, if that is not of the size it expects."""
    return ONLY_APPLIED_ROWS and isinstance(module, Resize)


def _is_lost(module: nn.Module) -> bool:
    """Whether Kornia does not follow the size through this augmentation of its own."""
    return ONLY_APPLIED_ROWS and type(module).__name__ == "PadTo"
