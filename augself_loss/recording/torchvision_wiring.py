"""Walks a torchvision pipeline and makes twins of its transforms that note what they do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.follow import Children, Settings, Watch
from augself_loss.recording.own_callables import Counted, Reported, Wrapped
from augself_loss.recording.plan import Branch, Leaf, Node, is_listed
from augself_loss.recording.torchvision_taps import Apply, tapped
from augself_loss.recording.twins import held_by, holding

CONTAINERS = {"Compose": "sequence", "RandomApply": "sequence", "RandomChoice": "one_of",
              "RandomOrder": "order"}  # fmt: skip
UNSEEN = frozenset({"Identity", "PILToTensor", "ToImage", "ToPureTensor"})
"""torchvision's transforms that change no pixel: they may be applied at random too."""
FIXED = UNSEEN | {
    "ConvertImageDtype", "LinearTransformation", "Normalize", "Resize", "ToDtype", "ToPILImage",
    "ToTensor",
}  # fmt: skip
"""torchvision's transforms without randomness that keep a view's fractional frame."""


class Wiring:
    """Makes twins of a pipeline's transforms, which note what they do and follow its changes.

    Attributes:
        watches: what of the pipeline may change, to be looked at before every call.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        own: Iterable[Encoder],
        register: Mapping[Any, tuple[Encoder, Apply]],
        ignore: tuple[Any, ...],
        wrappers: Mapping[type, str],
        still: tuple[Any, ...] = (),
    ) -> None:
        self.catalogue, self.own = catalogue, tuple(own)
        self.register, self.ignore, self.wrappers = register, ignore, wrappers
        self.still = still
        self.watches: list[Watch] = []
        self._random: list[str] = []

    def wire(self, transform: Any) -> tuple[Any, Node]:
        """Return a twin that notes what it does, and the plan of what it holds."""
        cls, name = type(transform), getattr(transform, "__name__", type(transform).__name__)
        if self._left_out(transform):
            return transform, Branch("sequence", ())
        for key, (encoder, apply) in self.register.items():
            if is_listed(transform, (key,)):
                return Reported(transform, encoder, apply), Leaf(name, encoder)
        if cls in self.wrappers:
            return self._wire_wrapper(transform, self.wrappers[cls])
        if cls is nn.Identity or (is_torchvision(cls) and name in FIXED):
            self._check_fixed(name)
            return transform, Branch("sequence", ())
        if cls is nn.Sequential or (is_torchvision(cls) and name in CONTAINERS):
            return self._wire_container(transform)
        if self._tappable(cls):
            return self._wire_leaf(transform)
        raise PipelineError(
            f"TorchvisionRecorder does not know '{name}' and cannot say what it did to a view. "
            f"Say how to run and read it (register={{{name}: (encoder, apply)}}), or leave it out "
            f"of the record on purpose (ignore=[{name}]). If it only runs another pipeline, name "
            f"the attribute that holds it (wrappers={{{name}: 'transform'}}); if it makes several "
            "views, give their pipeline to MultiViewRecorder(TorchvisionRecorder(pipeline))."
        )

    def _left_out(self, transform: Any) -> bool:
        """Whether it stays out of the record: on purpose, or since it is never applied."""
        still = any(transform is one for one in self.still)
        if still:
            self.watches.append(Settings(transform, None, None))
        return still or is_listed(transform, self.ignore)

    def _check_fixed(self, name: str) -> None:
        """Refuse a fixed transform that a container applies at random."""
        if self._random and name not in UNSEEN:
            raise PipelineError(
                f"'{name}' is applied at random by '{self._random[-1]}', and no record entry tells "
                "whether or when. Put it outside, where it always runs; say how to run and read it "
                f"(register={{{name}: (encoder, apply)}}); or leave it out of the record on "
                f"purpose (ignore=[{name}])."
            )

    def _wire_wrapper(self, wrapper: Any, attribute: str) -> tuple[Any, Node]:
        held = getattr(wrapper, attribute)
        child, plan = self.wire(held)
        self.watches.append(Children(wrapper, attribute, held_by(wrapper, attribute)))
        wired = holding(wrapper, attribute, Counted(child))
        return Wrapped(wired, attribute, type(wrapper).__name__), plan

    def _wire_container(self, container: Any) -> tuple[Any, Node]:
        name = type(container).__name__
        attribute = "_modules" if isinstance(container, nn.Sequential) else "transforms"
        children = held_by(container, attribute)
        self.watches.append(Children(container, attribute, children))
        at_random = name == "RandomApply" or (name.startswith("Random") and len(children) > 1)
        with self._inside(name if at_random else None):
            wired = [self.wire(child) for child in children]
        kind: Any = CONTAINERS.get(name, "sequence")
        plan = Branch(kind, [plan for _, plan in wired])
        held: Any = [child for child, _ in wired]
        if attribute == "_modules":
            held = dict(zip(container._modules, held, strict=True))
        return holding(container, attribute, held), plan

    @contextmanager
    def _inside(self, name: str | None) -> Iterator[None]:
        """Wire what a container of this name applies at random; ``None`` if it always does."""
        self._random += [] if name is None else [name]
        yield
        if name is not None:
            self._random.pop()

    def _wire_leaf(self, transform: Any) -> tuple[Any, Node]:
        step = Step(type(transform).__name__, {}, vars(transform), (0, 0))
        encoder = self.catalogue.encoder(step)
        self.watches.append(Settings(transform, encoder, self.catalogue))
        wired = tapped(transform, idle=encoder is None)
        return wired, Branch("sequence", ()) if encoder is None else Leaf(step.name, encoder)

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
