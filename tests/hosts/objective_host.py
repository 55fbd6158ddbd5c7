"""Objectives in the hosts' contract: each beside Lightly's SimSiam, by Lightning's own loop."""

from __future__ import annotations

from typing import Any

import conditioned_modules
import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from contract import Inner, Recording
from lightly_modules import FEATURES, SIZE
from lightning_host import LightningHost, Weights
from lightning_modules import SimSiam, batches, device

from augself_loss import AugSelfLoss
from augself_loss.adapters.lightning import add_objective
from augself_loss.objectives import CARE, ESSL, STL, EquiMod, Objectives
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

SMALL = {"hidden_dim": 16, "embedding_dim": 8, "pool": "mean"}
OWN: dict[str, Any] = {
    "EquiMod": lambda encoders, on: EquiMod(
        FEATURES, EquiMod.describe(encoders), weight=on, **SMALL
    ),
    "E-SSL": lambda _, on: ESSL(FEATURES, weight=0.4 * on, hidden_dims=[16], pool="mean"),
    "STL": lambda _, on: STL(
        FEATURES, equivariance=on, transformation=0.1 * on, transformation_dim=8, shared=(), **SMALL
    ),
    "CARE": lambda _, on: CARE(weight=on, shared=(), pool="mean"),
    "AugSelf and EquiMod": lambda encoders, on: Objectives(
        {
            "augself": AugSelfLoss(
                FEATURES, {"crop": on, "color": on}, encoders=encoders, hidden_dim=16, pool="mean"
            ),
            "equimod": EquiMod(FEATURES, EquiMod.describe(encoders), weight=on, **SMALL),
        }
    ),
    "CASSLE": lambda _, on: None,  # noqa: ARG005 - it has no weight
}
THIRD = {"EquiMod": SIZE, "E-SSL": SIZE // 2, "AugSelf and EquiMod": SIZE}
"""Sides of third views, which draw nothing: the plain run of two views has the same ones."""


class ObjectiveHost(LightningHost):
    """Each "method" is an objective."""

    methods: tuple[str, ...] = tuple(OWN)
    key = "objectives"

    def prepared(
        self,
        method: str,
        weights: Weights | None,
        recording: Recording,
        *,
        deep: bool = False,
        inner: Inner | None = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        assert recording == "CPU"
        assert not deep
        view = KorniaRecorder(device())
        third = [KorniaRecorder(K.Resize((THIRD[method],) * 2))] if method in THIRD else []
        recorder = MultiViewRecorder([view, view, *third])
        module: Any = SimSiam()
        if method == "CASSLE":
            module = conditioned_modules.SimSiam(recorder.encoders)
        elif weights is None:
            module.pipeline = device()
            return module, batches()
        # Its weights would be drawn of the run's numbers otherwise.
        with torch.random.fork_rng():
            on = float(weights is not None and any(weights.values()))
            objective = OWN[method](recorder.encoders, on)
        return add_objective(
            module, objective, recorder, taps="backbone", on_device=True,
            third=2 if third else None,
        ), batches()  # fmt: skip
