"""Runs the pipeline of one view, made of stable-pretraining's transforms, and records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from augself_loss.adapters.stable_pretraining.device import FIXED as FIXED_ON_DEVICE
from augself_loss.adapters.stable_pretraining.device import host as on_device
from augself_loss.adapters.stable_pretraining.notes import (
    FIXED,
    IMAGE,
    READERS,
    Noted,
    host,
    name_of,
    step_of,
)
from augself_loss.encoders.step import Seen
from augself_loss.errors import PipelineError
from augself_loss.recording.follow import Settings
from augself_loss.recording.plan import NOTHING, Leaf, Node
from augself_loss.recording.reported import Size
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.wiring import Wiring

HOLDERS: Mapping[type, tuple[str, Any]] = {
    host.Compose: ("args", "sequence"),
    on_device.GPUCompose: ("transforms", "sequence"),
    host.ControlledTransform: ("_transform", "sequence"),
    host.WrapTorchTransform: ("lambd", "sequence"),
    host.RoutingTransform: ("transforms", "one_of"),
}
"""The host's transforms that run others → where they hold them, and how they run them."""

STILL = (*FIXED, *FIXED_ON_DEVICE)
"""The host's transforms that leave the picture's frame as it is."""
UNSEEN = Seen((0, 0), 1.0, 3)
"""Stands for the image while none was given yet."""


class HostWiring(Wiring):
    """Makes the notes of the host's transforms be read."""

    recorder = "StablePretrainingRecorder"
    hint = ""

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire one of the host's transforms, or torchvision's."""
        cls: Any = type(transform)
        if cls in STILL:
            return transform, NOTHING
        if cls in READERS:
            return self._wire_noted(transform)
        if cls in HOLDERS:
            return self.wire_children(transform, *HOLDERS[cls])
        return super().wire_known(transform)

    @staticmethod
    def size_of(image: Any) -> Size:
        """Height and width of a sample's image, or, in a ``WrapTorchTransform``, of the image."""
        return Wiring.size_of(image[IMAGE] if isinstance(image, dict) else image)

    def _wire_noted(self, transform: Any) -> tuple[Any, Node]:
        name = type(transform).__name__
        if (transform.source, transform.target) != (IMAGE, IMAGE):
            raise PipelineError(
                f"Expected '{name}' to read and write '{IMAGE}', which the forward functions use, "
                f"found '{transform.source}' to '{transform.target}'. Change them, or leave it "
                f"out of the record with ignore=[{name}]."
            )
        step = step_of(transform, {}, UNSEEN)
        encoder = self.catalogue.encoder(step)
        self.watches.append(Settings(transform, encoder, self.catalogue, name_of(transform)))
        if encoder is None:
            return transform, NOTHING
        return Noted(transform, self.catalogue.reading(step)), Leaf(name, encoder)


class ViewRecorder(TorchvisionRecorder):
    """Runs the pipeline of one view on a sample, ``{"image": …}``, and returns both and the record.

    Args:
        transform: a pipeline of ``stable_pretraining.data.transforms``; torchvision's may be among
            them.
        encoders, register, ignore, types: as :class:`TorchvisionRecorder` takes them; what is
            registered is given the sample.

    Raises:
        PipelineError: a random transform that is not known, by name.
    """

    wiring = HostWiring
