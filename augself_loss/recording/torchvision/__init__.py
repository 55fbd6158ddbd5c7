"""Records what a torchvision pipeline did to an image, in DataLoader workers too.

``recorder`` runs a pipeline, ``views`` an object that makes several views of pipelines; ``wiring``
walks a pipeline beforehand, ``taps`` makes its transforms note what they do, ``samples`` finds the
image among masks and labels, ``images`` reads it, ``wrapped`` runs classes that hold a pipeline,
``pil`` reads a user's own blur and solarization, whose code ``doubles`` runs.
"""

from augself_loss.recording.torchvision.recorder import TorchvisionRecorder
from augself_loss.recording.torchvision.views import ViewsRecorder

__all__ = ["TorchvisionRecorder", "ViewsRecorder"]
