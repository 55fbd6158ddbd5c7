"""What CI runs, in the environment that nox itself was installed into: `nox`, or `nox -s NAME`.

Everything is checked on the wheel that the sdist builds, from another folder than the checkout, so
that nothing passes only because the sources lie beside it.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
from pathlib import Path

import nox

ROOT = Path(__file__).parent
BUILD = ROOT / "build" / "nox"
BENCHMARKS = ROOT / "tests" / "test_benchmarks.py"
TESTS = (ROOT / "tests", "--ignore", BENCHMARKS)
CONFORMANCE = ROOT / "tests" / "test_conformance.py"
OLDER_KORNIA = ("0.7.4", "0.8.2")
"""The oldest that is supported, and the newest for Python 3.10."""

HOSTS = {
    "mmpretrain": [
        "mmengine==0.10.7 mmcv-lite==2.2.0 mmpretrain==1.2.0 'numpy<2' 'opencv-python<4.12'"
        " 'setuptools<82'"
    ],
    "byol_pytorch": ["byol-pytorch==0.9.1"],
    "solo_learn": [
        "--no-deps solo-learn==1.0.2 pytorch-lightning==1.6.5.post0 lightning-bolts==0.7.0"
        " timm==0.4.12 pyDeprecate==0.3.2",
        "torchmetrics tensorboard scipy tqdm PyYAML 'setuptools<81'",
    ],
    "stable_pretraining": ["stable-pretraining==0.1.8"],
    "vissl": [
        "-U 'setuptools<82'",
        "--no-deps --no-build-isolation vissl==0.1.6 classy-vision==0.7.0 fairscale==0.4.6",
        "fvcore iopath tabulate parameterized hydra-core scikit-learn",
    ],
    "pytorch_metric_learning": ["pytorch-metric-learning==2.9.0"],
    "transformers": ["transformers==5.24.0 accelerate==1.15.0 datasets==5.2.0 webdataset==1.0.2"],
    "vits": ["timm==1.0.31 transformers==5.24.0"],
}
"""Framework of the contract suite → what pip installs for it, call by call, into its own venv."""

ALBUMENTATIONS = {
    "albumentations": ["albumentations==2.0.8"],
    "albumentations_x": ["albumentationsx==2.5.1 opencv-python-headless"],
}
"""Session → what pip installs for it; the second's licence is AGPL: only where it is asked for."""

SCRIPTS = (
    "*.py", ".ci/*.py", "benchmarks/*.py", "docs/_site/*.py", "examples/*.py",
    "examples/mmpretrain/train.py", "examples/notebooks/*.py", "examples/vissl/*.py",
)  # fmt: skip
"""What is checked for types beside packages; MMPretrain's config is text that MMEngine reads."""

nox.options.sessions = [
    "style", "wheel", "tests", "slow", "processes", "host", "benchmarks", "older_kornia",
    "notebooks", "types", "albumentations", "docs",
]  # fmt: skip
nox.options.default_venv_backend = "none"
nox.options.stop_on_first_error = True

ONE_CORE = ["one_core"]
"""Tag of the sessions that keep one core busy: `.ci/run` runs them two at a time."""


def python(session: nox.Session, *args: str, exe: str = sys.executable, **env: str) -> None:
    """Run this environment's Python in an empty folder outside the package's sources."""
    elsewhere = BUILD / "elsewhere"
    elsewhere.mkdir(parents=True, exist_ok=True)
    with session.chdir(elsewhere):
        session.run(exe, *args, env=env)


def pytest(session: nox.Session, *args: Path | str, exe: str = sys.executable, **env: str) -> None:
    """Run tests, those too that plain ``pytest`` leaves out."""
    config = ("-c", str(ROOT / "pyproject.toml"), "--rootdir", str(ROOT), "-m", "")
    python(session, "-m", "pytest", *config, *map(str, args), *session.posargs, exe=exe, **env)


