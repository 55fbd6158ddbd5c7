"""MMPretrain's own SimCLR file with the term trains, goes on, and logs, as its README says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("mmpretrain.registry")  # examples/mmpretrain is no package of it

from scripts import EXAMPLES

pytestmark = [pytest.mark.host, pytest.mark.slow]

FOLDER = EXAMPLES / "mmpretrain"
README = (FOLDER / "README.md").read_text()


def options(pictures: Path) -> list[str]:
    """Read the options that the README gives for a quick look."""
    (command,) = (block for block in README.split("\n\n") if "batch_size" in block)
    given = command.replace("\\\n", " ").partition("--cfg-options")[2]
    return given.replace("PICTURES", str(pictures)).split()


def scalars(folder: Path) -> list[dict[str, float]]:
    """Read what was logged, step by step, over all runs in a folder."""
    files = sorted(folder.rglob("vis_data/scalars.json"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_the_readmes_commands(
    tmp_path: Path, run: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmpretrain_configs import SIZE, pictures  # noqa: PLC0415 - needs MMPretrain

    pictures(tmp_path / "pictures")
    small = [f"train_dataloader.dataset.pipeline.1.transforms.0.0.scale=({SIZE},{SIZE})"]
    chosen = ["--cfg-options", *options(tmp_path / "pictures"), *small]
    files = [FOLDER / "train.py", FOLDER / "simclr_augself.py"]
    run(*files, *chosen, cwd=tmp_path)
    first = scalars(tmp_path)
    assert len(first) == 2
    for step in first:
        assert {"loss", "augself/base", "augself/crop", "augself/color"} <= set(step)
        assert step["augself/total"] == pytest.approx(
            step["augself/crop"] + step["augself/color"], rel=1e-3
        )
    assert first[0]["loss"] == pytest.approx(first[0]["augself/base"] + first[0]["augself/total"])
    assert (tmp_path / "work_dirs" / "simclr_augself" / "epoch_1.pth").exists()

    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    longer = [option.replace("max_epochs=1", "max_epochs=2") for option in chosen]
    run(*files, "--resume", *longer, cwd=tmp_path)
    assert [step["epoch"] for step in scalars(tmp_path)][-2:] == [2, 2]
    assert len(scalars(tmp_path)) == 4


def test_only_three_things_are_new() -> None:
    text = (FOLDER / "simclr_augself.py").read_text()
    code = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert code.count("augself_loss") == 1
    for shown in ("RecordedMultiView", 'algorithm_keys=("aug_params",)', 'type="AugSelf"'):
        assert code.count(shown) == 1
