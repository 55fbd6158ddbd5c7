"""The heads reach stable-pretraining's optimizers in every form in which it takes them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("stable_pretraining")

from stable_pretraining_modules import batches, build, manage, trainer
from stable_pretraining_term import CONSTANT, RECORDER, SGD, term, train, with_term

from augself_loss.adapters.stable_pretraining import add_augself
from augself_loss.errors import LossError

pytestmark = pytest.mark.host

OPTIM: Mapping[str, Any] = {
    "the default": ...,
    "a partial": partial(torch.optim.SGD, lr=0.05),
    "a name": {"optimizer": "AdamW"},
    "a dict": {"optimizer": SGD, **CONSTANT},
    "a partial in a dict": {"optimizer": partial(torch.optim.SGD, lr=0.05)},
    "a class": {"optimizer": torch.optim.AdamW},
    "LARS": {"optimizer": {"type": "LARS", "lr": 0.5, "exclude_bias_norm": True}},
    "two groups": {
        "base": {"modules": "backbone", "optimizer": SGD, **CONSTANT},
        "head": {"modules": ".*projector$", "optimizer": "SGD", **CONSTANT},
    },
    "all modules": {"all": {"modules": ".*", "optimizer": SGD, **CONSTANT}},
    "a group of its own": {
        "base": {"modules": "backbone|projector", "optimizer": SGD, **CONSTANT},
        "heads": {"modules": "augself", "optimizer": SGD, **CONSTANT},
    },
    "a group of a child": {
        "stem": {"modules": r"backbone\.0", "optimizer": SGD, **CONSTANT},
        "rest": {"modules": "backbone|projector", "optimizer": SGD, **CONSTANT},
    },
}


@pytest.mark.parametrize("name", OPTIM)
def test_heads_reach_the_optimizer_in_every_form_of_optim(name: str, tmp_path: Path) -> None:
    module = build("SimCLR", OPTIM[name])
    if OPTIM[name] is ...:
        del module.optim
    given = str(OPTIM[name])
    add_augself(module, term(), RECORDER)
    before = {n: p.clone() for n, p in module.named_parameters()}
    host = trainer(max_steps=2)
    manage(host, module, batches(RECORDER), tmp_path)
    module.augself.check_optimizer(*host.optimizers)
    heads = {n: p for n, p in module.named_parameters() if n.startswith("augself.")}
    assert all(not p.equal(before[n]) for n, p in heads.items())
    held = [id(p) for o in host.optimizers for g in o.param_groups for p in g["params"]]
    assert len(held) == len(set(held)), "every parameter once"
    assert str(OPTIM[name]) == given, "the user's own dict is left alone"


def test_heads_join_the_optimizer_of_the_tapped_submodule(tmp_path: Path) -> None:
    module = with_term(optim=OPTIM["two groups"])
    host = trainer(max_steps=1)
    manage(host, module, batches(RECORDER), tmp_path)
    base = {id(p) for group in host.optimizers[0].param_groups for p in group["params"]}
    assert {id(p) for p in module.augself.parameters()} < base


def test_no_group_for_the_heads_is_refused() -> None:
    optim = {"head": {"modules": "projector", "optimizer": SGD}}
    with pytest.raises(LossError, match=r"'backbone' or 'augself'.*'projector'"):
        with_term(optim=optim)


def test_heads_that_no_optimizer_holds_are_refused_at_the_first_step(tmp_path: Path) -> None:
    module = with_term()
    module.optim = {"base": {"modules": "backbone", "optimizer": SGD, **CONSTANT}}
    with pytest.raises(LossError, match="would never learn"):
        train(module, tmp_path)
