"""Runs the pipeline of one view, made of stable-pretraining's transforms, and records it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from augself_loss.adapters.stable_pretraining.notes import (
    FIXED,
    IMAGE,
    READERS,
    Noted,
    host,
    name_of,
    step_of,
)
from augself_loss.errors import PipelineError
from augself_loss.recording.follow import Children, Settings
from augself_loss.recording.plan import NOTHING, Branch, Leaf, Node
from augself_loss.recording.reported import Size
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision.images import Seen
from augself_loss.recording.torchvision.wiring import Wiring, is_torchvision
from augself_loss.recording.twins import held_by, refilled

HOLDERS: Mapping[type, tuple[str, str]] = {
    host.Compose: ("args", "sequence"),
    host.ControlledTransform: ("_transform", "sequence"),
    host.WrapTorchTransform: ("lambd", "sequence"),
    host.RoutingTransform: ("transforms", "one_of"),
}
"""The host's transforms that run others → where they hold them, and how they run them."""


UNSEEN = Seen((0, 0), 1.0, 3)
"""Stands for the image while none was given yet."""


class HostWiring(Wiring):
    """Makes the notes of the host's transforms be read."""

    recorder = "StablePretrainingRecorder"
    hint = ""

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire one of the host's transforms, or torchvision's."""
        cls: Any = type(transform)
        if cls in FIXED:
            return transform, NOTHING
        if cls in READERS:
            return self._wire_noted(transform)
        if cls in HOLDERS:
            return self._wire_held(transform, *HOLDERS[cls])
        if is_torchvision(cls) or cls in (nn.Identity, nn.Sequential):
            return super().wire_known(transform)
        raise self.unknown(transform)

    @staticmethod
    def size_of(image: Any) -> Size:
        """Height and width of a sample's image."""
        return Wiring.size_of(image[IMAGE])

    def _wire_noted(self, transform: Any) -> tuple[Any, Node]:
        name = type(transform).__name__
        if (transform.source, transform.target) != (IMAGE, IMAGE):
            raise PipelineError(
                f"'{name}' expected to read and write '{IMAGE}', which the forward functions see, "
                f"found '{transform.source}' to '{transform.target}'. Leave it out of the record "
                "on purpose with ignore=[...]."
            )
        encoder = self.catalogue.encoder(step_of(transform, {}, UNSEEN))
        self.watches.append(Settings(transform, encoder, self.catalogue, name_of(transform)))
        if encoder is None:
            return transform, NOTHING
        return Noted(transform), Leaf(name, encoder)

    def _wire_held(self, holder: Any, attribute: str, kind: Any) -> tuple[Any, Node]:
        children = held_by(holder, attribute)
        self.watches.append(Children(holder, attribute, children))
        # What runs on the picture alone is torchvision's to read.
        on_picture = type(holder) is host.WrapTorchTransform
        wire = self._of_pictures().wire if on_picture else self.wire
        wired = [wire(child) for child in children]
        plan = Branch(kind, [plan for _, plan in wired])
        return refilled(holder, attribute, [child for child, _ in wired]), plan

    def _of_pictures(self) -> Wiring:
        wiring = Wiring(self.catalogue, self.own, self.register, self.ignore, {})
        wiring.watches = self.watches
        return wiring


class ViewRecorder(TorchvisionRecorder):
    """Runs the pipeline of one view on a sample, ``{"image": …}``, and returns both and the record.

    Args:
        transform: a pipeline of ``stable_pretraining.data.transforms``; torchvision's may be among
            them.
        encoders, register, ignore, types: see :class:`TorchvisionRecorder`; what is registered is
            given the sample.

    Raises:
        PipelineError: a random transform that is not known, by name.
    """

    wiring = HostWiring
