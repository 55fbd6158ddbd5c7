"""The README is true: its Python runs, and CI runs its test command."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet_runs(number: int) -> None:
    torch.manual_seed(0)
    exec(compile(SNIPPETS[number], f"README.md snippet {number + 1}", "exec"), {})


def test_it_is_short() -> None:
    assert SNIPPETS
    assert len(README.splitlines()) <= 120


def test_ci_runs_the_test_command() -> None:
    install = "python3 -m venv .venv && .venv/bin/pip install -q '.[dev]'"
    command = f"{install} && .venv/bin/python -m pytest -n 2\n"
    assert command in README
    assert command in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_ci_runs_everything_else() -> None:
    """All that `nox` runs, but the tests of the README's command, which ran before."""
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    (default,) = re.findall(r"nox.options.sessions = \[(.*?)\]", noxfile, flags=re.DOTALL)
    one_core = re.findall(r"@nox.session\(tags=ONE_CORE\)\n(?:@.*\n)*def (\w+)", noxfile)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (both_cores,) = re.findall(r"bin/nox -s (.*)\n", script)
    assert "two_at_a_time .venv/bin/nox one_core\n" in script
    assert sorted(["tests", *both_cores.split(), *one_core]) == sorted(re.findall(r"\w+", default))


def test_pictures_and_links_exist() -> None:
    for target in re.findall(r"\]\((?!http|#)([^)]+)\)", README):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("page", ["README.md", "docs/frameworks/lightning.md"])
def test_the_diff_works_in_a_script_as_lightly_documents_it(page: str, tmp_path: Path) -> None:
    lightly_data = pytest.importorskip("lightly.data")
    modules = pytest.importorskip("lightly_modules")
    pictures = pytest.importorskip("pictures")
    for number in range(pictures.BATCH):
        pictures.Pictures()[number][0].save(tmp_path / f"{number}.png")
    scope: dict[str, Any] = {
        "LightlyDataset": lambda _, transform: lightly_data.LightlyDataset(
            str(tmp_path), transform=transform
        ),
        **{name: getattr(modules, name) for name in ("SimSiam", "SimSiamTransform")},
        **{name: getattr(modules, name) for name in ("MoCo", "MoCoV2Transform")},
    }
    text = (ROOT / page).read_text(encoding="utf-8")
    (diff,) = re.findall(r"```diff\n(.*?)```", text, flags=re.DOTALL)
    diff = diff.replace("AugSelfLoss(512,", f"AugSelfLoss({modules.FEATURES},")
    exec("\n".join(line[1:] for line in diff.splitlines()), scope)
    collate = lightly_data.multi_view_collate.MultiViewCollate()
    loader = DataLoader(scope["dataset"], pictures.BATCH, collate_fn=collate)
    seen = pictures.Losses()
    pictures.trainer(seen, max_epochs=1).fit(scope["model"], loader)
    assert len(seen.losses) == 1
    assert scope["model"].augself.feature_dim == modules.FEATURES


def test_its_frameworks_are_those_of_the_matrix() -> None:
    matrix = (ROOT / "docs" / "frameworks" / "index.md").read_text(encoding="utf-8")

    def rows(page: str) -> dict[str, str]:
        lines = re.findall(
            r"^\| \[?([^\]|]+?)\]?(?:\([^)]*\))? \| ([\d.]+|any) \|", page, re.MULTILINE
        )
        return dict(lines)

    found, tested = rows(README), rows(matrix)
    assert len(found) >= 9
    assert found == {name: version for name, version in tested.items() if name in found}
    assert set(tested) - set(found) == {"Lightly with timm's ViTs"}
