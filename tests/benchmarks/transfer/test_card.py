"""The recipe for a GPU, rehearsed on the CPU: pictures on the device, stopped, gone on with."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("lightly")

import lightning.pytorch as pl
from torch.utils.data import DataLoader, Dataset
from torch.utils.data.distributed import DistributedSampler
from transfer import recipes
from transfer.config import Config
from transfer.data import pack_setting
from transfer.data.errors import DataError
from transfer.data.memory import InMemory
from transfer.data.resident import Resident
from transfer.data.sets import Setting
from transfer.deadline import Deadline, TimeUpError
from transfer.evaluation.settings import EvaluationSettings
from transfer.gradients import GradientRatios
from transfer.one import finish
from transfer.pretraining import pretrain
from transfer.runs import SECTIONS, Run, versions

import augself_loss

pytestmark = pytest.mark.slow

NOW = Deadline(time.time())
SMALL = {"network": "small", "feature_dim": 32}
"""What no test here depends on; one trains the recipe's own network."""


@pytest.fixture(scope="module")
def setting() -> Setting:
    return pack_setting.load(40, 64)


def tiny(method: str, *, variant: str = "", **overrides: Any) -> Config:
    given = {"batch": 16, **SMALL, **overrides}
    return recipes.configure(
        "pack", method, 0, augself=True, variant=variant, recipe="resnet18", smoke=True,
        overrides=given,
    )  # fmt: skip


def weights(run: Run) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = torch.load(run.backbone, weights_only=True)
    return found


def test_batches_are_those_of_a_loader(setting: Setting) -> None:
    def order() -> DistributedSampler[Any]:
        return DistributedSampler(setting.pretrain, 2, 1, seed=3, drop_last=True)

    known: Any = DataLoader(setting.pretrain, 12, sampler=order(), drop_last=True)
    found = Resident(setting.pretrain, 12, order(), torch.device("cpu"))
    assert len(found) == len(known) > 1
    for epoch in (0, 1):
        known.sampler.set_epoch(epoch)
        found.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        for one, other in zip(known, found, strict=True):
            assert all(map(torch.equal, one, other))


def test_pictures_that_do_not_lie_in_memory_are_refused(setting: Setting) -> None:
    class OnDisk(Dataset[Any]):
        def __len__(self) -> int:
            return 4

    for pictures in (OnDisk(), InMemory(torch.zeros(4, 3, 8, 8, dtype=torch.uint8))):
        order: DistributedSampler[Any] = DistributedSampler(setting.pretrain, 1, 0)
        with pytest.raises(DataError, match="pictures in memory, with classes"):
            Resident(pictures, 2, order, torch.device("cpu"))  # type: ignore[arg-type]


@pytest.mark.parametrize(("method", "variant"), [("moco", ""), ("simclr", "gradient-share")])
def test_a_run_that_stopped_in_time_goes_on_bit_for_bit(
    method: str, variant: str, setting: Setting, tmp_path: Path
) -> None:
    config = tiny(method, variant=variant, epochs=3, warmup=1)
    whole, parts = Run(tmp_path / "whole", config), Run(tmp_path / "parts", config)
    pretrain(whole, setting, quiet=True, callbacks=[GradientRatios(whole, (0.0, 0.5, 1.0))])
    for epoch in (1, 2):
        with pytest.raises(TimeUpError, match=f"goes on later from epoch {epoch}"):
            pretrain(parts, setting, quiet=True, deadline=NOW)
        assert parts.checkpoint.exists()
        assert not parts.backbone.exists()
    pretrain(parts, setting, quiet=True, deadline=NOW)
    first, second = weights(whole), weights(parts)
    assert all(torch.equal(first[name], second[name]) for name in first), "measured, or stopped"
    for key in ("base", "terms", "steps"):
        assert whole.metrics["pretraining"][key] == parts.metrics["pretraining"][key]
    assert set(whole.metrics["gradients"]) == {"2", "3"}
    assert set(whole.metrics["gradients"]["3"]) == {"crop", "color", "total"}
    assert not parts.checkpoint.exists()


def test_checkpoints_are_as_far_apart_as_is_asked(
    setting: Setting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transfer.pretraining.SAVED_EVERY", 1e9)
    saved: list[str] = []
    monkeypatch.setattr(
        pl.Trainer, "save_checkpoint", lambda _, path, *__, **___: saved.append(str(path))
    )
    config = tiny("simclr", epochs=2, network="resnet18")
    pretrain(Run(tmp_path, config), setting, quiet=True)
    assert saved == []


def test_a_share_is_kept_whatever_lambda_was(setting: Setting, tmp_path: Path) -> None:
    given = {"epochs": 2, "precision": "32-true"}
    seen: list[dict[str, float]] = []

    class Watch(pl.Callback):
        def on_train_end(self, trainer: pl.Trainer, pl_module: Any) -> None:  # noqa: ARG002
            seen.append(pl_module.augself.weights)

    for number, types in enumerate(({"crop": 1.0}, {"crop": 3.0})):
        config = tiny("simclr", variant="gradient-share", types=types, **given)
        pretrain(Run(tmp_path / str(number), config), setting, quiet=True, callbacks=[Watch()])
    assert seen[0]["crop"] == pytest.approx(seen[1]["crop"], rel=0.2)


def test_a_deadline_counts_from_when_it_is_told_to() -> None:
    assert Deadline.after(None).left == float("inf")
    assert 50 < Deadline.after(1).left <= 60
    late = Deadline.after(1, since=time.time() - 120)
    assert late.left <= -60
    with pytest.raises(TimeUpError, match="goes on from here"):
        late.check()


def test_a_checkout_without_git_says_its_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    found = versions()
    assert (found["commit"], found["augself-loss"]) == ("unknown", augself_loss.__version__)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The number of unique classes")  # the pack is small
def test_an_evaluation_stops_in_time_too(setting: Setting, tmp_path: Path) -> None:
    run = Run(tmp_path, tiny("simclr"))
    settings = EvaluationSettings.smoke().on_a_card()
    pretrain(run, setting, quiet=True)
    with pytest.raises(TimeUpError):
        finish(run, lambda: setting, settings, quiet=True, deadline=NOW)
    assert "linear" not in run.metrics
    finish(run, lambda: setting, settings, quiet=True)
    assert set(run.metrics) == set(SECTIONS)


@pytest.mark.slow
def test_the_grid_on_one_card_as_the_readme_runs_it(
    tmp_path: Path, run: Callable[..., str]
) -> None:
    words = ("-m", "transfer", "grid", "--data", "pack", "--recipe", "resnet18", "--smoke")
    words = (*words, "--set", "network=small")
    given = (*words, "--methods", "simclr", "--seeds", "0", "--quiet", "--runs", "runs")
    with pytest.raises(AssertionError, match="0 of 2 runs finished"):
        run(*given, "--jobs", "2", "--minutes", "0", cwd=tmp_path)
    run(*given, "--jobs", "0", cwd=tmp_path)
    folder = tmp_path / "runs" / "pack-resnet18"
    assert sorted(path.name for path in folder.glob("*-s0")) == ["simclr-augself-s0", "simclr-s0"]
    metrics = json.loads((folder / "simclr-augself-s0" / "metrics.json").read_text())
    assert set(metrics) == {*SECTIONS, "gradients"}
    assert (folder / "report" / "REPORT.md").exists()
