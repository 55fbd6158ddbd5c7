"""The package works from a checkout as it does installed: beside it lie the adapters."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FIND = """
import sys
sys.meta_path = [finder for finder in sys.meta_path if "editable" not in repr(finder).lower()]
from importlib.util import find_spec
for name in ("augself_loss", "augself_loss.adapters.lightly"):
    print(find_spec(name).origin)
"""


@pytest.mark.slow
def test_a_checkout_finds_its_adapters_without_an_editable_install() -> None:
    """As ``python -m pytest`` does here: this folder comes before whatever is installed."""
    command = [sys.executable, "-W", "ignore", "-c", FIND]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    package, adapter = map(Path, done.stdout.splitlines())
    assert package == ROOT / "augself_loss" / "__init__.py"
    assert adapter == ROOT / "adapters" / "lightly.py"


def test_what_is_installed_holds_the_adapters_themselves() -> None:
    """The wheel has them in the place where a checkout has a pointer to them."""
    # Where pip installs: building leaves a list of sources in the checkout, which is found first.
    site = [sysconfig.get_path("purelib")]
    found = next(iter(metadata.distributions(name="augself-loss", path=site)), None)
    files = {str(file): file for file in (found and found.files) or ()}
    if "augself_loss/__init__.py" not in files:
        pytest.skip("nothing is installed but the way to a checkout")
    installed = files["augself_loss/adapters/__init__.py"].locate()
    original = ROOT / "adapters" / "__init__.py"
    assert Path(str(installed)).read_bytes() == original.read_bytes()


def test_a_wheel_holds_every_package() -> None:
    tomllib = pytest.importorskip("tomllib")  # of Python 3.11
    built = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    ours = {"augself_loss": "augself_loss", "adapters": "augself_loss.adapters"}
    found = [
        ".".join([name, *init.parent.relative_to(ROOT / folder).parts])
        for folder, name in ours.items()
        for init in (ROOT / folder).rglob("__init__.py")
    ]
    # In a checkout the package's own folder of adapters only points to them.
    assert sorted(built) == sorted({*found})
