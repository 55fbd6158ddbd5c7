"""The example's configs train VISSL's stock ResNet-50, by the commands of their README."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.host, pytest.mark.slow]

pytest.importorskip("vissl.config")  # examples/vissl is no package of it

EXAMPLE = Path(__file__).parents[2] / "examples" / "vissl"
COMMANDS = [
    line.strip()
    for line in (EXAMPLE / "README.md").read_text().splitlines()
    if line.startswith("    python -m augself_loss.adapters.vissl")
]
TINY = (
    "config.DATA.TRAIN.DATA_PATHS=[{pictures}]",
    "config.DATA.TRAIN.LABEL_PATHS=[{pictures}]",
    "config.DATA.TRAIN.BATCHSIZE_PER_REPLICA=4",
    "config.DATA.NUM_DATALOADER_WORKERS=0",
    "config.OPTIMIZER.num_epochs=1",
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures of noise in one class folder."""
    folder: Path = tmp_path_factory.mktemp("pictures")
    (folder / "all").mkdir()
    for number in range(8):
        noise = np.random.RandomState(number).randint(0, 256, (60, 70, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / "all" / f"{number}.png")
    return folder


def train(command: str, folder: Path, pictures: Path) -> str:
    """Run a command of the README on a few pictures; return VISSL's log."""
    words = shlex.split(command.replace("$PWD", str(folder)))
    options = [option.format(pictures=pictures) for option in TINY]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *words[1:], *options],
        cwd=EXAMPLE,  # VISSL looks for configs here
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    (run,) = folder.glob("run*")
    assert (run / "model_final_checkpoint_phase0.torch").exists()
    losses = [json.loads(line)["loss"] for line in (run / "stdout.json").read_text().splitlines()]
    assert len(losses) == 2
    return (run / "log.txt").read_text()


@pytest.mark.parametrize("config", ["simclr_augself", "simclr_kornia"])
def test_config(config: str, tmp_path: Path, pictures: Path) -> None:
    command = next(line for line in COMMANDS if f"config={config} " in line)
    log = train(command, tmp_path, pictures)
    assert log.count("augself/total: ") == 2
    assert "augself/crop: " in log
    assert "augself/color: " in log


def test_the_readme_names_what_the_adapter_asks_to_install(
    try_import: Callable[..., Any],
) -> None:
    error = try_import("augself_loss.adapters.vissl", without=["vissl"]).error
    asked = error.split("run `")[1].split("`")[0]
    readme = (EXAMPLE / "README.md").read_text()
    assert all(line in readme for line in asked.split(" && "))
    assert len(COMMANDS) == 4
