"""What every adapter keeps, each with its real framework: `pytest tests/contract --host vissl`."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from contract import SILENT, Host, Run
from torch import Tensor

pytestmark = pytest.mark.host

Runs = Callable[..., Run]
MATRIX = Path(__file__).parents[2] / "docs" / "frameworks" / "index.md"


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two sets of named tensors are the same bit for bit."""
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


def changed(a: dict[str, Tensor], b: dict[str, Tensor]) -> set[str]:
    return {name for name in a if not a[name].equal(b[name])}


def test_the_first_base_loss_is_the_plain_scripts(host: Host, method: str, run: Runs) -> None:
    plain, augself = run(host, method, weights=None), run(host, method)
    assert len(augself.base) == len(augself.terms) == len(plain.base) >= 2
    assert augself.base[0] == plain.base[0], "to the last bit"
    assert augself.base[1] != plain.base[1], "the term changed the weights"
    assert not plain.terms
    assert all(0 < term < 20 for term in augself.terms)


def test_with_all_weights_zero_the_run_is_the_plain_one(host: Host, method: str, run: Runs) -> None:
    plain, silent = run(host, method, weights=None), run(host, method, weights=SILENT)
    assert silent.base == plain.base
    assert equal(silent.host(silent.final), plain.final)
    assert not any(silent.terms)


def test_the_term_reaches_backbone_and_heads(host: Host, method: str, run: Runs) -> None:
    plain, augself = run(host, method, weights=None), run(host, method)
    gradients = augself.heads(augself.gradients)
    assert gradients.keys() == augself.heads(augself.final).keys() != set()
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    reached = changed(plain.gradients, augself.gradients)
    assert reached
    assert all(name.startswith(host.backbone(method)) for name in reached), "and nothing else"


def test_heads_are_in_the_optimizer_and_in_the_checkpoint(
    host: Host, method: str, run: Runs
) -> None:
    augself = run(host, method)
    heads = augself.heads(augself.final)
    assert set(heads) <= set(augself.optimized)
    assert changed(augself.heads(augself.initial), heads) == set(heads), "all of them learn"
    assert equal({name: augself.saved[name] for name in heads}, heads)


def test_recording(host: Host, recording: str, run: Runs) -> None:
    """Wherever augmentation runs, it draws what it draws alone, and its records serve the term."""
    method = host.methods[0]
    plain = run(host, method, recording=recording, weights=None)
    silent = run(host, method, recording=recording, weights=SILENT)
    augself = run(host, method, recording=recording)
    assert silent.base == plain.base
    assert augself.base[0] == plain.base[0]
    assert all(0 < term < 20 for term in augself.terms)


def test_two_depths(host: Host, tmp_path: Path, run: Runs) -> None:
    """The term reads an inner layer too; heads of both depths learn, are saved, and are resumed."""
    method = host.methods[0]
    plain = run(host, method, weights=None)
    (deep,) = host.run(tmp_path, method, deep=True)
    assert deep.base[0] == plain.base[0]
    heads, gradients = deep.heads(deep.final), deep.heads(deep.gradients)
    assert set(heads) <= set(deep.optimized)
    assert all(gradient.abs().sum() > 0 for gradient in gradients.values())
    assert changed(deep.heads(deep.initial), heads) == set(heads)
    assert equal({name: deep.saved[name] for name in heads}, heads)
    widths = {heads[name].shape[1] for name in heads if name.endswith(".0.weight")}
    places = 1 if host.inner.pool == "mean" else 4
    assert 2 * places * host.inner.width in widths
    (rest,) = host.run(tmp_path, method, deep=True, epochs=2, resume=True)
    assert equal(rest.initial, {name: deep.final[name] for name in rest.initial})


def test_resume(host: Host, tmp_path: Path) -> None:
    method = host.methods[0]
    (whole,) = host.run(tmp_path / "whole", method, epochs=2)
    (first,) = host.run(tmp_path / "parts", method, epochs=1)
    (rest,) = host.run(tmp_path / "parts", method, epochs=2, resume=True)
    assert equal(rest.initial, {name: first.final[name] for name in rest.initial})
    assert len(rest.base) == len(whole.base) - len(first.base)
    assert changed(rest.heads(rest.initial), rest.heads(rest.final)), "they go on learning"
    if host.resume == "bit for bit":
        assert first.base + rest.base == whole.base
        assert first.terms + rest.terms == whole.terms
        assert equal(rest.final, whole.final)


@pytest.mark.processes
def test_two_processes_stay_in_sync(host: Host, tmp_path: Path) -> None:
    rank0, rank1 = host.run(tmp_path, host.methods[0], processes=2)
    assert rank0.base != rank1.base or rank0.terms != rank1.terms, "each has its own batches"
    assert equal(rank0.final, rank1.final)
    assert changed(rank0.heads(rank0.initial), rank0.heads(rank0.final))


def test_an_unknown_transform_is_refused_by_name(host: Host, tmp_path: Path) -> None:
    error = host.refusal(tmp_path)
    assert "PipelineError" in error
    assert "RandomMystery" in error


@pytest.mark.slow
def test_a_missing_framework_gives_the_pip_line(host: Host, try_import: Callable[..., Any]) -> None:
    if not host.missing:
        pytest.skip(f"{host.name} needs no adapter")
    error = try_import(host.adapter, without=host.missing).error
    assert "ImportError" in error
    assert host.adapter in error
    assert "pip install" in error


def test_the_matrix_says_what_was_run(host: Host) -> None:
    """No cell of its table is without one of these tests."""
    rows = [line for line in MATRIX.read_text(encoding="utf-8").splitlines() if line[:1] == "|"]
    cells = [[_plain(cell) for cell in row.strip("|").split("|")] for row in rows]
    (row,) = [row for row in cells if row[0] == host.name]
    assert row[1] == next(iter(host.packages.values()), "any")
    for package, stated in host.packages.items():
        assert f"{version(package)}.".startswith(f"{stated}."), package
    assert row[2] == ", ".join(host.methods)
    assert row[3] == ("yes" if "CPU" in host.recording else "–")
    assert row[4] == ("yes" if "device" in host.recording else "–")
    assert row[5:] == ["yes", host.resume]


def _plain(cell: str) -> str:
    """Take a Markdown cell's link and spaces away."""
    return re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", cell).strip()
