"""VISSL in the contract suite: its own configs, launcher, trainer, data set and checkpoints."""

from __future__ import annotations

import importlib
import multiprocessing
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from contract import TERM, Inner, Recording, Run
from vissl_options import ALIKE, KORNIA, METHODS, TWO


class VisslHost:
    """Every run is one of VISSL's own configs on tiny pictures and networks."""

    name = "VISSL"
    packages: Mapping[str, str] = {"vissl": "0.1.6"}
    adapter = "augself_loss.adapters.vissl"
    missing: tuple[str, ...] = ("vissl",)
    methods: tuple[str, ...] = tuple(METHODS)
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "weights"
    inner = Inner("trunk.stem", 8)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "trunk."

    def run(
        self,
        folder: Path,
        method: str,
        *,
        weights: Mapping[str, float] | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        processes: int = 1,
        resume: bool = False,  # noqa: ARG002 - VISSL finds the checkpoint itself
        deep: bool = False,
        hooks: tuple[str, ...] = (),
        **more: Any,
    ) -> list[Run]:
        """Train; ``hooks`` are names of more of them, ``more`` options of VISSL's config."""
        on_device = recording == "device"
        read = (
            {
                "TAP" if key == "taps" else key.upper(): value
                for key, value in self.inner.beside(16, "trunk").items()
            }
            if deep
            else {}
        )
        options = {
            "OPTIMIZER.num_epochs": epochs,
            "DISTRIBUTED.NUM_PROC_PER_NODE": processes,
            **({"DATA.TRAIN.TRANSFORMS": ALIKE} if on_device else {}),
            **({} if weights is None else {"AUGSELF": node(weights, on_device=on_device, **read)}),
            **more,
        }
        with quiet():
            parts: Any = importlib.import_module("vissl_parts")
            watched = parts.watched(
                folder,
                plain=weights is None,
                on_device=on_device,
                more=tuple(getattr(parts, name) for name in hooks),
            )
            parts.launch(parts.config(folder, method, options), watched)
        runs = [Run.read(folder / f"rank{rank}.pt") for rank in range(processes)]
        for run in runs:
            run.saved = parts.saved(folder, epochs)
        return runs

    def refusal(self, folder: Path) -> str:
        transforms = [*TWO[:-1], {"name": "RandomMystery"}, TWO[-1]]
        return refused(
            folder, "SimCLR", {"DATA.TRAIN.TRANSFORMS": transforms, "AUGSELF": node(TERM)}
        )


def node(weights: Mapping[str, float], *, on_device: bool = False, **more: Any) -> dict[str, Any]:
    """Write the node AUGSELF."""
    kornia = {"KORNIA": KORNIA} if on_device else {}
    return {"WEIGHTS": dict(weights), "HIDDEN_DIM": 16, **kornia, **more}


def refused(folder: Path, method: str, options: Mapping[str, Any]) -> str:
    """Prepare a run; return the type and the text of the library's error."""
    with quiet():
        parts: Any = importlib.import_module("vissl_parts")
        try:
            parts.config(folder, method, options)
        except ValueError as error:
            return f"{type(error).__name__}: {error}"
    return "no error"


@contextmanager
def quiet() -> Iterator[None]:
    """Silence VISSL's warnings, and undo the start method that it sets."""
    before = multiprocessing.get_start_method(allow_none=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            multiprocessing.set_start_method(before, force=True)
