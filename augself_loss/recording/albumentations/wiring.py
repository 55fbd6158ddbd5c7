"""Walks an albumentations pipeline and makes twins of its transforms that note what they do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.recording.albumentations.images import seen
from augself_loss.recording.albumentations.library import A, check_library
from augself_loss.recording.albumentations.taps import Reported, refilled, tapped
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.follow import Always, Children, Settings
from augself_loss.recording.plan import NOTHING, Branch, Leaf, Node
from augself_loss.recording.presets import as_known
from augself_loss.recording.reported import Apply, Size
from augself_loss.recording.twins import held_by
from augself_loss.recording.walk import Walk

KINDS: dict[str, Literal["sequence", "one_of", "order"]] = {
    "Compose": "sequence", "Sequential": "sequence", "ReplayCompose": "sequence",
    "SomeOf": "sequence", "RandomOrder": "order", "OneOf": "one_of", "OneOrOther": "one_of",
}  # fmt: skip
"""albumentations' containers → how their children run."""
ALL = frozenset({"Compose", "Sequential", "ReplayCompose"})
"""Containers that run all of their children."""
FIXED = frozenset({
    "FromFloat", "LongestMaxSize", "Normalize", "Resize", "SmallestMaxSize", "ToFloat",
    "ToTensorV2",
})  # fmt: skip
"""albumentations' transforms without randomness that keep a view's fractional frame."""
BOOKKEEPING = frozenset(vars(A.NoOp())) | {
    "deterministic", "save_key", "replay_mode", "applied_in_replay", "interpolation",
    "mask_interpolation",
}  # fmt: skip


class Wiring(Walk):
    """Makes twins of an albumentations pipeline's transforms, and follows its changes."""

    recorder = "AlbumentationsRecorder"
    hint = " If it only runs a pipeline, pass that pipeline to the recorder instead."
    library, composed = "albumentations.", "A.Compose([...])"
    containers, fixed = KINDS, FIXED

    def __init__(self, *args: Any) -> None:
        check_library(A)
        super().__init__(*args)

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire albumentations' own, or what a user's encoder reads."""
        transform = as_known(transform, self._is_known)
        cls, name = type(transform), type(transform).__name__
        if getattr(transform, "replay_mode", False):
            raise PipelineError(
                f"Expected '{name}' to draw its parameters, found it in replay mode. Pass the "
                "pipeline that it replays to the recorder, or build this one anew."
            )
        own = is_albumentations(cls)
        if own and name in KINDS:
            return self._wire_container(transform)
        if own and name == "NoOp":
            return transform, NOTHING
        if own and name in FIXED and self._is_fixed(transform):
            return self._wire_fixed(transform)
        if self._readable(cls):
            return self._wire_leaf(transform)
        raise self.unknown(transform)

    def moves(self, transform: Any) -> bool:
        """Whether one of the library's that is not known moves pixels; dropouts only hide some."""
        hides = type(transform).__name__.endswith(("Dropout", "Masking"))
        own = is_albumentations(type(transform)) and isinstance(transform, A.DualTransform)
        return own and not hides

    @staticmethod
    def size_of(image: Any) -> Size:
        """Height and width of an image."""
        return seen(image, "The pipeline")[0]

    def _wire_container(self, container: Any) -> tuple[Any, Node]:
        name = type(container).__name__
        children = held_by(container, "transforms")
        self.watches.append(Children(container, "transforms", children))
        if name == "OneOrOther":  # its p says which of the two
            always = True
        elif always := container.p >= 1:
            self._keep_always(container)
        chooses = name not in ALL and len(children) > 1
        with self.inside(None if always and not chooses else name):
            wired = [self.wire(child) for child in children]
        again = 2 if getattr(container, "replace", False) and container.n > 1 else 1
        plans = [plan for _, plan in wired for _ in range(again)]
        return refilled(container, [child for child, _ in wired]), Branch(KINDS[name], plans)

    def _wire_fixed(self, transform: Any) -> tuple[Any, Node]:
        with self.inside(f"p={transform.p}" if transform.p < 1 else None):
            self.check_always(type(transform).__name__)
        self._keep_always(transform)
        return transform, NOTHING

    def _wire_leaf(self, transform: Any) -> tuple[Any, Node]:
        step = Step(type(transform).__name__, {}, vars(transform), (0, 0))
        encoder = self.catalogue.encoder(step)
        self.watches.append(self.settings(transform, encoder, self.catalogue))
        wired = tapped(transform, self.catalogue.reading(step), idle=encoder is None)
        if encoder is None:
            return wired, NOTHING
        more = [self.catalogue.encoders[name] for name in encoder.also.get(step.name, ())]
        leaves = [Leaf(step.name, one) for one in (encoder, *more)]
        return wired, Branch("sequence", leaves) if more else leaves[0]

    def settings(
        self, transform: Any, encoder: Encoder | None, catalogue: Catalogue | None
    ) -> Settings:
        """Watch how a transform is built; of one that shall never act its probability too."""
        names = BOOKKEEPING if catalogue else BOOKKEEPING - {"p"}
        return Settings(transform, encoder, catalogue, bookkeeping=names)

    def _keep_always(self, transform: Any) -> None:
        """Watch that something is always applied: all by one watch, since every image asks."""
        always = next((watch for watch in self.watches if isinstance(watch, Always)), Always([]))
        self.watches += [] if always.transforms else [always]
        always.transforms.append(transform)

    def reporting(self, transform: Any, encoders: Sequence[Encoder], apply: Apply) -> Any:
        """Make what runs a user's callable on albumentations' data."""
        return Reported(transform, encoders, apply)

    def _is_known(self, cls: type) -> bool:
        """Whether transforms of this class can be read, or draw nothing."""
        name = cls.__name__
        fixed = name == "NoOp" or name in KINDS or name in FIXED
        return (is_albumentations(cls) and fixed) or self._readable(cls)

    def _readable(self, cls: type) -> bool:
        """Whether some encoder reads a transform of this class."""
        if is_albumentations(cls):
            return self.catalogue.knows(cls.__name__)
        # A user's class may bear albumentations' name: only the user's own encoders read it.
        return issubclass(cls, A.BasicTransform) and any(
            cls.__name__ in encoder.albumentations for encoder in self.own
        )

    @staticmethod
    def _is_fixed(transform: Any) -> bool:
        """Whether one of the fixed transforms draws nothing; of a list of sizes it draws one."""
        return not isinstance(getattr(transform, "max_size", None), (list, tuple))


def is_albumentations(cls: type) -> bool:
    """Whether a class is albumentations' own; another library may use the same name."""
    return getattr(A, cls.__name__, None) is cls
