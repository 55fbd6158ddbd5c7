"""Walks a torchvision pipeline and makes twins of its transforms that note what they do."""

from __future__ import annotations

from typing import Any

from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2
from torchvision.transforms.v2.functional import get_size

from augself_loss.encoders.base import Step
from augself_loss.recording.follow import Children, Settings
from augself_loss.recording.plan import NOTHING, Leaf, Node
from augself_loss.recording.presets import as_known
from augself_loss.recording.reported import Size
from augself_loss.recording.torchvision.pil import encoder_of, run_noting
from augself_loss.recording.torchvision.samples import image_in, is_sample, parts_of
from augself_loss.recording.torchvision.taps import tapped
from augself_loss.recording.torchvision.timm import (
    TIMM_MODULES,
    TIMM_MOVING,
    TIMM_READINGS,
    TIMM_UNSEEN,
    is_timm,
)
from augself_loss.recording.torchvision.wrapped import Counted, Wrapped
from augself_loss.recording.twins import held_by, holding
from augself_loss.recording.walk import Reading, Walk

CONTAINERS = {"Compose": "sequence", "RandomApply": "sequence", "RandomChoice": "one_of",
              "RandomOrder": "order"}  # fmt: skip
UNSEEN = frozenset(
    {
        "ClampBoundingBoxes", "ClampKeyPoints", "ConvertBoundingBoxFormat", "Identity",
        "PILToTensor", "SanitizeBoundingBoxes", "SanitizeKeyPoints", "SetClampingMode", "ToImage",
        "ToPureTensor",
    }
)  # fmt: skip
"""torchvision's transforms that change no pixel: they may be applied at random too."""
FIXED = UNSEEN | {
    "ConvertImageDtype", "LinearTransformation", "Normalize", "Resize", "ToDtype", "ToPILImage",
    "ToTensor",
}  # fmt: skip
"""torchvision's transforms without randomness that keep a view's fractional frame."""

MOVING = frozenset(
    {
        "AugMix", "AutoAugment", "ElasticTransform", "RandAugment", "RandomIoUCrop", "RandomResize",
        "RandomShortestSize", "RandomZoomOut", "ScaleJitter", "TrivialAugmentWide",
    }
)  # fmt: skip
"""torchvision's transforms that move pixels as no record tells."""


class Wiring(Walk):
    """Makes twins of a torchvision pipeline's transforms, and follows the pipeline's changes."""

    recorder = "TorchvisionRecorder"
    library = ("torchvision.transforms", TIMM_MODULES)
    containers, fixed, moving = CONTAINERS, FIXED | TIMM_UNSEEN, MOVING | TIMM_MOVING
    hint = (
        " If it runs another pipeline, name its attribute: wrappers={{{name}: '{attribute}'}}. If "
        "it makes several views, use ViewsRecorder."
    )

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire what runs another pipeline, is torchvision's own, or is read by what it draws."""
        held = self.held_in(transform)
        if held is not None:
            return self._wire_wrapper(transform, held)
        transform = as_known(transform, self._is_known)
        cls, name = type(transform), type(transform).__name__
        if is_timm(cls) and name in TIMM_UNSEEN:
            return transform, NOTHING
        if cls is nn.Identity or (is_torchvision(cls) and name in FIXED):
            if name not in UNSEEN:
                self.check_always(name)
            return transform, NOTHING
        if cls is nn.Sequential or (is_torchvision(cls) and name in CONTAINERS):
            return self._wire_container(transform)
        if self._tappable(cls):
            return self._wire_leaf(transform)
        return self._wire_read(transform)

    def held_in(self, transform: Any) -> str | None:
        """Name the attribute in which a transform holds the pipeline that it only runs."""
        return self.wrappers.get(type(transform))

    @staticmethod
    def size_of(image: Any) -> Size:
        """Height and width of an image, or of a sample's."""
        image = image_in(parts_of(image), Wiring.recorder) if is_sample(image) else image
        height, width = get_size(image)
        return height, width

    def _wire_wrapper(self, wrapper: Any, attribute: str) -> tuple[Any, Node]:
        child, plan = self.wire(getattr(wrapper, attribute))
        self.watches.append(Children(wrapper, attribute, held_by(wrapper, attribute)))
        wired = holding(wrapper, attribute, Counted(child))
        return Wrapped(wired, attribute, type(wrapper).__name__), plan

    def _wire_container(self, container: Any) -> tuple[Any, Node]:
        name = type(container).__name__
        attribute = "_modules" if isinstance(container, nn.Sequential) else "transforms"
        several = len(held_by(container, attribute)) > 1
        at_random = name == "RandomApply" or (name.startswith("Random") and several)
        kind: Any = CONTAINERS.get(name, "sequence")
        return self.wire_children(container, attribute, kind, at_random=at_random)

    def _wire_leaf(self, transform: Any) -> tuple[Any, Node]:
        step = Step(type(transform).__name__, {}, vars(transform), (0, 0))
        encoder = self.catalogue.encoder(step)
        self.watches.append(Settings(transform, encoder, self.catalogue))
        wired = tapped(transform, self.catalogue.reading(step), idle=encoder is None)
        return wired, NOTHING if encoder is None else Leaf(step.name, encoder)

    def _wire_read(self, transform: Any) -> tuple[Any, Node]:
        """Wire what timm is known to draw, or what some code hands to PIL."""
        name = type(transform).__name__
        reading = TIMM_READINGS.get(name) if is_timm(type(transform)) else None
        build, apply = reading or Reading(encoder_of, run_noting)
        try:
            found: Any = build(transform)
        except LookupError:
            raise self.unknown(transform) from None
        if found is None:
            return self._left_still(transform)
        own = (one for one in self.own if isinstance(one, type(found)))
        return self._reported(transform, [next(own, found)], apply)

    def _is_known(self, cls: type) -> bool:
        """Whether transforms of this class can be read, or draw nothing."""
        name = cls.__name__
        if is_timm(cls):
            return name in TIMM_UNSEEN or name in TIMM_READINGS
        if is_torchvision(cls) and (name in FIXED or name in CONTAINERS):
            return True
        return cls in (nn.Sequential, nn.Identity) or self._tappable(cls)

    def _tappable(self, cls: type) -> bool:
        """Whether some encoder reads a transform of this class, and it can be made to note."""
        if is_torchvision(cls):
            return self.catalogue.knows(cls.__name__)
        # A user's class may bear torchvision's name: only the user's own encoders read it.
        return issubclass(cls, v2.Transform) and any(
            cls.__name__ in encoder.torchvision for encoder in self.own
        )


def is_torchvision(cls: type) -> bool:
    """Whether a class is torchvision's own; another library may use the same name."""
    return cls in (getattr(v1, cls.__name__, None), getattr(v2, cls.__name__, None))
