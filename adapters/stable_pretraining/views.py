"""Runs the pipeline of one view, made of stable-pretraining's transforms, and records it."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn

from augself_loss.adapters.stable_pretraining.notes import (
    FIXED,
    IMAGE,
    READERS,
    Noted,
    Reported,
    host,
    name_of,
    step_of,
)
from augself_loss.errors import PipelineError
from augself_loss.recording.follow import Children, Settings
from augself_loss.recording.plan import Branch, Leaf, Node, is_listed
from augself_loss.recording.torchvision import TorchvisionRecorder
from augself_loss.recording.torchvision_images import Seen
from augself_loss.recording.torchvision_wiring import Wiring, is_torchvision
from augself_loss.recording.twins import held_by

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
    """Copies a pipeline of the host's and makes its transforms' notes be read."""

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return a copy whose transforms are read, and the plan of what it holds."""
        cls: Any = type(transform)
        if cls in FIXED or is_listed(transform, self.ignore):
            return transform, Branch("sequence", ())
        for key, (encoder, apply) in self.register.items():
            if is_listed(transform, (key,)):
                return Reported(transform, encoder, apply), Leaf(cls.__name__, encoder)
        if cls in READERS:
            return self._wire_noted(transform)
        if cls in HOLDERS:
            return self._wire_held(transform, *HOLDERS[cls])
        if is_torchvision(cls) or cls in (nn.Identity, nn.Sequential):
            return super().wire(transform)
        name = getattr(transform, "__name__", cls.__name__)
        raise PipelineError(
            f"StablePretrainingRecorder does not know '{name}' and cannot say what it did to a "
            f"view. Say how to run and read it (register={{{name}: (encoder, apply)}}), or leave "
            f"it out of the record on purpose (ignore=[{name}])."
        )

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
            return transform, Branch("sequence", ())
        return Noted(transform), Leaf(name, encoder)

    def _wire_held(self, holder: Any, attribute: str, kind: Any) -> tuple[Any, Node]:
        held = getattr(holder, attribute)
        self.watches.append(Children(holder, attribute, held_by(holder, attribute)))
        # What runs on the picture alone is torchvision's to read.
        on_picture = type(holder) is host.WrapTorchTransform
        wire = self._of_pictures().wire if on_picture else self.wire
        if isinstance(held, dict):
            wired = {key: wire(child) for key, child in held.items()}
            plan = Branch(kind, [plan for _, plan in wired.values()])
            return changed(
                holder, attribute, {key: child for key, (child, _) in wired.items()}
            ), plan
        if isinstance(held, (list, tuple)):
            children = [wire(child) for child in held]
            plan = Branch(kind, [plan for _, plan in children])
            return changed(holder, attribute, type(held)(child for child, _ in children)), plan
        child, plan_of_child = wire(held)
        return changed(holder, attribute, child), plan_of_child

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


def changed(transform: Any, attribute: str, value: Any) -> Any:
    """Copy a transform that holds others, with others, without touching the original."""
    wired = copy.copy(transform)
    if "_modules" in vars(transform):  # some hosts' modules never ran nn.Module's constructor
        wired._modules = dict(transform._modules)
    setattr(wired, attribute, value)
    return wired
