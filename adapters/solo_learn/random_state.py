"""Keeps random states in the checkpoints of solo-learn's ``Checkpointer``."""

from __future__ import annotations

from typing import Any

from solo.utils.checkpointer import Checkpointer

from augself_loss.adapters.lightning.random_state import RandomStates
from augself_loss.errors import LossError

Callback: Any = Checkpointer.__base__
"""That of the Lightning which solo-learn is built on; another one may be installed too."""


class KeepRandomState(RandomStates, Callback):  # type: ignore[misc]
    """Makes a run that resumes from an epoch's end go on bit for bit, as Lightning's would not.

    See :class:`augself_loss.adapters.lightning.KeepRandomState`. This one serves solo-learn's
    ``Checkpointer`` and its Lightning: put it before the ``Checkpointer`` in ``callbacks``.
    """

    def __init__(self) -> None:
        super().__init__()
        self._states: dict[str, Any] = {"processes": []}

    def setup(self, trainer: Any, pl_module: Any, stage: Any = None) -> None:  # noqa: ARG002
        """Refuse to stand behind the ``Checkpointer``, which would save the last epoch's states.

        Raises:
            LossError: it does.
        """
        earlier = trainer.callbacks[: trainer.callbacks.index(self)]
        if any(isinstance(callback, Checkpointer) for callback in earlier):
            raise LossError(
                "Expected KeepRandomState to come before the Checkpointer, found it after. Pass "
                "callbacks=[KeepRandomState(), Checkpointer(...)]."
            )

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        """Collect the states here, in all processes: in 1.0.2 only the first one saves."""
        self._states = super().state_dict()

    def state_dict(self) -> dict[str, Any]:
        """Return what the epoch's end collected; plain tensors and numbers."""
        return self._states
