"""Keeps random states in Lightning checkpoints: a resumed run draws what it would have."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
import torch.distributed

from augself_loss.adapters.lightning.host import host_classes

Callback: Any = host_classes("Callback")[0]


class RandomStates:
    """What :class:`KeepRandomState` does, as a callback of whichever Lightning runs it."""

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Collect the random states of all processes; plain tensors and numbers."""
        return {"processes": _gathered(_random_state())}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the saved states until training starts."""
        self._loaded = state_dict["processes"]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Set this process's state, unless the run has another number of processes now."""
        if self._loaded is not None and len(self._loaded) == trainer.world_size:
            _set_random_state(self._loaded[trainer.global_rank])
            # The epoch's iterator exists already, and drew its order from another state. Lightning
            # starts a new one after this hook, except, since 2.6, in a resumed run.
            if getattr(trainer.fit_loop, "is_resuming", False):
                iter(trainer.fit_loop._data_fetcher)
        self._loaded = None


class KeepRandomState(RandomStates, Callback):  # type: ignore[misc]
    """Saves every process's random states with a checkpoint and sets them when a run resumes.

    Lightning saves weights, optimizers and loops, and no random state: a run resumed from its
    checkpoint shuffles and augments otherwise than one that was not interrupted. With this
    callback, a run resumed from a checkpoint of an epoch's end gives bit for bit the same next
    steps, with records made in workers or on the device, in as many processes as before.

    Example:
        >>> import lightning.pytorch as pl
        >>> trainer = pl.Trainer(callbacks=[KeepRandomState()], logger=False, max_epochs=1)
    """


def _random_state() -> dict[str, Any]:
    state: dict[str, Any] = {"torch": torch.get_rng_state(), "python": _as_lists(random.getstate())}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    name, keys, *rest = np.random.get_state()
    return {**state, "numpy": [name, np.asarray(keys).tolist(), *rest]}


def _set_random_state(state: dict[str, Any]) -> None:
    torch.set_rng_state(state["torch"])
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
    if "cuda" in state and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    np.random.set_state(tuple(state["numpy"]))


def _as_lists(state: Any) -> list[Any]:
    version, internal, gauss = state
    return [version, list(internal), gauss]


def _gathered(state: dict[str, Any]) -> list[dict[str, Any]]:
    if not torch.distributed.is_initialized():
        return [state]
    states: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(states, state)
    return states
