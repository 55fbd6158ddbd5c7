"""Killed at any moment and started again, a run goes on bit for bit."""

from __future__ import annotations

import io
import os
import pickletools
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from augself_loss import AugSelfLoss, WithAugSelf, identity_record, with_augself
from augself_loss.encoders import default_encoders

SCRIPT = Path(__file__).parents[1] / "hosts" / "killed_run.py"
AFTER = 20
"""Steps that are compared after the last kill."""


def started(folder: Path, source: str, steps: int) -> subprocess.Popen[str]:
    """Start the run, or start it again, in a process group of its own."""
    folder.mkdir(exist_ok=True)
    search = os.pathsep.join(filter(None, [str(SCRIPT.parent), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", str(SCRIPT), str(folder), source, str(steps)],
        env={**os.environ, "PYTHONPATH": search, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def killed(run: subprocess.Popen[str], step: int, delay: float) -> None:
    """Let it take so many steps, and kill it with its workers somewhere in the next ones."""
    assert run.stdout is not None
    for line in run.stdout:
        if int(line) >= step:
            break
    time.sleep(delay)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate()
    assert run.returncode == -signal.SIGKILL


def finished(run: subprocess.Popen[str]) -> None:
    _, errors = run.communicate(timeout=120)
    assert run.returncode == 0, errors


def saved(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "checkpoint.pt", weights_only=True)
    return state


@pytest.mark.processes
@pytest.mark.skipif(not hasattr(os, "killpg"), reason="kills process groups, as POSIX has them")
@pytest.mark.parametrize(("source", "kills"), [("device", 2), ("seeded", 1), ("skipped", 1)])
def test_the_next_steps_are_the_uninterrupted_runs(source: str, kills: int, tmp_path: Path) -> None:
    draw = random.Random(f"kills of {source}")  # an epoch has 10 steps: most fall inside one
    steps, left = 12 * kills + AFTER + 12, []
    whole = started(tmp_path / "whole", source, steps)
    for _ in range(kills):
        run = started(tmp_path / "parts", source, steps)
        killed(run, (left or [0])[-1] + draw.randint(1, 9), draw.uniform(0, 0.03))
        left.append(len(saved(tmp_path / "parts")["history"]))
    finished(started(tmp_path / "parts", source, steps))
    finished(whole)
    assert steps - left[-1] >= AFTER, left
    expected, resumed = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    # Per step: the loss, the terms, and digests of the records and of all random states.
    assert resumed["history"] == expected["history"]
    assert len({tuple(step[2:]) for step in expected["history"]}) == steps
    for one, two in zip(tree_leaves(resumed), tree_leaves(expected), strict=True):
        assert torch.equal(one, two) if isinstance(one, torch.Tensor) else one == two


def trained(wrapped: WithAugSelf, steps: int, seed: int) -> list[float]:
    """Train heads on noise; give the losses."""
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    generator, losses = torch.Generator().manual_seed(seed), []
    layout = {n: f for e in default_encoders().values() for n, f in e.fields.items()}
    for step in range(steps):
        features = [torch.randn(6, 8, generator=generator) for _ in range(2)]
        loss = wrapped(features=features, records=[identity_record(layout, 6)] * 2)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        wrapped.augself.set_weights({"crop": 1 / (1 + step)})
        losses.append(loss.item())
    return losses


def nothing() -> torch.Tensor:
    """Stand for the host's loss."""
    return torch.zeros(())


def built(seed: int) -> WithAugSelf:
    torch.manual_seed(seed)
    augself = AugSelfLoss(8, {"crop": 1.0, "rotation": 2.0, "color": 0.5}, hidden_dim=8)
    return with_augself(nothing, augself, patience=3)


def plain(module: nn.Module) -> dict[str, str]:
    """List what a module keeps beside its parameters, buffers and children, as text."""
    return {n: repr(v) for n, v in vars(module).items() if not n.startswith(("_p", "_b", "_m"))}


def test_what_the_state_leaves_out_changes_no_number() -> None:
    wrapped, fresh = built(0), built(1)
    trained(wrapped, 5, seed=0)
    kept = plain(wrapped.augself)
    differ = {name for name, value in plain(built(0).augself).items() if kept[name] != value}
    assert differ == {"_values_checked"}, "a new attribute? save it, or prove that it is no state"
    kept = plain(wrapped)
    differ = {name for name, value in plain(built(0)).items() if kept[name] != value}
    # The last call's parts, for logging; and a watch that only ever warns.
    assert differ == {"base", "augself_output", "_watch"}
    fresh.load_state_dict(wrapped.state_dict())
    assert fresh.augself.weights == wrapped.augself.weights
    assert trained(fresh, 5, seed=1) == trained(wrapped, 5, seed=1)
    torch.testing.assert_close(fresh.state_dict(), wrapped.state_dict(), rtol=0, atol=0)


HARMLESS = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch LongStorage",
}
"""All that a saved state may name: a container, and what torch makes tensors of."""


def test_the_state_is_pickled_without_code() -> None:
    file = io.BytesIO()
    wrapped = built(0)
    trained(wrapped, 1, seed=0)
    torch.save({"loss": wrapped.augself.state_dict(), "wrapped": wrapped.state_dict()}, file)
    with zipfile.ZipFile(file) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith("data.pkl")]
        operations = list(pickletools.genops(archive.read(name)))
    named = {argument for code, argument, _ in operations if code.name == "GLOBAL"}
    assert named == HARMLESS
    calling = {"STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"}
    assert calling.isdisjoint(code.name for code, _, _ in operations)
