"""What came later is measured of runs from before: by their weights, and nothing else changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

pytest.importorskip("lightning")
pytest.importorskip("lightly")

from transfer import recipes
from transfer.catching_up import catch_up
from transfer.data import pack_setting
from transfer.data.sets import Setting
from transfer.evaluation.settings import EvaluationSettings
from transfer.networks import backbone
from transfer.runs import LATER, SECTIONS, Run, write


@pytest.fixture(scope="module")
def setting() -> Setting:
    return pack_setting.load(40, 32)


def before(root: Path, seed: int, *, weights: bool = True) -> Run:
    """A finished run from before there were the later sections."""
    config = recipes.configure("pack", "simclr", seed, augself=False, smoke=True)
    run = Run(root, config)
    run.save({name: {"known": seed} for name in SECTIONS if name not in LATER})
    if weights:
        torch.manual_seed(seed)
        net = backbone(config.network, config.width, config.feature_dim)
        torch.save(net.state_dict(), run.backbone)
    return run


def test_a_run_from_before_is_finished_unless_it_can_be_measured(tmp_path: Path) -> None:
    kept, lost = before(tmp_path, 0), before(tmp_path, 1, weights=False)
    assert lost.finished
    assert not kept.finished
    kept.save({name: {} for name in SECTIONS})
    assert kept.finished
    lost.save({name: {} for name in SECTIONS[1:]})
    assert not lost.finished


@pytest.mark.filterwarnings("ignore:The number of unique classes")  # the pack is small
def test_lacking_sections_are_measured_once(tmp_path: Path, setting: Setting) -> None:
    kept, lost = before(tmp_path, 0), before(tmp_path, 1, weights=False)
    old = kept.metrics
    sizes: list[tuple[int, int]] = []

    def load(picture: int, view: int) -> Setting:
        sizes.append((picture, view))
        return setting

    def again(*sections: str) -> dict[str, str]:
        settings = EvaluationSettings.smoke()
        return catch_up(tmp_path, "pack", load, settings, sections=sections, quiet=True)

    assert again("retrieval") == dict.fromkeys((kept.config.name, lost.config.name), "complete")
    assert sizes == []
    assert again("equivariance", "linear") == {
        kept.config.name: "measured equivariance",
        lost.config.name: "no backbone.pt, so no equivariance",
    }
    assert sizes == [(kept.config.picture, kept.config.view)]
    found = kept.metrics
    assert {name: found[name] for name in old} == old
    assert set(found) - set(old) == {"equivariance"}
    assert set(found["equivariance"]) == {"crop", "color"}
    assert json.loads(json.dumps(found, allow_nan=False)) == found

    again(*SECTIONS)
    assert kept.finished
    assert kept.metrics["equivariance"] == found["equivariance"]
    assert kept.metrics["readability_mlp"]["crop"]["metric"] == "R2"
    assert set(again(*SECTIONS).values()) == {
        "complete",
        f"no backbone.pt, so no {', '.join(LATER)}",
    }


def test_a_broken_folder_is_named(tmp_path: Path, setting: Setting) -> None:
    run = before(tmp_path, 0)
    write(run.folder / "config.json", {**run.config.as_dict(), "shade": 1})
    with pytest.raises(ValueError, match="found shade"):
        catch_up(tmp_path, "pack", lambda *_: setting, EvaluationSettings.smoke(), sections=LATER)
