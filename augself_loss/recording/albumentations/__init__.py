"""Records what an albumentations pipeline did to an image, in DataLoader workers too.

``recorder`` runs a pipeline; ``wiring`` walks it beforehand, ``taps`` makes its transforms note
what they do, ``images`` reads what they are given, ``replay`` applies a record again.
"""

from augself_loss.recording.albumentations.recorder import AlbumentationsRecorder

__all__ = ["AlbumentationsRecorder"]
