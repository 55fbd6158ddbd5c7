"""What is measured while a run trains: there, and without any trace in the training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.along import MEASURED
from transfer.data import pack_setting
from transfer.evaluation.settings import EvaluationSettings
from transfer.one import finish
from transfer.pretraining import pretrain
from transfer.runs import SECTIONS, Run


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The number of unique classes")  # the pack is small
@pytest.mark.parametrize("method", ["simsiam", "moco"])
def test_measured_along_the_way_and_trained_as_if_not(method: str, tmp_path: Path) -> None:
    config = recipes.configure(
        "pack", method, 0, augself=True, smoke=True, overrides={"batch": 16, "epochs": 2}
    )
    setting = pack_setting.load(config.picture, config.view)
    watched, alone = Run(tmp_path / "watched", config), Run(tmp_path / "alone", config)
    finish(watched, lambda: setting, EvaluationSettings.smoke(), quiet=True)
    pretrain(alone, setting, quiet=True)

    first, second = (torch.load(run.backbone, weights_only=True) for run in (watched, alone))
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert set(watched.metrics) == {*SECTIONS, "along"}
    ((epoch, found),) = watched.metrics["along"].items()
    assert epoch == "1"
    assert set(found) == set(MEASURED)
    assert found["readability"]["color"] != watched.metrics["readability"]["color"]