def overlay(session: nox.Session, name: str, installs: list[str]) -> str:
    """Make a virtual environment that sees this one's packages after its own; return its Python.

    So a framework has the versions that it needs, and PyTorch is not installed once for each.
    """
    venv = BUILD / "hosts" / name
    exe = str(venv / "bin" / "python")
    installed = venv / "installed.txt"
    if not installed.exists() or installed.read_text() != "\n".join(installs):
        python(session, "-m", "venv", "--clear", str(venv))
        outer, (site,) = sysconfig.get_path("purelib"), venv.glob("lib/python*/site-packages")
        (site / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
        for install in installs:
            python(session, "-m", "pip", "install", "-q", *shlex.split(install), exe=exe)
        installed.write_text("\n".join(installs))
    return exe


@nox.session
def style(session: nox.Session) -> None:
    session.run(sys.executable, "-m", "ruff", "check", str(ROOT))
    session.run(sys.executable, "-m", "ruff", "format", "--check", str(ROOT))


@nox.session
def wheel(session: nox.Session) -> None:
    """Build the wheel from the sdist, check both, and install it in place of whatever is there."""
    dist = BUILD / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    python(session, "-m", "build", "--outdir", str(dist), str(ROOT))
    python(session, "-m", "twine", "check", "--strict", *map(str, dist.iterdir()))
    built = next(dist.glob("*.whl"))
    python(session, "-m", "pip", "install", "-q", "--no-deps", "--force-reinstall", str(built))


@nox.session(tags=ONE_CORE)
def types(session: nox.Session) -> None:
    """Check everything but the tests: the package, then scripts by folder, then their packages."""
    config = ("--config-file", str(ROOT / "pyproject.toml"))
    python(session, "-m", "mypy", *config, "-p", "augself_loss")
    for pattern in SCRIPTS:
        scripts = sorted(map(str, ROOT.glob(pattern)))
        search = os.pathsep.join(map(str, [(ROOT / pattern).parent, ROOT / "examples"]))
        python(session, "-m", "mypy", *config, *scripts, MYPYPATH=search)
    search = os.pathsep.join(str(ROOT / folder) for folder in ("benchmarks", "examples"))
    packages = ("-p", "transfer", "-p", "accelerated", "-p", "_shared")
    python(session, "-m", "mypy", *config, *packages, MYPYPATH=search)


@nox.session(tags=ONE_CORE)
def docs(session: nox.Session) -> None:
    """Build the site into build/site: no warning, no broken link, every public name."""
    exe = overlay(session, "docs", ["'mkdocs-material>=9.6' 'mkdocstrings[python]>=1.0'"])
    site = ROOT / "build" / "site"
    build = ("-m", "mkdocs", "build", "-q", "-f", str(ROOT / "mkdocs.yml"), "-d", str(site))
    python(session, *build, exe=exe, NO_MKDOCS_2_WARNING="1")
    python(session, str(ROOT / "docs" / "_site" / "check.py"), str(site), exe=exe)


@nox.session(tags=ONE_CORE)
def notebooks(session: nox.Session) -> None:
    """Execute every notebook: none raises or warns."""
    _notebooks(session)


@nox.session
def store_notebooks(session: nox.Session) -> None:
    """Execute all, or ``-- NAME …``, and store what they show in them."""
    _notebooks(session, "--store", *session.posargs)


def _notebooks(session: nox.Session, *args: str) -> None:
    exe = overlay(session, "notebooks", ["'ipykernel>=6.29' 'nbclient>=0.10' 'nbformat>=5.10'"])
    python(session, str(ROOT / "examples" / "notebooks" / "execute.py"), *args, exe=exe)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the tests of seconds, those of the README's command, on the wheel."""
    pytest(session, *TESTS, "-n", "2", "-m", "not (slow or processes)")


@nox.session
def slow(session: nox.Session) -> None:
    """Run whole scripts and trainings."""
    pytest(session, *TESTS, "-n", "2", "-m", "slow and not processes")


@nox.session
def processes(session: nox.Session) -> None:
    """Run the tests that start processes, one by one."""
    pytest(session, *TESTS, "-m", "processes")


@nox.session(tags=ONE_CORE)
def benchmarks(session: nox.Session) -> None:
    pytest(session, BENCHMARKS)


@nox.session(tags=ONE_CORE)
@nox.parametrize("version", OLDER_KORNIA, ids=OLDER_KORNIA)
def older_kornia(session: nox.Session, version: str) -> None:
    """Run what Kornia decides on an older one, laid over the newest."""
    target = BUILD / f"kornia-{version}"
    if not target.exists():
        install = ("-m", "pip", "install", "-q", "--no-deps", "--target", str(target))
        python(session, *install, f"kornia=={version}")
    search_path = os.pathsep.join(filter(None, [str(target), os.environ.get("PYTHONPATH")]))
    counting = ROOT / "tests" / "benchmarks" / "test_asked.py"
    sampling = ROOT / "tests" / "geometry" / "test_sampling.py"
    those = (ROOT / "tests" / "recording", counting, sampling, CONFORMANCE)
    pytest(session, *those, PYTHONPATH=search_path)


@nox.session(tags=ONE_CORE)
def albumentations(session: nox.Session) -> None:
    """Run the tests of albumentations' recorder, in an environment that has it."""
    _albumentations(session, "albumentations")


@nox.session
def albumentations_x(session: nox.Session) -> None:
    """See that AlbumentationsX, of the same name and another way of working, is refused."""
    _albumentations(session, "albumentations_x")


def _albumentations(session: nox.Session, name: str) -> None:
    exe = overlay(session, name, ALBUMENTATIONS[name])
    named = sorted((ROOT / "tests").glob(f"*/test_*{name}*.py"))
    docs = (ROOT / "tests" / "test_docstrings.py", "-k", "not docstring or albumentations")
    more = (CONFORMANCE, *docs) if name == "albumentations" else ()
    pytest(session, *named, *more, exe=exe)


@nox.session(tags=ONE_CORE)
@nox.parametrize("name", list(HOSTS), ids=list(HOSTS))
def host(session: nox.Session, name: str) -> None:
    """Run a framework's tests with the real framework, in an environment of its own."""
    exe = overlay(session, name, HOSTS[name])
    named = sorted((ROOT / "tests").glob(f"*/test_{name}*.py"))
    docs = (ROOT / "tests" / "test_docstrings.py", "-k", f"not docstring or adapters.{name}")
    pytest(session, ROOT / "tests" / "contract", "--host", name, *named, *docs, exe=exe)
