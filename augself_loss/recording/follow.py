"""Notices what a user changes in a pipeline of callables after its recorder was made.

Attributes are shared with the recorder's twins, so most changes simply hold. What a record of the
old layout cannot tell is refused at the next call: other children, or wider ranges.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch import nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.twins import held_by

BOOKKEEPING = frozenset(vars(nn.Module()))
"""What every module has; it says nothing about an augmentation."""
REMAKE = "Make a new recorder, and a new loss with its encoders"


class Watch(Protocol):
    """Something of a pipeline that may change."""

    def check(self, encoders: Mapping[str, Encoder]) -> None:
        """Refuse, as :class:`PipelineError`, a change that records by ``encoders`` cannot tell."""


class Children:
    """Which children a container or wrapper holds.

    Args:
        container: it, the user's own object.
        attribute: where it holds them.
        children: those that were wired.
    """

    def __init__(self, container: Any, attribute: str, children: Sequence[Any]) -> None:
        self.container, self.attribute, self.children = container, attribute, list(children)

    def check(self, encoders: Mapping[str, Encoder]) -> None:  # noqa: ARG002
        """Refuse children that were added, removed, exchanged or moved."""
        listed = getattr(self.container, self.attribute)
        held = listed if type(listed) is list else held_by(self.container, self.attribute)
        if len(held) == len(self.children) and all(map(operator.is_, held, self.children)):
            return
        names = ([type(child).__name__ for child in some] for some in (self.children, held))
        before, now = names
        raise PipelineError(
            f"'{type(self.container).__name__}' expected the steps {before}, as when its recorder "
            f"was made, found {now}{', some of them other objects' if before == now else ''}: the "
            f"recorder still runs the old ones. {REMAKE}, after you change steps. Probabilities "
            "and strengths may change in place."
        )


class Always:
    """Whether transforms and containers that were always applied still are.

    Args:
        transforms: they, each with a probability ``p`` of 1.
    """

    def __init__(self, transforms: list[Any]) -> None:
        self.transforms = transforms

    def check(self, encoders: Mapping[str, Encoder]) -> None:  # noqa: ARG002
        """Refuse another probability."""
        for transform in self.transforms:
            if not transform.p >= 1:
                raise PipelineError(
                    f"Expected '{type(transform).__name__}' to be applied always, as when its "
                    f"recorder was made, found p={transform.p}, and no record entry says when it "
                    f"was applied. {REMAKE}, or set p=1."
                )


class Settings:
    """How a transform is built, as far as its encoder depends on it.

    Args:
        transform: the user's own object.
        encoder: what was built from it; ``None`` where it could never change a view.
        catalogue: builds encoders; ``None`` where any change is refused.
        name: under which the catalogue knows it; by default its class's.
        bookkeeping: names of attributes that say nothing about what it does.
    """

    def __init__(
        self,
        transform: Any,
        encoder: Encoder | None,
        catalogue: Catalogue | None,
        name: str | None = None,
        bookkeeping: frozenset[str] = BOOKKEEPING,
    ) -> None:
        self.transform, self.encoder, self.catalogue = transform, encoder, catalogue
        self.bookkeeping = bookkeeping
        self.name = name or type(transform).__name__
        self._keep()

    def check(self, encoders: Mapping[str, Encoder]) -> None:
        """Refuse settings that the encoders were not built for; :class:`Together` asks first."""
        built = self._built()
        if built is not None:
            name = self.name
            known = None if self.encoder is None else encoders.get(self.encoder.name)
            if known is None:
                raise PipelineError(
                    f"Expected '{name}' to leave views unchanged, as when its recorder was made, "
                    f"found that it now changes them, unrecorded. {REMAKE}, or create the "
                    "recorder while this transform is active."
                )
            if type(known) is not type(built) or not known.holds(built):
                raise PipelineError(
                    f"'{name}' expected {known.columns} in {known.ranges}, as when its recorder "
                    f"was made, found {built.name} {built.columns} in {built.ranges}. {REMAKE}, "
                    "or create the recorder while the ranges are widest."
                )
        self._keep()

    @property
    def varies(self) -> bool:
        """Whether there is anything that could be changed."""
        return bool(self.kept)

    def _built(self) -> Encoder | None:
        if self.catalogue is None:
            raise PipelineError(
                f"Expected '{self.name}' to leave views unchanged, as when its recorder was made, "
                f"found that its settings changed. {REMAKE}, or create the recorder while this "
                "transform is active."
            )
        return self.catalogue.encoder(Step(self.name, {}, vars(self.transform), (0, 0)))

    def _keep(self) -> None:
        held = vars(self.transform)
        names = [name for name in held if name not in self.bookkeeping]
        # Two names at least, so that the getter always returns a tuple.
        self.get = operator.itemgetter(*(names * 2)[: max(2, len(names))]) if names else dict
        self.kept = tuple(map(_frozen, self.get(held))) if names else ()


class Together:
    """Settings and children of a whole pipeline, looked at together: every image asks.

    Args:
        settings: those that could be changed.
        children: those of containers.
    """

    def __init__(self, settings: Sequence[Settings], children: Sequence[Children]) -> None:
        self.settings = list(settings)
        self.children = [(one, one.container, one.attribute, one.children) for one in children]
        self._keep()

    def check(self, encoders: Mapping[str, Encoder]) -> None:
        """Refuse other children, and settings that the encoders were not built for."""
        for one, container, attribute, children in self.children:
            held = getattr(container, attribute)
            same = type(held) is list and len(held) == len(children)
            if not (same and all(map(operator.is_, held, children))):
                one.check(encoders)
        try:  # no call in Python as long as nothing changed
            same = [*map(_call, self._getters, map(vars, self._transforms))] == self._kept
        except _NOT_COMPARED:
            same = False
        if not same:
            self._check_each(encoders)

    def _check_each(self, encoders: Mapping[str, Encoder]) -> None:
        for one in self.settings:
            try:
                same = one.get(vars(one.transform)) == one.kept
            except _NOT_COMPARED:
                same = False
            if not same:
                one.check(encoders)
        self._keep()

    def _keep(self) -> None:
        self._transforms = [one.transform for one in self.settings]
        self._getters = [one.get for one in self.settings]
        self._kept = [one.kept for one in self.settings]


_call: Any = operator.itemgetter.__call__
_NOT_COMPARED = (KeyError, RuntimeError, ValueError)
"""What comparing settings raises: gone, or arrays."""


def together(watches: Sequence[Watch]) -> list[Watch]:
    """Look at all children and settings together, and at what else may change."""
    settings = [watch for watch in watches if isinstance(watch, Settings) and watch.varies]
    children = [watch for watch in watches if isinstance(watch, Children)]
    others = [watch for watch in watches if not isinstance(watch, (Settings, Children))]
    return [Together(settings, children), *others]


def _frozen(value: Any) -> Any:
    """Copy what can be changed in place."""
    return type(value)(value) if type(value) in (list, dict, set) else value
