"""Where VISSL's model returns features: the trunk, a submodule of it, or several depths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from augself_loss.adapters.vissl.settings import HEADS_INPUT
from augself_loss.errors import FeatureError, LossError
from augself_loss.views import Features


def tap_of(model: Any, taps: Any) -> Tap | DepthTap:
    """Tap a model in one place, or in several by name of the depth.

    Raises:
        LossError: what is no name of a submodule.
    """
    return DepthTap(model, taps) if isinstance(taps, Mapping) else Tap(model, taps)


class Tap:
    """Keeps what a submodule returned in the model's last forward pass, in train mode."""

    def __init__(self, model: Any, name: Any) -> None:
        modules = dict(model.named_modules())
        if name not in modules or not name:
            children = [child for child, _ in model.trunk.named_modules() if child.count(".") < 2]
            raise LossError(
                f"AUGSELF.TAP expected the name of a submodule, found {name!r}. The trunk is "
                f"'{HEADS_INPUT}'; for its submodules {children[1:20]} write trunk.…"
            )
        self.name = name
        self.kept: list[Tensor] = []
        self.active = False
        model.register_forward_pre_hook(self._start)
        modules[name].register_forward_hook(self._keep)

    def views(self, batch_size: int, count: int) -> list[Tensor]:
        """Return the features view by view and forget them.

        Args:
            batch_size: number of samples B.
            count: number of views N.

        Returns:
            N tensors ``(B, …)``, in the order of the views.

        Raises:
            FeatureError: the tap did not see every view once, or sees no gradient.
        """
        kept, self.kept = self.kept, []
        uneven = any(len(out) % batch_size for out in kept)
        if uneven or sum(len(out) for out in kept) != batch_size * count:
            raise FeatureError(
                f"The tap '{self.name}' expected features of {count} views with {batch_size} "
                f"samples, found {[tuple(out.shape) for out in kept]}. Tap a submodule that every "
                "view passes through once, e.g. 'trunk'."
            )
        if not kept[0].requires_grad:
            raise FeatureError(
                f"The tap '{self.name}' expected features with a gradient, found none: the trunk "
                "is frozen, or the tap is inside a checkpointed block. Tap 'trunk'."
            )
        return [view for out in kept for view in torch.split(out, batch_size)]

    def _start(self, model: nn.Module, _args: Any) -> None:
        self.kept, self.active = [], model.training

    def _keep(self, _module: nn.Module, _args: Any, output: Any) -> None:
        if not self.active:
            return
        # VISSL's trunks return one feature per layer asked for: in pretraining the last alone.
        features = output if self.name != HEADS_INPUT else output[0]
        if not isinstance(features, Tensor):
            raise FeatureError(
                f"The tap '{self.name}' expected a tensor (B, …), found "
                f"{type(features).__name__}. Tap a submodule that returns one tensor."
            )
        self.kept.append(features)


class DepthTap:
    """A tap for each of several depths."""

    def __init__(self, model: Any, names: Mapping[str, Any]) -> None:
        self.taps = {depth: Tap(model, name) for depth, name in names.items()}

    def views(self, batch_size: int, count: int) -> list[Features]:
        """Return the features view by view, a dict of all depths each, and forget them.

        Raises:
            FeatureError: see :meth:`Tap.views`.
        """
        found = {depth: tap.views(batch_size, count) for depth, tap in self.taps.items()}
        return [{depth: views[i] for depth, views in found.items()} for i in range(count)]
