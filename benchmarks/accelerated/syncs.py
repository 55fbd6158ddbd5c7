"""Where the host waits for the device, as PyTorch's own debug mode tells it."""

from __future__ import annotations

import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pipelines import kornia_pipeline
from sampled import TYPES
from simsiam import SimSiam
from term import loss_of, step_of

from accelerated import steps
from accelerated.attempts import Row
from accelerated.names import ALONE, FUSED, FUSED_COMPILED, KORNIA, RECORDER, STEP
from accelerated.pipelines import pictures, recorder, without_solarize
from accelerated.target import Target, sync_mode
from augself_loss.recording.multiview import MultiViewRecorder

TITLE = "Waits of the host for the device, after the first calls"
SAID = "called a synchronizing CUDA operation"
"""What PyTorch says where the host waits."""
WARM, CALLS = 5, 5


def cases(target: Target) -> dict[str, Callable[[], list[Row]]]:
    """List what is to wait for nothing; and Kornia alone, to which the recorder adds nothing."""
    batch, size = (4, 32) if target.tiny else (256, 96)

    def augmented(augment: Callable[[], Any]) -> Callable[[], Callable[[], object]]:
        return lambda: partial(augment(), pictures(target, batch, size))

    def step(way: str) -> Callable[[], object]:
        images, model = pictures(target, batch, size), SimSiam("resnet18")
        return steps.step_of(target, model, size, images, way=way, term=True)

    def made(way: str) -> Any:
        return recorder(kornia_pipeline(size), target, way)

    prepare: dict[str, Callable[[], Callable[[], object]]] = {
        ALONE: augmented(lambda: kornia_pipeline(size)),
        RECORDER: augmented(lambda: made(KORNIA)),
        f"{RECORDER}, {FUSED}": augmented(lambda: made(FUSED)),
        "two pipelines": augmented(lambda: _two_pipelines(target, size)),
        "term": lambda: _term(target, compiled=False),
        STEP: lambda: step(KORNIA),
        f"{STEP}, {FUSED}": lambda: step(FUSED),
        f"{RECORDER}, {FUSED_COMPILED}": augmented(lambda: made(FUSED_COMPILED)),
        "term, compiled": lambda: _term(target, compiled=True),
    }
    return {name: partial(_case, target, way) for name, way in prepare.items()}


def _two_pipelines(target: Target, size: int) -> MultiViewRecorder:
    """Make a view of each of two pipelines; what one lacks, the other's record has to say."""
    pipelines = (kornia_pipeline(size), without_solarize(size))
    return MultiViewRecorder([recorder(pipeline, target, FUSED) for pipeline in pipelines])


def _term(target: Target, *, compiled: bool) -> Callable[[], object]:
    if compiled:
        target.need_compiler()
    module: Any = loss_of(64, TYPES)
    return step_of(torch.compile(module) if compiled else module, 16, 64, device=target.device)


def _case(target: Target, prepare: Callable[[], Callable[[], object]]) -> list[Row]:
    run = prepare()
    for _ in range(WARM):
        run()
    target.synchronize()
    target.need_cuda()  # the calls themselves run everywhere
    return [{"in error mode": refused(run), **waits(run)}]


def refused(run: Callable[[], object]) -> str:
    """Say whether calls go through where every wait raises, or else the first place that waits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode itself warns that it is a prototype
        try:
            with sync_mode("error"):
                for _ in range(CALLS):
                    run()
        except RuntimeError as error:
            if SAID not in str(error):
                raise
            last = traceback.extract_tb(error.__traceback__)[-1]
            return f"raises at {place(last.filename, last.lineno or 0)}"
    return "passes"


def waits(run: Callable[[], object]) -> Row:
    """Count the waits of the host's own thread, and say where they are."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        with sync_mode("warn"):
            for _ in range(CALLS):
                run()
    return counted(seen)


def counted(seen: Iterable[warnings.WarningMessage]) -> Row:
    """Count the warnings that tell of a wait, a call, and say where most come from."""
    places = Counter(place(w.filename, w.lineno) for w in seen if SAID in str(w.message))
    most = "; ".join(f"{where} ({count})" for where, count in places.most_common(3))
    return {"waits a call": places.total() / CALLS, "where, of all calls": most}


def place(file: str, line: int) -> str:
    """Name a line of a file by the end of its path."""
    return f"{'/'.join(Path(file).parts[-3:])}:{line}"
