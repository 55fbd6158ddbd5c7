"""Trained runs tested on other tasks: nothing is trained, and no number is mixed up."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import noise, recipes, retest
from transfer.data import offline
from transfer.evaluation.features import Inputs
from transfer.evaluation.settings import EvaluationSettings
from transfer.networks import backbone
from transfer.runs import SECTIONS, Run, RunError

NAMES = ["simclr-s0", "simclr-augself-s0"]


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Folder of a pair of runs that are trained and tested on the first tasks."""
    for augself in (False, True):
        run = Run(tmp_path, recipes.configure("offline", "simclr", 0, augself=augself, smoke=True))
        torch.manual_seed(1 + augself)
        net = backbone(run.config.network, run.config.width, run.config.feature_dim)
        torch.save(net.state_dict(), run.backbone)
        run.save({name: {"measured on": "offline"} for name in SECTIONS})
        run.note_versions()
    return tmp_path


def test_settings_are_the_same_again_but_for_the_data(runs: Path) -> None:
    plain, augself = sorted(
        retest.prepare(runs, "offline", "offline-2"), key=lambda run: run.config.arm, reverse=True
    )
    for run, name in ((plain, NAMES[0]), (augself, NAMES[1])):
        assert run.folder == runs / "offline-2" / name
        known = json.loads((runs / "offline" / name / "config.json").read_text())
        assert json.loads(json.dumps(run.config.as_dict())) == {**known, "data": "offline-2"}
        assert set(run.metrics) == set(SECTIONS) - set(retest.OF_TASKS)
        assert not run.finished
        for file in ("backbone.pt", "versions.json"):
            ours, theirs = run.folder / file, runs / "offline" / name / file
            assert ours.read_bytes() == theirs.read_bytes()
    assert Run(runs, plain.config).config.augmentation == plain.config.augmentation


def test_what_was_tested_already_stays(runs: Path) -> None:
    first = retest.prepare(runs, "offline", "offline-2")[0]
    first.save({**first.metrics, "linear": {"new": 1}})
    assert retest.prepare(runs, "offline", "offline-2")[0].metrics["linear"] == {"new": 1}
    (first.folder / "config.json").write_text('{"epochs": 3}')
    with pytest.raises(RunError, match="found others"):
        retest.prepare(runs, "offline", "offline-2")


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        ("offline", "offline", "expected two of offline, offline-2, found offline and offline"),
        ("offline", "stl10", "runs of others must be trained anew"),
        ("offline-2", "offline", r"trained runs in .*offline-2, found no backbone\.pt"),
    ],
)
def test_what_cannot_be_tested_is_refused(
    source: str, target: str, message: str, runs: Path
) -> None:
    with pytest.raises(retest.RetestError, match=message):
        retest.prepare(runs, source, target)


@pytest.mark.slow
def test_the_command_tests_what_is_trained(
    runs: Path, built: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    smoke = replace(EvaluationSettings.smoke(), ways=2)
    monkeypatch.setattr(EvaluationSettings, "small", lambda: smoke)
    words = ["retest", "--path", str(built), "--runs", str(runs), "--quiet"]
    monkeypatch.setattr(sys, "argv", words)
    retest.main()
    for name in NAMES:
        metrics = json.loads((runs / "offline-2" / name / "metrics.json").read_text())
        assert set(SECTIONS) <= set(metrics)
        assert {"patch", "above", "left"} < set(metrics["linear"])
        assert metrics["pretraining"] == {"measured on": "offline"}
        assert all("standard_error" in task for task in metrics["linear"].values())


@pytest.mark.slow
def test_noise_compares_networks_on_the_same_pictures(
    runs: Path, built: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    smoke = EvaluationSettings.smoke()
    monkeypatch.setattr(EvaluationSettings, "small", lambda: smoke)
    words = ["noise", *NAMES, "--path", str(built), "--runs", str(runs), "--data", "offline-2"]
    monkeypatch.setattr(sys, "argv", words)
    noise.main()
    printed = capsys.readouterr().out
    assert "simclr-augself-s0 − simclr-s0" in printed
    for task in ("| patch: boxes | 180 |", "| above | 120 |", "| tuxphoto | 72 |"):
        assert task in printed


def test_a_network_gains_nothing_on_itself(built: Path, runs: Path) -> None:
    setting = offline.load(built, 40)
    some = replace(setting, tasks={"skintone": setting.tasks["skintone"]})
    config = Run(runs, recipes.configure("offline", "simclr", 0, augself=False, smoke=True))
    nets = noise.networks([config])
    assert list(nets) == [noise.UNTRAINED, NAMES[0]]
    scores = noise.measure(nets, some, Inputs(32), EvaluationSettings.smoke())
    rows = noise.table(some, scores, [(NAMES[0], NAMES[0])]).rows
    assert [cell.text for cell in rows[0]][-1] == "+0.0 ± 0.0"
