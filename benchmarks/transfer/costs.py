"""What an arm trains beside its method's own network, to be thrown away later."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

from transfer.config import Config, SettingsError
from transfer.pretraining import assembled


def added_parameters(settings: Mapping[str, Any]) -> int | None:
    """Count the weights that a run trains and its plain partner does not.

    Args:
        settings: of a run, as :meth:`Config.as_dict` wrote them.

    Returns:
        Their number; ``None`` of settings that this version does not have.
    """
    try:
        config = Config.from_dict(settings)
    except (KeyError, TypeError, SettingsError):
        return None
    plain = dataclasses.replace(config, types={}, share=None, objective="", options={})
    return _trained(config) - _trained(plain)


def _trained(config: Config) -> int:
    with torch.random.fork_rng(devices=[]):
        method = assembled(config, classes=2)
    return sum(p.numel() for p in method.parameters() if p.requires_grad)
