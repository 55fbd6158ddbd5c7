"""Lightly in the contract suite: eighteen methods in the form in which it documents them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import lightly_modules
from contract import Recording, refused
from lightly.transforms import SimSiamTransform
from lightly_more_modules import MORE
from lightning_host import LightningHost, Weights, with_term
from mystery import RandomMystery
from pictures import loader

from augself_loss.adapters.lightly import LightlyRecorder

METHODS = {
    method.__name__: method for method in (lightly_modules.SimSiam, *lightly_modules.METHODS, *MORE)
}


class LightlyHost(LightningHost):
    """Lightly's own transforms, recorded as they are."""

    key = "lightly"
    name = "Lightly"
    packages: Mapping[str, str] = {"lightly": "1.6"}
    adapter = "augself_loss.adapters.lightly"
    missing: tuple[str, ...] = ("lightly",)
    modules: Mapping[str, type[lightly_modules.Host]] = METHODS
    methods: tuple[str, ...] = tuple(METHODS)
    recording: tuple[Recording, ...] = ("CPU",)

    def backbone(self, method: str) -> str:
        return self.modules[method].trained

    def prepared(
        self, method: str, weights: Weights | None, recording: Recording, *, deep: bool = False
    ) -> tuple[Any, Any]:
        """Build the module, with or without the term, and its data."""
        assert recording == "CPU"
        module, transform = self.modules[method](), self.modules[method].make_transform()
        if weights is None:
            return module, loader(transform)
        recorder = LightlyRecorder(transform)
        return with_term(module, weights, recorder, self.inner if deep else None), loader(recorder)

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        transform = SimSiamTransform(input_size=lightly_modules.SIZE)
        view = transform.transforms[0]
        view.transform.transforms = [*view.transform.transforms, RandomMystery()]
        return refused(lambda: LightlyRecorder(transform))
