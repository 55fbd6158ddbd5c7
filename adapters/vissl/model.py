"""VISSL's model ``augself_model``: the user's model, with AugSelf's heads and a tap."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from vissl.models import get_model, register_model
from vissl.utils.misc import set_torch_seed

from augself_loss.adapters.vissl.settings import HEADS_INPUT, Settings
from augself_loss.errors import FeatureError, LossError
from augself_loss.hosting.extend import extend

MODEL = "augself_model"


@register_model(MODEL)  # type: ignore[untyped-decorator]
def augself_model(model_config: Any, optimizer_config: Any) -> Any:
    """Build the model that the config names, with the heads as its submodule ``augself``.

    Args:
        model_config: VISSL's ``config.MODEL``, prepared by the launcher.
        optimizer_config: VISSL's ``config.OPTIMIZER``.

    Raises:
        LossError: the tap is no submodule, or the width of its features is not known.
    """
    ours = model_config.AUGSELF
    model = get_model(ours.BASE_MODEL_NAME)(model_config, optimizer_config)
    settings = Settings.of(ours.NODE, ours.TRANSFORMS)
    bare = model.classy_model  # in the wrapper that Classy Vision puts around every model
    dim = settings.options.get("feature_dim") or _width(bare.heads)
    extend(bare, _saving)
    with set_torch_seed(model_config._MODEL_INIT_SEED):  # as VISSL builds its own heads
        bare.augself = settings.loss(settings.recorder().encoders, feature_dim=dim)
    bare.augself_tap = Tap(bare, settings.taps)
    return model


class Tap:
    """Keeps what a submodule returned in the model's last forward pass, in train mode."""

    def __init__(self, model: Any, name: Any) -> None:
        modules = dict(model.named_modules())
        if name not in modules or not name:
            children = [child for child, _ in model.trunk.named_modules() if child.count(".") < 2]
            raise LossError(
                f"AUGSELF.TAP expected the name of a submodule, found {name!r}. The trunk is "
                f"'{HEADS_INPUT}'; in it are {children[1:20]}, to be named trunk.…"
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
                f"The tap '{self.name}' expected features of {count} views of {batch_size} "
                f"samples, found {[tuple(out.shape) for out in kept]}. Tap a submodule that every "
                "view passes through once, as 'trunk'."
            )
        if not kept[0].requires_grad:
            raise FeatureError(
                f"The tap '{self.name}' expected features that carry a gradient, found none: the "
                "trunk is frozen, or the tap lies inside of a checkpointed block. Tap 'trunk'."
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
                f"The tap '{self.name}' expected a tensor (B, …), found {type(features).__name__}."
            )
        self.kept.append(features)


def _saving(host: Any) -> Mapping[str, Any]:
    """Keep the heads in VISSL's checkpoints, which list a model's parts by name."""

    def get_classy_state(self: Any, deep_copy: bool = False) -> dict[str, Any]:
        state: dict[str, Any] = host.get_classy_state(self, deep_copy)
        heads = self.augself.state_dict()
        state["model"]["augself"] = copy.deepcopy(heads) if deep_copy else heads
        return state

    def set_classy_state(self: Any, state: dict[str, Any], strict: bool = True) -> None:
        if "augself" not in state["model"]:
            raise LossError(
                "The checkpoint expected AugSelf's heads, found those of plain VISSL. To start "
                "from its weights set MODEL.WEIGHTS_INIT.PARAMS_FILE and an empty CHECKPOINT.DIR."
            )
        host.set_classy_state(self, state, strict)
        self.augself.load_state_dict(state["model"]["augself"])

    return {"get_classy_state": get_classy_state, "set_classy_state": set_classy_state}


def _width(heads: nn.ModuleList) -> int:
    """Read the width of the trunk's features off what VISSL's first head takes."""
    for module in heads.modules():
        if isinstance(module, nn.Linear):
            return module.in_features
    raise LossError("AUGSELF.FEATURE_DIM expected the width of the trunk's features, found none.")
