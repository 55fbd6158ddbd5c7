"""Notices that a Kornia pipeline was changed after its recorder was made."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from torch import Tensor, nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Step, rounding
from augself_loss.errors import PipelineError
from augself_loss.parameters import Range
from augself_loss.recording.kornia.params import config_of, samplers_of
from augself_loss.recording.kornia.wiring import Wiring, odds_of


class PipelineWatch:
    """Compares a pipeline with what it was, cheaply: by the identity of its parts.

    Only where a part is another object, or was written to, are its settings read again. Narrower
    ranges and other probabilities are followed; all else is refused.

    Args:
        pipeline: the pipeline's outermost module when the recorder was made.
        wiring: what was found in it then.
        encoders: type → encoder of the recorder.
    """

    def __init__(self, pipeline: nn.Module, wiring: Wiring, encoders: dict[str, Encoder]) -> None:
        self.pipeline, self.wiring, self.encoders = pipeline, wiring, encoders
        self.children = {c: _children(c) for c in wiring.containers}
        self.choices = {c: _choice(c) for c in wiring.containers}
        watched = [*wiring.config, *wiring.inert]
        self.settings = {module: _settings(module) for module in watched}
        self.types = {module: self._type(module) for module in wiring.config}

    def check(self, pipeline: nn.Module) -> None:
        """Follow what may be followed.

        Args:
            pipeline: what the recorder is about to run.

        Raises:
            PipelineError: children or settings changed so that the recorder would be wrong.
        """
        if pipeline is not self.pipeline:
            raise _changed(pipeline, "it is another pipeline")
        for container, known in self.children.items():
            if not _same(_children(container), known):
                raise _changed(container, "it has other children, or another forward")
            if not _same(self.choices[container].parts, _choice_parts(container)):
                self._follow_choice(container)
        for module in self.wiring.fixed:
            if not odds_of(module) <= {0.0, 1.0}:
                raise _changed(module, f"it is applied at random, p={min(odds_of(module)):g}")
        for module, known in self.settings.items():
            if not _same(_settings(module), known):
                self._follow(module)

    def _follow_choice(self, container: nn.Module) -> None:
        now = _choice(container)
        if now.values != self.choices[container].values:
            raise _changed(container, "its random_apply, or the weights of it, changed")
        self.choices[container] = now

    def _follow(self, module: nn.Module) -> None:
        """Read a module's settings again, and keep them if its records stay true."""
        if "forward" in vars(module):
            raise _changed(module, "it has a forward of its own")
        step = Step(type(module).__name__, {}, config_of(module), (0, 0))
        catalogue = self.wiring.catalogue
        if module in self.wiring.inert:
            if catalogue.encoder(step) is not None:
                raise _changed(module, "it now changes views, which it did not before")
        else:
            if catalogue.type_of(step) != self.types[module]:
                raise _changed(module, f"its type is now '{catalogue.type_of(step)}'")
            catalogue.encoder(step)
            self._check_ranges(module, step)
            self.wiring.config[module] = step.config
        self.settings[module] = _settings(module)

    def _check_ranges(self, module: nn.Module, step: Step) -> None:
        known = self.encoders[self.types[module]]
        if _builds_nothing(known):
            return
        now = self.wiring.catalogue.built(step)
        for column, new, old in zip(
            known.columns, now.ranges if now else (), known.ranges, strict=False
        ):
            if not _within(new, old):
                raise _changed(
                    module,
                    f"its range of {column} is now {_shown(new)}, its encoder's {_shown(old)}",
                    f", and give it the widest range: encoders=[{type(known).__name__}(...)]",
                )

    def _type(self, module: nn.Module) -> str:
        step = Step(type(module).__name__, {}, self.wiring.config[module], (0, 0))
        return self.wiring.catalogue.type_of(step)


def _changed(module: nn.Module, how: str, more: str = "") -> PipelineError:
    return PipelineError(
        f"Expected '{type(module).__name__}' to stay as it was when its recorder was made, found "
        f"that {how}. Make a new recorder after the change{more}."
    )


def _builds_nothing(encoder: Encoder) -> bool:
    """Whether an encoder knows no ranges of Kornia's: those of a user's own are the user's."""
    return type(encoder).from_kornia.__func__ is Encoder.from_kornia.__func__  # type: ignore[attr-defined]


def _shown(limits: Range | None) -> str:
    return "nothing" if limits is None else f"({limits[0]:.4g}, {limits[1]:.4g})"


def _within(new: Range | None, old: Range | None) -> bool:
    if new is None or old is None:
        return new is None
    slack = rounding(old)
    return old[0] - slack <= new[0] and new[1] <= old[1] + slack


class _Choice(NamedTuple):
    """How a container chooses among its children: the objects that say so, and their values."""

    parts: list[object]
    values: tuple[object, list[float]]


def _children(container: nn.Module) -> list[object]:
    """List a container's children, and what runs them."""
    return [type(container), vars(container).get("forward"), *container._modules.values()]


def _choice_parts(container: Any) -> list[object]:
    chosen = getattr(container, "random_apply", False)
    return [chosen, *_marks(container.random_apply_weights)] if chosen else [chosen]


def _choice(container: Any) -> _Choice:
    chosen = getattr(container, "random_apply", False)
    weights = container.random_apply_weights.tolist() if chosen else []
    return _Choice(_choice_parts(container), (chosen, weights))


def _settings(module: nn.Module) -> list[object]:
    """List the parts of an augmentation that say what it draws.

    Through ``vars``: a module is slow to say that it lacks an attribute.
    """
    own = vars(module)
    generator = module._modules.get("_param_generator") or own.get("_param_generator")
    parts = [type(module), own.get("forward"), generator, own.get("_fixed_order")]
    parts += own.get("flags", {}).values()
    if generator is None:
        return parts
    for sampler in samplers_of(generator).values():
        held = vars(sampler)
        parts += (sampler, *_marks(held.get("low")), *_marks(held.get("high")))
    for name in ("value", "distortion_scale"):
        parts += _marks(vars(generator).get(name, generator._parameters.get(name)))
    return parts


def _marks(value: object) -> tuple[object, ...]:
    """Mark a value, and how often it was written to if it is a tensor."""
    if isinstance(value, Tensor):
        return value, 0 if value.is_inference() else value._version
    return (value,)


def _same(now: list[object], known: list[object]) -> bool:
    """Whether all parts are the same objects, or equal numbers."""
    if len(now) != len(known):
        return False
    return all(map(operator.is_, now, known)) or all(
        a is b or (isinstance(a, (int, float, tuple)) and type(a) is type(b) and a == b)
        for a, b in zip(now, known, strict=True)
    )
