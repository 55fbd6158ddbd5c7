"""MMPretrain in the contract suite: its own algorithms, from configs, trained by MMEngine."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch

import kornia.augmentation
import numpy as np
import torch
from contract import TERM, Inner, Recording, Run, probe, refused
from mmpretrain_configs import (
    HOOKS,
    KORNIA,
    MODELS,
    PREPROCESSOR,
    TRANSFORMS,
    WIDTH,
    BaseTransform,
    Config,
    Hook,
    Runner,
    SelfSupDataPreprocessor,
    algorithm,
    pipeline,
    quiet,
    still,
    training,
    view,
    with_term,
)
from processes import InProcesses

from augself_loss import FlipEncoder

Weights = Mapping[str, float]


class MMPretrainHost(InProcesses):
    """Records come from ``RecordedMultiView`` in workers, or from Kornia in the preprocessor."""

    key = "mmpretrain"

    name = "MMPretrain"
    packages: Mapping[str, str] = {"mmpretrain": "1.2.0", "mmengine": "0.10"}
    adapter = "augself_loss.adapters.mmpretrain"
    missing: tuple[str, ...] = ("mmpretrain",)
    methods: tuple[str, ...] = ("SimSiam", "SimCLR", "BYOL", "MoCo v2", "Barlow Twins")
    recording: tuple[Recording, ...] = ("CPU", "device")
    resume: Literal["bit for bit", "weights"] = "bit for bit"
    inner = Inner("backbone.layer2", WIDTH // 4)

    def backbone(self, method: str) -> str:  # noqa: ARG002
        return "backbone."

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
        """Train in this process, one of ``processes``."""
        model, steps = prepared(method, weights, recording)
        if deep:
            model["augself"].update(self.inner.beside(WIDTH, "backbone", "mean"))
        config = training(folder, model, steps, epochs)
        config.update(resume=resume, custom_hooks=[{"type": "Losses"}])
        if processes > 1:  # MMEngine's own launcher asks for a GPU
            torch.distributed.init_process_group("gloo")
            config.update(launcher="pytorch", model_wrapper_cfg={"device_ids": None})
        Losses.kept = kept = Run()
        with probe() as seen:
            runner = train(config)
        run = seen.run(getattr(runner.model, "module", runner.model))
        run.base, run.terms = kept.base, kept.terms
        if runner.rank == 0:
            saved = torch.load(folder / f"epoch_{epochs}.pth", weights_only=False)
            run.saved = saved["state_dict"]
        return run

    def refusal(self, folder: Path) -> str:
        steps = pipeline([[*view(), {"type": "RandomMystery"}], view()], recorded=True)
        model = with_term(algorithm("SimSiam"), TERM, pipeline=steps)
        return refused(lambda: Runner.from_cfg(Config(training(folder, model, steps, 1))))


def train(config: Any) -> Runner:
    """Let MMEngine's Runner do all of it."""
    # MMEngine 0.10.7 keeps log buffers in its checkpoints, which torch.load refuses since 2.6.
    with quiet(), patch.dict(os.environ, TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD="1"):
        runner = Runner.from_cfg(config if isinstance(config, Config) else Config(config))
        runner.train()
    return runner


def prepared(method: str, weights: Weights | None, recording: Recording) -> tuple[Any, Any]:
    """Write the model's part of the config and the pipeline's, with or without the term."""
    model = algorithm(method)
    if recording == "device":
        if weights is None:
            return {**model, "data_preprocessor": {"type": "PlainKornia", **PREPROCESSOR}}, still()
        views = {"type": "KorniaDataPreprocessor", "transforms": [KORNIA], "num_views": 2}
        model["data_preprocessor"] = {**views, **PREPROCESSOR}
        return with_term(model, weights), still()
    model["data_preprocessor"] = {"type": "SelfSupDataPreprocessor", **PREPROCESSOR}
    steps = pipeline([view(prob=1.0), view(prob=0.1)], recorded=weights is not None)
    return (model if weights is None else with_term(model, weights, pipeline=steps)), steps


@HOOKS.register_module()
class Losses(Hook):  # type: ignore[misc]
    """Keeps the host's loss and the term, as MMEngine logs them."""

    kept = Run()

    def after_train_iter(self, runner: Any, batch_idx: int, data_batch: Any, outputs: Any) -> None:  # noqa: ARG002
        logged = {name: float(value.detach()) for name, value in outputs.items()}
        self.kept.base.append(logged.get("augself/base", logged["loss"]))
        if "augself/total" in logged:
            self.kept.terms.append(logged["augself/total"])


@MODELS.register_module()
class PlainKornia(SelfSupDataPreprocessor):  # type: ignore[misc]
    """Kornia on the device as one writes it without this library."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        built = ({**step} for step in KORNIA)
        steps = [getattr(kornia.augmentation, step.pop("type"))(**step) for step in built]
        self.pipeline = torch.nn.Sequential(*steps)

    def forward(self, data: Any, training: bool = False) -> Any:  # noqa: ARG002
        cast = self.cast_data(data)
        images = cast["inputs"][:, [2, 1, 0]].float() / 255
        views = [self.pipeline(images) * 255 for _ in range(2)]
        inputs = [(view - self.mean) / self.std for view in views]
        return {"inputs": inputs, "data_samples": cast["data_samples"]}


@TRANSFORMS.register_module()
class RandomMystery(BaseTransform):  # type: ignore[misc]
    """Turns half of the images upside down."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        if random.random() < 0.5:
            results["img"] = np.ascontiguousarray(results["img"][::-1, ::-1])
        return results


def mystery(transform: Any, results: dict[str, Any]) -> tuple[dict[str, Any], tuple[float, ...]]:
    """Run a transform, and say that it flipped."""
    return transform(results), (1.0,)


MYSTERY = FlipEncoder(), mystery
"""What a user's ``register`` names."""
