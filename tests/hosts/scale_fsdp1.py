"""The model in FSDP1, whole and part by part, with and without the original parameters."""

from __future__ import annotations

from typing import Any

import torch
from scale_fsdp import error, steps
from scale_parts import build
from torch import nn
from torch.distributed.fsdp import FullyShardedDataParallel, StateDictType
from torch.distributed.fsdp.wrap import ModuleWrapPolicy

from augself_loss import AugSelfLoss

PARTS: dict[str, set[type[nn.Module]]] = {
    "whole": set(),
    "layers": {nn.Linear},
    "heads": {nn.Sequential},
    "loss": {AugSelfLoss},
}


def flattened() -> dict[str, Any]:
    """Train in every form; ask after the optimizer in every form."""
    states, checked = {}, {}
    for kept in (True, False):
        for name, parts in PARTS.items():
            model = build()
            model.augself.set_weights({"crop": 0.5})
            inner = model.augself
            wrapped = FullyShardedDataParallel(
                model,
                auto_wrap_policy=ModuleWrapPolicy(parts) if parts else None,
                use_orig_params=kept,
                device_id=torch.device("cpu"),
            )
            steps(wrapped)
            with FullyShardedDataParallel.state_dict_type(wrapped, StateDictType.FULL_STATE_DICT):
                states[f"{name} {kept}"] = {k: v.clone() for k, v in wrapped.state_dict().items()}
            optimizers = {
                "all": torch.optim.SGD(wrapped.parameters(), lr=0.1),
                "none": torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1),
            }
            checked[f"{name} {kept}"] = {
                each: error(lambda o=o, a=inner: a.check_optimizer(o))
                for each, o in optimizers.items()
            }
    return {"states": states, "checked": checked}
