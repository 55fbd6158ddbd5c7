"""What importing the library loads, and that its modules import downward only."""

import ast
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import augself_loss

ROOT = Path(augself_loss.__file__).parent
OPTIONAL = {
    "kornia", "torchvision", "albumentations", "lightly", "lightning", "matplotlib", "sklearn"
}  # fmt: skip
"""What ``import augself_loss`` must not load; torch itself loads NumPy where it is installed."""

LAYERS: list[tuple[str, ...]] = [
    ("errors", "deprecation", "versions", "output", "draws", "autocast"),
    ("parameters", "arguments"),
    ("encoders.step",),
    ("encoders.in_place", "encoders.maps"),
    ("encoders.base",),
    ("encoders.regression", "encoders.binary"),
    ("encoders.*",),
    ("encoders",),
    ("records",),
    ("geometry.pixels", "geometry.polygons"),
    ("geometry.placing",),
    ("geometry.mapping", "geometry.sampling", "geometry.overlapping"),
    ("geometry",),
    ("functional",),
    ("untouched", "silence", "lambdas", "trained_with", "eager", "constant_types"),
    ("first_layer", "grouped"),
    ("head",),
    ("heads", "optimizers"),
    ("checks", "views"),
    ("pooling",),
    ("places",),
    ("depths",),
    ("learned_width",),
    ("loss",),
    ("keywords", "heads_watch", "term_watch"),
    ("wrapper", "balance"),
    ("share",),
    ("objectives.given", "objectives.answers"),
    ("objectives.base", "objectives.parts", "objectives.condition", "objectives.generated"),
    ("objectives.alike",),
    ("objectives.cassle", "objectives.care", "objectives.equimod"),
    ("objectives.essl", "objectives.stl"),
    ("objectives.together",),
    ("objectives",),
]
"""A module imports from its own row and those above it."""


def modules() -> dict[str, Path]:
    """List every module of the package by its dotted name; the package itself is left out."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    found.pop("")
    return found


def imports(path: Path) -> set[str]:
    """List the package's modules that a file imports anywhere in it, as they are written."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports relatively"
            if node.module == "augself_loss":
                found |= {alias.name for alias in node.names} - {"__version__"}
            elif (node.module or "").startswith("augself_loss."):
                found.add((node.module or "").removeprefix("augself_loss."))
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names)
            found |= {n.removeprefix("augself_loss.") for n in names if n.startswith("augself_")}
    return found


def libraries(path: Path) -> set[str]:
    """List the libraries that a file imports anywhere in it, beside Python's and this one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
    return found - sys.stdlib_module_names - {"augself_loss"}


MODULES = modules()
GRAPH = {name: imports(path) for name, path in MODULES.items()}


def layer(name: str) -> int:
    """Say in which row a module stands."""
    for number, row in enumerate(LAYERS):
        if name in row:
            return number
    return LAYERS.index(("encoders.*",)) if name.startswith("encoders.") else len(LAYERS)


def test_every_core_module_has_its_row() -> None:
    rows = {name for row in LAYERS for name in row} - {"encoders.*"}
    assert rows <= set(MODULES)
    upper = ("recording", "hosting", "taps", "diagnostics", "plots", "adapters", "__main__")
    above = {name for name in MODULES if layer(name) == len(LAYERS)}
    assert all(name.split(".")[0] in upper for name in above)


@pytest.mark.parametrize("name", MODULES)
def test_imports_go_downward(name: str) -> None:
    for imported in GRAPH[name]:
        assert imported in MODULES, f"{name} imports {imported}, which is no module"
        assert layer(imported) <= layer(name), f"{name} imports {imported} from above"


def test_no_module_imports_itself_by_a_detour() -> None:
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, f"import cycle: {' → '.join((*trail, name))}"
        if name not in done:
            for imported in GRAPH[name]:
                visit(imported, (*trail, name))
            done.add(name)

    for name in MODULES:
        visit(name, ())
    assert done == set(MODULES)


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("recording")])
def test_recording_knows_records_and_encoders_only(name: str) -> None:
    known = ("autocast", "errors", "parameters", "encoders", "geometry", "recording")
    assert all(imported.split(".")[0] in known for imported in GRAPH[name])


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("hosting")])
def test_hosting_knows_torch_and_the_core_only(name: str) -> None:
    """And, of recording, how records travel; a file names no library beside torch anywhere."""
    for imported in GRAPH[name]:
        in_core = layer(imported) < len(LAYERS)
        assert in_core or imported.startswith("hosting.") or imported == "recording.multiview"
    assert libraries(MODULES[name]) <= {"torch"}


def test_importing_loads_no_host(try_import: Callable[..., Any]) -> None:
    error, loaded = try_import("augself_loss")
    assert not error
    assert "augself_loss.loss" in loaded
    assert not OPTIONAL & set(loaded)
    assert not any(name.startswith("augself_loss.recording") for name in loaded)


NEEDS: dict[str, set[str]] = {
    "plots": {"matplotlib"},
    "diagnostics": {"sklearn"},
    "recording.torchvision": {"torchvision"},
    "recording.kornia": set(),
    "recording.multiview": set(),
    "recording.one_by_one": set(),
    "taps": set(),
}


@pytest.mark.parametrize(("module", "needs"), NEEDS.items())
@pytest.mark.slow
def test_an_extra_brings_what_its_module_needs(
    try_import: Callable[..., Any], module: str, needs: set[str]
) -> None:
    others = OPTIONAL - needs - {"kornia"}  # which the library brings itself
    assert not try_import(f"augself_loss.{module}", without=others).error


def test_a_missing_package_is_named_with_its_extra(try_import: Callable[..., Any]) -> None:
    module = "augself_loss.recording.albumentations"
    error = try_import(module, without={"albumentations"}).error
    assert (
        f"{module} needs albumentations; run `pip install 'augself-loss[albumentations]'`" in error
    )


def test_every_public_name_is_there() -> None:
    assert augself_loss.__all__ == sorted(augself_loss.__all__)
    assert all(hasattr(augself_loss, name) for name in augself_loss.__all__)
