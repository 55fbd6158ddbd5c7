"""Records what a pipeline of MMPretrain's transforms did to an image, in DataLoader workers too."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeAlias

from mmcv.transforms import Compose, RandomApply, RandomChoice
from mmengine.utils import get_object_from_string

from augself_loss.adapters.mmpretrain.transforms import FIXED, MOVING, READINGS, UNSEEN, size_of
from augself_loss.encoders import Encoder
from augself_loss.errors import PipelineError
from augself_loss.recording.notes import Note
from augself_loss.recording.plan import NOTHING, Node
from augself_loss.recording.recorder import CallableRecorder
from augself_loss.recording.reported import Apply
from augself_loss.recording.walk import Walk

Own: TypeAlias = "tuple[Encoder, Apply]"

CONTAINERS: Any = {Compose: "sequence", RandomApply: "sequence", RandomChoice: "one_of"}


class _Wiring(Walk):
    """Knows MMCV's and MMPretrain's transforms; a user names theirs, as configs do."""

    readings = READINGS
    by_name = True
    chances = ("prob", "erase_prob")
    size_of = staticmethod(size_of)
    recorder = "RecordedMultiView"
    registering = (
        "register=dict({name}='package.module.name') with the name of a tuple (encoder, apply)"
    )
    ignoring = "ignore=['{name}']"
    library = ("mmpretrain.", "mmcv.")
    fixed, moving = FIXED, MOVING

    def is_ignored(self, transform: Any) -> bool:
        """Whether its class's name is among those that the user leaves out."""
        return type(transform).__name__ in self.ignore

    def registered(self, transform: Any) -> Own | None:
        """Find how the user wants transforms of its class's name read."""
        return self.register.get(type(transform).__name__)

    def wire_known(self, transform: Any) -> tuple[Any, Node]:
        """Wire one of MMCV's or MMPretrain's containers or fixed transforms, or refuse it."""
        cls, name = type(transform), type(transform).__name__
        if cls in CONTAINERS:
            at_random = cls is not Compose
            return self.wire_children(transform, "transforms", CONTAINERS[cls], at_random=at_random)
        if name in FIXED and cls.__module__.startswith(("mmcv.", "mmpretrain.")):
            if name not in UNSEEN:
                self.check_always(name)
            return transform, NOTHING
        raise self.unknown(transform)


class MMRecorder(CallableRecorder):
    """Runs a pipeline of MM transforms on a ``results`` dict and returns image and record.

    The image is bit for bit that of the pipeline alone under the same seeds of NumPy, ``random``
    and torch. The recorder works on a copy of the pipeline and pickles with it.

    Args:
        pipeline: transforms that are built, a list or a ``Compose`` of them.
        register: for random transforms that are not known: class name → ``(encoder, apply)``, or
            the dotted name under which both are found; ``apply(transform, results)`` returns the
            results and the encoder's columns, ``None`` where nothing was applied.
        ignore: names of classes whose randomness shall not be recorded.
        types: types to record even if this pipeline never applies them (as the identity).

    Attributes:
        layout: entries of the record, see :class:`~augself_loss.parameters.Field`.
        encoders: encoders of the recorded types, with this pipeline's ranges.

    Raises:
        PipelineError: a random transform that is not known, or an order that no record can tell.

    Example:
        >>> import numpy as np
        >>> from mmcv.transforms import RandomFlip
        >>> recorder = MMRecorder([RandomFlip(prob=1.0)])
        >>> image, record = recorder({"img": np.zeros((8, 8, 3), np.uint8)})
        >>> record
        {'flip': tensor([1.])}
    """

    wiring = _Wiring

    def __init__(
        self,
        pipeline: Any,
        *,
        register: Mapping[str, Own | str] | None = None,
        ignore: Iterable[str] = (),
        types: Iterable[str] = (),
    ) -> None:
        own = {name: _own(name, given) for name, given in (register or {}).items()}
        whole = Compose(list(getattr(pipeline, "transforms", pipeline)))
        super().__init__(copy.deepcopy(whole), register=own, ignore=ignore, types=types)

    def noted(self, image: dict[str, Any], *_: Any) -> tuple[Any, Sequence[Note]]:
        """Augment one image, and leave what was noted to be settled.

        Args:
            image: what MM transforms pass on, ``results`` with the image ``(H, W, C)`` as ``img``;
                it is left as it is.

        Returns:
            The view, and the notes of the steps that made it.
        """
        made, notes = super().noted(copy.deepcopy(image))
        return made["img"], notes


def _own(name: str, given: Own | str) -> Own:
    """Find what a user registered for a transform of their own."""
    found: Any = given
    if isinstance(given, str):
        with suppress(ImportError, ValueError):
            found = get_object_from_string(given)
    match found:
        case (Encoder() as encoder, apply) if callable(apply):
            return encoder, apply
    raise PipelineError(
        f"register expected (encoder, apply) for '{name}', or the dotted name of such a tuple in "
        f"an importable module, found {given!r}."
    )
