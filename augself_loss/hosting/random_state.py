"""The random states of a run's processes, so that later draws are what they would have been."""

from __future__ import annotations

import random
import sys
from typing import Any

import torch
import torch.distributed

from augself_loss.hosting.processes import process_count


def gathered() -> list[dict[str, Any]]:
    """Collect the states of all processes; plain tensors, lists and numbers.

    All processes have to call it at the same time.
    """
    state = current()
    if process_count() == 1:
        return [state]
    states: list[Any] = [None] * process_count()
    torch.distributed.all_gather_object(states, state)
    return states


def restore(state: dict[str, Any]) -> None:
    """Set this process's generators.

    Args:
        state: what :func:`current` returned, or one of those that :func:`gathered` did.
    """
    torch.set_rng_state(state["torch"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    numpy = _numpy()
    if "numpy" in state and numpy is not None:
        numpy.random.set_state(tuple(state["numpy"]))


def current() -> dict[str, Any]:
    """Read this process's state; plain tensors, lists and numbers."""
    version, internal, gauss = random.getstate()
    state: dict[str, Any] = {
        "torch": torch.get_rng_state(),
        "python": [version, list(internal), gauss],
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    numpy = _numpy()
    if numpy is not None:
        name, keys, *rest = numpy.random.get_state()
        state["numpy"] = [name, keys.tolist(), *rest]
    return state


def _numpy() -> Any:
    """Find NumPy where something imported it (torch does, where it is installed)."""
    return sys.modules.get("numpy")
