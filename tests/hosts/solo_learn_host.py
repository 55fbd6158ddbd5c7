"""solo-learn in the contract suite: its methods, transforms and checkpoints, as PyPI has them."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import solo_learn_modules as solo
import torch
from contract import TERM, Inner, Recording, Run, probe, refused
from mystery import RandomMystery
from processes import InProcesses
from solo.utils.checkpointer import Checkpointer

from augself_loss import AugSelfLoss
from augself_loss.adapters.solo_learn import KeepRandomState, SoloRecorder, add_augself
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

Weights = Mapping[str, float]

METHODS = {solo.METHODS[key].__name__: key for key in solo.OWN}


class SoloLearnHost(InProcesses):
    """Records come from solo-learn's own transforms, or from Kornia on the device."""

    key = "solo_learn"
    by_torchrun = False

    name = "solo-learn"
    packages: Mapping[str, str] = {"solo-learn": "1.0.2", "pytorch-lightning": "1.6.5"}
    adapter = "augself_loss.adapters.solo_learn"
    missing: tuple[str, ...] = ("solo",)
    methods: tuple[str, ...] = tuple(METHODS)
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("encoder.layer2", 128)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "encoder."

    def train(
        self,
        folder: Path,
        method: str,
        *,
        weights: Weights | None = TERM,
        recording: Recording = "CPU",
        epochs: int = 1,
        processes: int = 1,
        resume: bool = False,
        deep: bool = False,
    ) -> Run:
        """Train in this process, or in as many as Lightning starts of it."""
        solo.seed(0)
        model, data = prepared(method, weights, recording, self.inner if deep else None)
        kept, saver = solo.Losses(), Checkpointer(Namespace(name="run"), folder)
        last = next(folder.glob("*/run-*-ep=*.ckpt")) if resume else None
        parallel = {"strategy": "ddp", "devices": processes} if processes > 1 else {}
        with probe() as seen:
            solo.fit(
                model, data, kept, KeepRandomState(), saver,
                checkpoint=last, max_epochs=epochs, **parallel,
            )  # fmt: skip
        run = seen.run(model)
        if saver.last_ckpt is not None:  # the first process saves
            # SimSiam's scheduler holds a function, which only a trusting reader loads.
            run.saved = torch.load(saver.last_ckpt, weights_only=False)["state_dict"]
        run.base, run.terms = kept.base, kept.terms
        return run

    def refusal(self, folder: Path) -> str:  # noqa: ARG002
        transform = solo.transform()
        view = transform.transforms[0].transform.transform
        view.transforms = [*view.transforms, RandomMystery()]
        return refused(lambda: SoloRecorder(transform))


def prepared(
    method: str, weights: Weights | None, recording: Recording, inner: Inner | None = None
) -> tuple[Any, Any]:
    """Build the method, with or without the term, and its data."""
    model: Any = solo.method(METHODS[method])
    on_device = recording == "device"
    if weights is None:
        if on_device:
            return solo.augmenting(model), solo.loader(solo.single())
        return model, solo.loader(solo.transform())
    recorder: MultiViewRecorder
    if on_device:
        recorder = MultiViewRecorder(KorniaRecorder(solo.pipeline()))
    else:
        recorder = SoloRecorder(solo.transform())
    read: dict[str, Any] = {"feature_dim": model.features_dim}
    if inner is not None:
        read = inner.beside(model.features_dim, "encoder")
    taps = read.pop("taps", None)
    augself = AugSelfLoss(weights=weights, hidden_dim=16, encoders=recorder.encoders, **read)
    add_augself(model, augself, recorder, taps=taps, on_device=on_device)
    return model, solo.loader(solo.single() if on_device else recorder)
