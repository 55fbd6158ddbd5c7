"""Records what a Kornia pipeline did to a batch.

``recorder`` runs a pipeline; ``wiring`` walks it beforehand, ``watch`` notices changes, ``sizes``
and ``images`` refuse what Kornia would get wrong, ``params`` reads its versions' parameters.
``replay`` and ``replay_moved`` apply a record again, ``placing`` says what it leaves open of
where a view lies. ``built`` builds pipelines of configs.
"""

from augself_loss.recording.kornia.recorder import KorniaRecorder

__all__ = ["KorniaRecorder"]
