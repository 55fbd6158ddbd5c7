"""The hooks of taps: they tell the watch what modules are given, and what they return."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from augself_loss.eager import eager
from augself_loss.errors import FeatureError
from augself_loss.hosting.tap_calls import Watch
from augself_loss.hosting.tap_outputs import described
from augself_loss.hosting.tap_roles import Role


class Enter:
    """Forward pre-hook: notes what a module is given."""

    def __init__(self, watch: Watch, name: str, role: Role) -> None:
        self.watch, self.name, self.role = watch, name, role

    @eager
    def __call__(self, _module: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Look for images among the arguments."""
        if not self.watch.active:
            return
        given = _values((*args, *kwargs.values()))
        if self.role is Role.BESIDE:
            self.watch.enter_beside(self.name, given)
        else:
            self.watch.enter(self.name, given)


class Leave:
    """Forward hook: keeps what a tapped submodule returns."""

    def __init__(self, watch: Watch, name: str, role: Role, read: Callable[[Any], Any]) -> None:
        self.watch, self.name, self.role, self.read = watch, name, role, read

    @eager
    def __call__(self, module: nn.Module, _args: Any, output: Any) -> None:
        """Write down the call of a tap."""
        if not self.watch.active:
            return
        if self.role is Role.BESIDE:
            made = (value for value in _values([output]) if isinstance(value, Tensor))
            self.watch.leave_beside(self.name, next(made, None))
            return
        own = self.watch.leave(self.name)
        if self.role is Role.AROUND:
            return
        features = self.read(output)
        if not isinstance(features, Tensor) or features.ndim == 0:
            raise FeatureError(
                f"The tap '{self.name}' expected a tensor (B, …), found {described(features)}. "
                "Tap a submodule that returns only the tensor you want; "
                "augself_loss.taps.find_taps(model, images) lists candidates."
            )
        self.watch.returned(self.name, module, own, features)


def _values(given: Any) -> Iterator[Any]:
    """List what a module was given, also in a list, tuple or dict."""
    for value in given:
        if isinstance(value, Mapping):
            yield from value.values()
        elif isinstance(value, (list, tuple)):
            yield from value
        else:
            yield value
