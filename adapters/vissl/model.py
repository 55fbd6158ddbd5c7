"""VISSL's model ``augself_model``: the user's model, with AugSelf's heads and a tap."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import nn
from vissl.models import get_model, register_model
from vissl.utils.misc import set_torch_seed

from augself_loss.adapters.vissl.settings import Settings
from augself_loss.adapters.vissl.tap import tap_of
from augself_loss.errors import LossError
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
    bare.augself_tap = tap_of(bare, settings.taps)
    return model


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
                "AugSelf expected its heads in the checkpoint, found one of plain VISSL. To start "
                "from its weights, set MODEL.WEIGHTS_INIT.PARAMS_FILE and an empty CHECKPOINT.DIR."
            )
        host.set_classy_state(self, state, strict)
        self.augself.load_state_dict(state["model"]["augself"])

    return {"get_classy_state": get_classy_state, "set_classy_state": set_classy_state}


def _width(heads: nn.ModuleList) -> int:
    """Read the width of the trunk's features off what VISSL's first head takes."""
    for module in heads.modules():
        if isinstance(module, nn.Linear):
            return module.in_features
    raise LossError(
        "AUGSELF.FEATURE_DIM expected the width of the trunk's features, found none. Set it, e.g. "
        "2048 for a ResNet-50."
    )
