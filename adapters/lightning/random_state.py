"""Keeps random states in Lightning checkpoints: a resumed run draws what it would have."""

from __future__ import annotations

from typing import Any

from augself_loss.adapters.lightning.host import host_classes
from augself_loss.hosting.random_state import gathered, restore

Callback: Any = host_classes("Callback")[0]


class RandomStates:
    """What :class:`KeepRandomState` does, as a callback of whichever Lightning runs it."""

    def __init__(self) -> None:
        self._loaded: list[dict[str, Any]] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Collect the random states of all processes; plain tensors and numbers."""
        return {"processes": gathered()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the saved states until training starts."""
        self._loaded = state_dict["processes"]

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Set this process's state, unless the run has another number of processes now."""
        if self._loaded is not None and len(self._loaded) == trainer.world_size:
            restore(self._loaded[trainer.global_rank])
            # The epoch's iterator exists already, and drew its order from another state. Lightning
            # starts a new one after this hook, except, since 2.6, in a resumed run.
            if getattr(trainer.fit_loop, "is_resuming", False):
                iter(trainer.fit_loop._data_fetcher)
        self._loaded = None


class KeepRandomState(RandomStates, Callback):  # type: ignore[misc]
    """Saves every process's random states with a checkpoint and sets them when a run resumes.

    Lightning saves weights, optimizers and loops, but no random state: a resumed run shuffles and
    augments differently from one that was not interrupted. With this callback, a run resumed from
    an epoch's end takes bit for bit the same next steps, with records made in workers or on the
    device, in as many processes as before.

    Example:
        >>> import lightning.pytorch as pl
        >>> trainer = pl.Trainer(callbacks=[KeepRandomState()], logger=False, max_epochs=1)
    """
