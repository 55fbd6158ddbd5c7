"""Pretraining: fair, resumable, and with every method."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("lightly")

import lightning.pytorch as pl
from transfer import pretraining, recipes
from transfer.config import ARMS, METHODS, Config
from transfer.data import pack_setting
from transfer.data.sets import Setting
from transfer.deadline import TimeUpError
from transfer.objectives import METHODS as COMPARED
from transfer.runs import Run, RunError

from augself_loss.recording.multiview import split_views

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def setting() -> Setting:
    return pack_setting.load(40, 160)


def tiny(method: str, augself: bool = True, objective: str = "", **overrides: Any) -> Config:
    given = {"batch": 16, **overrides}
    return recipes.configure(
        "pack", method, 0, augself=augself, objective=objective, smoke=True, overrides=given
    )


class Watch(pl.Callback):
    """Keeps what every step saw, and stops where it is told to."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.first_weights: list[torch.Tensor] = []
        self.seen: list[torch.Tensor] = []
        self.stop_at = stop_at

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        backbone: Any = pl_module.backbone
        self.first_weights = [p.detach().clone() for p in backbone.parameters()]

    def on_train_batch_start(self, trainer: pl.Trainer, _: Any, batch: Any, __: int) -> None:
        views, labels = batch
        if trainer.global_step == self.stop_at:
            raise InterruptedError
        self.seen.append(torch.cat([*(v.flatten() for v in views[:2]), labels.float()]))


class Terminate(pl.Callback):
    """Tells the process to end, as a scheduler does."""

    def on_train_batch_start(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.global_step == 12:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_that_is_told_to_end_says_that_it_is_not_done(
    setting: Setting, tmp_path: Path
) -> None:
    run = Run(tmp_path, tiny("simclr", epochs=2))
    with pytest.raises(TimeUpError, match="simclr-augself-s0 was told to end"):
        pretraining.pretrain(run, setting, quiet=True, callbacks=[Terminate()])
    assert run.checkpoint.exists()
    pretraining.pretrain(run, setting, quiet=True)
    assert run.backbone.exists()


@pytest.mark.parametrize("method", METHODS)
def test_both_arms_begin_alike_and_see_the_same(
    method: str, setting: Setting, tmp_path: Path
) -> None:
    plain, augself = Watch(), Watch()
    for watch, with_term in ((plain, False), (augself, True)):
        run = Run(tmp_path, tiny(method, with_term))
        pretraining.pretrain(run, setting, quiet=True, callbacks=[watch])
        section = run.metrics["pretraining"]
        assert section["steps"] == len(watch.seen) > 3
        assert set(section["terms"]) == ({"crop", "color"} if with_term else set())
    assert all(map(torch.equal, plain.first_weights, augself.first_weights))
    assert all(map(torch.equal, plain.seen, augself.seen))
    assert not torch.equal(plain.seen[0], plain.seen[1])


TERMS = {
    "cassle": set(),
    "cassle-augself": {"crop", "color"},
    "equimod": {"equimod"},
    "stl": {"equivariance", "transformation"},
    "essl": {"essl"},
}


@pytest.mark.parametrize("method", COMPARED)
def test_all_arms_begin_alike_and_see_the_same(
    method: str, setting: Setting, tmp_path: Path
) -> None:
    plain = Watch()
    pretraining.pretrain(
        Run(tmp_path, tiny(method, augself=False)), setting, quiet=True, callbacks=[plain]
    )
    for arm, terms in TERMS.items():
        objective, augself = ARMS[arm]
        run, watch = Run(tmp_path, tiny(method, augself, objective)), Watch()
        assert run.folder.name == f"{method}-{arm}-s0"
        pretraining.pretrain(run, setting, quiet=True, callbacks=[watch])
        section = run.metrics["pretraining"]
        assert set(section["terms"]) == terms
        assert all(0 < value < 10 for value in section["terms"].values())
        assert all(map(torch.equal, plain.first_weights, watch.first_weights))
        if arm != "stl":  # whose odd pictures get their partners' draws
            assert all(map(torch.equal, plain.seen, watch.seen))


@pytest.mark.parametrize(("method", "objective"), [("simclr", "equimod"), ("moco", "essl")])
def test_an_objective_of_no_weight_is_the_plain_run(
    method: str, objective: str, setting: Setting, tmp_path: Path
) -> None:
    runs = [
        Run(tmp_path, tiny(method, augself=False)),
        Run(tmp_path, tiny(method, False, objective, options={"weight": 0.0})),
    ]
    for run in runs:
        pretraining.pretrain(run, setting, quiet=True)
    plain, silent = (torch.load(run.backbone, weights_only=True) for run in runs)
    assert all(torch.equal(plain[name], silent[name]) for name in plain)


class Conditions(pl.Callback):
    """Keeps what conditions projectors in every step, and what the records of the views say."""

    def __init__(self) -> None:
        self.said: list[torch.Tensor] = []
        self.seen: list[torch.Tensor] = []

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:  # noqa: ARG002
        for name, module in pl_module.named_children():
            if name.startswith("projector"):
                projector: Any = module
                projector.condition_mlp.register_forward_pre_hook(self._seen)

    def _seen(self, _: Any, given: Any) -> None:
        self.seen.append(given[0].float())

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, __: int) -> None:  # noqa: ARG002
        _, records = split_views(batch[0], module.views.recorder.layout)
        self.said += [module.projector.condition(r).bfloat16().float() for r in records]


