"""Lightly with timm's ViTs in the contract suite: methods whose backbone they are."""

from __future__ import annotations

from collections.abc import Mapping

import lightly_modules
from contract import Inner
from lightly_host import LightlyHost
from lightly_vit_modules import VITS

from augself_loss import Grid


class LightlyVitsHost(LightlyHost):
    """As Lightly, with timm beside it."""

    key = "vits"
    name = "Lightly with timm's ViTs"
    packages: Mapping[str, str] = {"lightly": "1.6", "timm": "1.0"}
    modules: Mapping[str, type[lightly_modules.Host]] = {m.__name__: m for m in VITS}
    methods: tuple[str, ...] = tuple(modules)
    inner = Inner("student_backbone.vit.blocks.0", 16, Grid(2, prefix=1))
