"""The model in FSDP2, sharded in several ways, beside the same steps in DDP."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from scale_parts import Model, State, batch, build, share
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    set_model_state_dict,
)
from torch.distributed.fsdp import (
    MixedPrecisionPolicy,
    fully_shard,
    register_fsdp_forward_method,
)
from torch.nn.parallel import DistributedDataParallel

from augself_loss import LossError, with_augself
from augself_loss.wrapper import HeadsUnchangedWarning

FULL = StateDictOptions(full_state_dict=True)


def heads(model: Model, **root: Any) -> None:
    """The heads, in full precision as batch norm asks for; the backbone; and what is left."""
    mixed: dict[str, Any] = {
        name: MixedPrecisionPolicy(policy.param_dtype) for name, policy in root.items()
    }
    fully_shard(model.augself.heads)
    fully_shard(model.backbone, **mixed)
    fully_shard(model, **root)


def loss(model: Model) -> None:
    """The loss as a child of its own."""
    fully_shard(model.augself)
    fully_shard(model)


def root(model: Model) -> None:
    """All in one group."""
    fully_shard(model)


def single_heads(model: Model) -> None:
    """Every head for itself, which is called then."""
    for head in model.augself.heads.values():
        fully_shard(head)
    fully_shard(model)


def sharded() -> dict[str, Any]:
    """Run all of it."""
    ways: tuple[Callable[[Model], None], ...] = (heads, single_heads, loss, root)
    return {
        "ddp": in_ddp(),
        "ways": {way.__name__: trained_in_fsdp(way) for way in ways},
        "checked": _checked(),
        "predicted": _predicted(),
        "warned": {forgotten: _warned(forgotten) for forgotten in (False, True)},
        "record dtypes": {cast: _record_dtype(cast) for cast in (True, False)},
    }


def _mine(seed: int, **options: Any) -> Any:
    return share(batch(seed, **options), dist.get_rank(), dist.get_world_size())


def steps(module: nn.Module, first: int = 0) -> None:
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    for step in range(first, first + 3):
        optimizer.zero_grad()
        module(*_mine(step)).backward()
        optimizer.step()


def in_ddp() -> State:
    model = build()
    model.augself.set_weights({"crop": 0.5})
    steps(DistributedDataParallel(model, broadcast_buffers=False))
    return model.state_dict()


def trained_in_fsdp(way: Callable[[Model], None]) -> dict[str, Any]:
    """Train, take the whole state, load it into another sharded model, and train both on."""
    model, other = build(), build(seed=1)
    for each in (model, other):
        way(each)
    model.augself.set_weights({"crop": 0.5})
    steps(model)
    state = get_model_state_dict(model, options=FULL)
    state = {name: tensor.clone() for name, tensor in state.items()}
    set_model_state_dict(other, dict(state), options=FULL)  # which it fills with shards
    resumed = []
    for each in (model, other):
        steps(each, first=3)
        resumed.append(get_model_state_dict(each, options=FULL))
    return {"state": state, "resumed": resumed, "weights": other.augself.weights}


def _checked() -> dict[str, str]:
    """Ask after optimizers built before and after the parameters became shards."""
    model = build()
    before = torch.optim.SGD(model.parameters(), lr=0.1)
    heads(model)
    after = torch.optim.SGD(model.parameters(), lr=0.1)
    return {
        name: error(lambda o=optimizer: model.augself.check_optimizer(o))
        for name, optimizer in {"before": before, "after": after}.items()
    }


def _predicted() -> dict[str, Any]:
    """Predict outside of the model's forward."""
    features = [torch.rand(5, 16, dtype=torch.float64) for _ in range(2)]
    plain, by_heads, by_loss = build().eval(), build().eval(), build().eval()
    heads(by_heads)
    loss(by_loss)
    refused = error(lambda: by_loss.augself.predict(*features))
    register_fsdp_forward_method(by_loss.augself, "predict")
    with torch.no_grad():
        models = {"plain": plain, "heads": by_heads, "loss": by_loss}
        return {"refused": refused, **{n: m.augself.predict(*features) for n, m in models.items()}}


def _warned(forgotten: bool) -> list[str]:
    """Train with a wrapped loss, the heads forgotten or not; return the warnings' texts."""
    model = build()
    heads(model)
    criterion = with_augself(nn.MSELoss(), model.augself, patience=2)
    optimizer = torch.optim.SGD((model.projector if forgotten else model).parameters(), lr=0.1)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always", HeadsUnchangedWarning)
        for step in range(4):
            x1, x2, *records = _mine(step)
            optimizer.zero_grad()
            features = [model.backbone(x) for x in (x1, x2)]
            criterion(*features, features=features, records=records).backward()
            optimizer.step()
    return [str(w.message) for w in seen if w.category is HeadsUnchangedWarning]


def _record_dtype(cast: bool) -> torch.dtype:
    """Note as what records reach the loss in mixed precision, ``cast`` by the root or not."""
    model = build(dtype=torch.float32)
    seen: list[torch.dtype] = []
    heads(model, mp_policy=MixedPrecisionPolicy(torch.bfloat16, cast_forward_inputs=cast))
    model.augself.register_forward_pre_hook(lambda _, args: seen.append(args[2]["crop"].dtype))
    model(*_mine(0, dtype=torch.float32)).backward()
    return seen[0]


def error(call: Callable[[], Any]) -> str:
    try:
        call()
    except LossError as error:
        return str(error)
    return ""
