"""What recorders of callables say of a transform that they do not know, and of one left out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, ClassVar

from torch import nn

from augself_loss.errors import PipelineError
from augself_loss.recording.held import held_in
from augself_loss.recording.misgiven import cure_of, cure_of_moving, other_recorder
from augself_loss.recording.names import ANONYMOUS, function_in, name_of
from augself_loss.recording.plan import Node, leaves

FUNCTIONS = (FunctionType, MethodType, BuiltinFunctionType)
"""What holds nothing."""


class Refusing:
    """Knows which transforms are a library's own, and what their users can do about the others."""

    recorder: ClassVar[str]
    """Whose walk it is, for messages."""
    by_name: ClassVar[bool] = False
    """Whether classes are ignored by their names, as configs write them."""
    registering: ClassVar[str] = "register={{{name}: (encoder, apply)}}"
    ignoring: ClassVar[str] = "ignore=[{name}]"
    hint: ClassVar[str] = ""
    """How a user writes both down, and what else to do of an unknown transform, for messages."""
    composed: ClassVar[str] = "v2.Compose([...])"
    """How several transforms are made one, for messages."""
    library: ClassVar[str | tuple[str, ...]] = "torchvision.transforms"
    """Where the library's own transforms are defined."""
    containers: ClassVar[Collection[str]] = ()
    fixed: ClassVar[Collection[str]] = ()
    moving: ClassVar[Collection[str]] = ()
    """Class names of its containers, of its transforms without randomness, and of those that move
    pixels as no record tells."""

    ignored: list[Any]
    """The outermost parts of a pipeline that its user leaves out of the record."""

    def is_library_s(self, value: Any) -> bool:
        """Whether something is one of the library's own transforms or containers."""
        return callable(value) and type(value).__module__.startswith(self.library)

    def is_augmentation(self, value: Any) -> bool:
        """Whether something is one of the library's that may draw, or a container with one."""
        name = type(value).__name__
        if type(value) is nn.Sequential or (self.is_library_s(value) and name in self.containers):
            return bool(held_in(value, self.is_augmentation))
        return self.is_library_s(value) and name not in self.fixed

    def moves(self, transform: Any) -> bool:
        """Whether one that is not known is the library's, or derived from it, and moves pixels."""
        kinds = (cls for cls in type(transform).__mro__ if cls.__name__ in self.moving)
        return any(cls.__module__.startswith(self.library) for cls in kinds)

    def unknown(self, transform: Any) -> PipelineError:
        """Say that a transform is not known.

        Those of the library's own that draw nothing are known; whether a user's do, only they know.
        """
        name, function = name_of(transform), function_in(transform)
        ignoring = self.ignoring.format(name=name)
        own = f"register how to run and read it ({self.registering.format(name=name)})"
        misgiven = cure_of(transform, self.composed)
        if misgiven:
            cure = misgiven
        elif function is None and self.moves(transform):
            cure = cure_of_moving(own, ignoring)
        elif function is None and self.is_library_s(transform):
            cure = f"{own[0].upper()}{own[1:]}, or leave it out of the record with {ignoring}."
        elif name == ANONYMOUS or (function is not None and name_of(function) == ANONYMOUS):
            called = "its_name"
            cure = (
                "It is a function without a name. If it draws nothing at random, give it one, and "
                f"say so: {self.ignoring.format(name=called)}. Else register how to run and read "
                f"it ({self.registering.format(name=called)}), or ignore it."
            )
        else:
            inner = held_in(transform, self.is_augmentation)
            first = "" if inner else f" If it draws nothing at random, say so: {ignoring}."
            plain = function is not None or isinstance(transform, FUNCTIONS)
            hint = "" if plain else self.hint_on(name, inner)
            cure = (
                f"{first}{hint} Else {own}, or ignore it{f': {ignoring}' * bool(inner)}.".lstrip()
            )
            cure += other_recorder(transform, self.recorder)
        return PipelineError(
            f"{self.recorder} expected transforms that it can record, found '{name}'. {cure}"
        )

    def hint_on(self, name: str, inner: Sequence[str]) -> str:
        """Say what else to do of a user's object.

        Args:
            name: its class's.
            inner: where it holds augmentations of the library.
        """
        attribute = inner[0] if len(inner) == 1 and inner[0].isidentifier() else "transform"
        return self.hint.format(name=name, attribute=attribute)

    def check_something(self, plan: Node, types: Sequence[str]) -> None:
        """Refuse that all that could be recorded is left out of the record.

        Args:
            plan: of the whole pipeline.
            types: what the user wants recorded besides.

        Raises:
            PipelineError: a part that holds the library's transforms is ignored, and nothing else
                is recorded.
        """
        if leaves(plan) or types:
            return
        for transform in self.ignored:
            inner = held_in(transform, self.is_augmentation)
            if inner:
                name = name_of(transform)
                raise PipelineError(
                    f"{self.recorder} expected something to record, found that ignore= leaves out "
                    f"all of '{name}', with what it holds: {', '.join(inner[:3])}. Ignore single "
                    f"steps instead.{self.hint_on(name, inner)}"
                )
