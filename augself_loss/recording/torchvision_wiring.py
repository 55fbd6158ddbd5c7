"""Walks a torchvision pipeline and makes its transforms note what they do."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.plan import Branch, Leaf, Node, is_listed
from augself_loss.recording.torchvision_taps import Apply, Reported, tap

CONTAINERS = {"Compose": "sequence", "RandomApply": "sequence", "RandomChoice": "one_of",
              "RandomOrder": "order"}  # fmt: skip
FIXED = frozenset(
    {
        "ConvertImageDtype", "Grayscale", "Identity", "LinearTransformation", "Normalize",
        "PILToTensor", "RGB", "Resize", "ToDtype", "ToImage", "ToPILImage", "ToPureTensor",
        "ToTensor",
    }
)  # fmt: skip
"""torchvision's transforms without randomness that keep a view's fractional frame."""


class Wiring:
    """Copies a pipeline and makes its transforms note what they do."""

    def __init__(
        self,
        catalogue: Catalogue,
        own: Iterable[Encoder],
        register: Mapping[Any, tuple[Encoder, Apply]],
        ignore: tuple[Any, ...],
        wrappers: Mapping[type, str],
    ) -> None:
        self.catalogue, self.own = catalogue, tuple(own)
        self.register, self.ignore, self.wrappers = register, ignore, wrappers

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return a copy that notes what it does, and the plan of what it holds."""
        cls, name = type(transform), getattr(transform, "__name__", type(transform).__name__)
        if is_listed(transform, self.ignore):
            return transform, Branch("sequence", ())
        for key, (encoder, apply) in self.register.items():
            if is_listed(transform, (key,)):
                return Reported(transform, encoder.name, apply), Leaf(name, encoder)
        if cls in self.wrappers:
            return self._wire_wrapper(transform, self.wrappers[cls])
        if cls is nn.Identity or (is_torchvision(cls) and name in FIXED):
            return transform, Branch("sequence", ())
        if cls is nn.Sequential or (is_torchvision(cls) and name in CONTAINERS):
            return self._wire_container(transform)
        if self._tappable(cls):
            return self._wire_leaf(transform)
        raise PipelineError(
            f"TorchvisionRecorder does not know '{name}' and cannot say what it did to a view. "
            f"Say how to run and read it (register={{{name}: (encoder, apply)}}), or leave it out "
            f"of the record on purpose (ignore=[{name}])."
        )

    def _wire_wrapper(self, wrapper: Any, attribute: str) -> tuple[Any, Node]:
        child, plan = self.wire(getattr(wrapper, attribute))
        wired = copied(wrapper)
        setattr(wired, attribute, child)
        return wired, plan

    def _wire_container(self, container: Any) -> tuple[Any, Node]:
        children = container if isinstance(container, nn.Sequential) else container.transforms
        wired = [self.wire(child) for child in children]
        kind: Any = CONTAINERS.get(type(container).__name__, "sequence")
        plan = Branch(kind, [plan for _, plan in wired])
        return _rebuilt(container, [child for child, _ in wired]), plan

    def _wire_leaf(self, transform: Any) -> tuple[Any, Node]:
        wired = copy.deepcopy(transform)
        step = Step(type(transform).__name__, {}, vars(wired), (0, 0))
        encoder = self.catalogue.encoder(step)
        if encoder is None:
            return transform, Branch("sequence", ())
        tap(wired)
        return wired, Leaf(step.name, encoder)

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


def copied(transform: Any) -> Any:
    """Copy a transform so that other children can be set without touching the original's."""
    copied = copy.copy(transform)
    if "_modules" in vars(transform):  # some hosts' modules never ran nn.Module's constructor
        copied._modules = dict(transform._modules)
    return copied


def _rebuilt(container: Any, children: list[Any]) -> Any:
    """Copy a container with other children; a ModuleList stays one."""
    if isinstance(container, nn.Sequential):
        return nn.Sequential(*children)
    rebuilt = copied(container)
    is_modules = isinstance(container.transforms, nn.ModuleList)
    rebuilt.transforms = nn.ModuleList(children) if is_modules else children
    return rebuilt
