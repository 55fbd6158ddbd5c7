"""Views per second: Kornia, recorded, fused, fused and compiled, and torchvision in batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from pipelines import kornia_pipeline, torchvision_pipeline

from accelerated.attempts import Row
from accelerated.compare import Way, compare
from accelerated.names import FUSED, FUSED_COMPILED, KORNIA, TORCHVISION
from accelerated.pipelines import pictures, recorder
from accelerated.target import Target

TITLE = "One view of a batch, drawing included; torchvision v2 draws once for the whole batch"
CALLS = 8
"""Views made in a row: torchvision draws for a whole batch what to apply; one says little."""


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List the batches that are augmented."""
    sizes = [(4, 32)] if target.tiny else [(256, 96), (256, 224), (256, 32)]
    return {f"{batch}×3×{size}²": partial(_case, target, batch, size) for batch, size in sizes}


def _case(target: Target, batch: int, size: int) -> list[Row]:
    images = pictures(target, batch, size)

    def recorded(way: str) -> Callable[[], object]:
        return partial(recorder(kornia_pipeline(size), target, way), images)

    ways: dict[str, Way] = {
        KORNIA: lambda: partial(kornia_pipeline(size), images),
        f"{KORNIA}, recorded": lambda: recorded(KORNIA),
        FUSED: lambda: recorded(FUSED),
        FUSED_COMPILED: lambda: recorded(FUSED_COMPILED),
        TORCHVISION: lambda: partial(torchvision_pipeline(size), images),
    }
    done = compare(ways, target, budget=8, calls=CALLS)

    def columns(name: str) -> Row:
        return {
            "views / s": batch / done.per_call(name),
            **done.against(name, KORNIA, faster=True),
            **done.against(name, TORCHVISION, faster=True),
        }

    return done.rows(columns)
