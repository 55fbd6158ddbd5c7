"""Example scripts, and the plain ones that are left when the lines marked for AugSelf go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"
ADDED = "# + AugSelf"


def check_marks(script: Path) -> None:
    """Assert that few lines are added, and that they are all that names AugSelf."""
    lines = script.read_text().splitlines()
    code = script.read_text().split('"""', maxsplit=2)[2]  # without the module's docstring
    assert 0 < sum(line.endswith(ADDED) for line in lines) <= 10
    assert all(ADDED in line for line in code.splitlines() if "augself" in line.lower())


def plain(script: Path, folder: Path) -> Path:
    """Write the script without its added lines."""
    folder.mkdir(exist_ok=True)
    kept = [line for line in script.read_text().splitlines() if not line.endswith(ADDED)]
    (folder / script.name).write_text("\n".join(kept))
    return folder / script.name


def check_script(name: str, folder: Path, run: Callable[..., str]) -> None:
    """Run a script whole and without its added lines; both train, one with the term."""
    script = EXAMPLES / f"{name}.py"
    check_marks(script)
    with_term = run(script, "--smoke", cwd=folder)
    without = run(plain(script, folder / "without"), "--smoke", cwd=folder)
    for row in ("base", "crop", "color"):
        assert row in with_term
        assert row not in without
    assert "loss" in without