@pytest.mark.parametrize("arm", ["cassle", "cassle-augself"])
@pytest.mark.parametrize("method", COMPARED)
def test_every_projector_is_conditioned_on_its_own_view(
    method: str, arm: str, setting: Setting, tmp_path: Path
) -> None:
    watch = Conditions()
    run = Run(tmp_path, tiny(method, ARMS[arm][1], "cassle"))
    pretraining.pretrain(run, setting, quiet=True, callbacks=[watch])
    one, two = watch.said[0::2], watch.said[1::2]
    if method == "moco":  # keys are made first
        one, two = two, one
    assert len(watch.seen) == len(watch.said) > 6
    assert all(map(torch.equal, watch.seen[0::2], one))
    assert all(map(torch.equal, watch.seen[1::2], two))
    assert not torch.equal(one[0], two[0])


INTERRUPTED = [
    ("simsiam", "augself"), ("moco", "augself"), ("byol", "augself"),
    ("moco", "cassle-augself"), ("simclr", "equimod"), ("simsiam", "stl"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "arm"), INTERRUPTED)
def test_an_interrupted_run_goes_on_bit_for_bit(
    method: str, arm: str, setting: Setting, tmp_path: Path
) -> None:
    objective, augself = ARMS[arm]
    config = tiny(method, augself, objective, epochs=3)
    whole, parts = Run(tmp_path / "whole", config), Run(tmp_path / "parts", config)
    pretraining.pretrain(whole, setting, quiet=True)
    steps = whole.metrics["pretraining"]["steps"]
    with pytest.raises(InterruptedError):
        pretraining.pretrain(parts, setting, quiet=True, callbacks=[Watch(stop_at=steps - 2)])
    assert parts.checkpoint.exists()
    assert not parts.backbone.exists()
    resumed = Watch()
    pretraining.pretrain(parts, setting, quiet=True, callbacks=[resumed])
    assert len(resumed.seen) == steps // 3
    first, second = (torch.load(run.backbone, weights_only=True) for run in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)
    for key in ("base", "terms", "steps"):
        assert whole.metrics["pretraining"][key] == parts.metrics["pretraining"][key]


def test_a_finished_run_is_not_trained_again(setting: Setting, tmp_path: Path) -> None:
    run = Run(tmp_path, tiny("simclr"))
    pretraining.pretrain(run, setting, quiet=True)
    written = run.backbone.stat().st_mtime_ns
    pretraining.pretrain(Run(tmp_path, tiny("simclr")), setting, quiet=True)
    assert run.backbone.stat().st_mtime_ns == written


def test_other_settings_in_the_same_folder_are_refused(tmp_path: Path) -> None:
    Run(tmp_path, tiny("simclr"))
    with pytest.raises(RunError, match=r"found others: width\."):
        Run(tmp_path, tiny("simclr", width=8))


def test_features_of_the_third_stage_can_be_tapped(setting: Setting) -> None:
    method: Any = pretraining.build(dataclasses.replace(tiny("moco"), tap="layer3"), 4)
    assert method.augself_step.taps.names == ("backbone.layer3", "backbone_slow.layer3")
    assert method.augself.feature_dim == method.backbone.layer3_dim
    assert len(setting.held_out.labels) == 160


def test_two_depths_can_be_tapped(setting: Setting, tmp_path: Path) -> None:
    config = dataclasses.replace(tiny("moco"), tap="depths")
    method: Any = pretraining.build(config, 4)
    net, augself = method.backbone, method.augself
    assert augself.feature_dim == {"early": net.layer3_dim, "late": net.feature_dim}
    widths = {name: augself.heads[name][0].in_features for name in augself.types}
    assert widths == {
        "crop": 2 * (4 * net.layer3_dim + net.feature_dim), "color": 2 * net.feature_dim
    }  # fmt: skip
    run = Run(tmp_path, config)
    pretraining.pretrain(run, setting, quiet=True)
    assert set(run.metrics["pretraining"]["terms"]) == {"crop", "color"}


def test_too_few_pictures_are_refused(setting: Setting, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least a batch of 512"):
        pretraining.pretrain(Run(tmp_path, tiny("simclr", batch=512)), setting, quiet=True)


def test_the_supervised_method_wants_classes() -> None:
    with pytest.raises(ValueError, match="at least two classes, found 0"):
        pretraining.build(tiny("supervised"), 0)
