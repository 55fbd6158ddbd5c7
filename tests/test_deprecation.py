"""Old names warn where a user wrote them, still work, and are gone when they said they would be."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import augself_loss
from augself_loss import AugSelfLoss
from augself_loss.deprecation import deprecated, removed_in

PACKAGE = Path(augself_loss.__file__).parent
FEATURES = list(torch.randn(2, 4, 8, generator=torch.Generator().manual_seed(0)))
RECORDS = [{"flip": torch.zeros(4, 1)}] * 2


def build() -> AugSelfLoss:
    return AugSelfLoss(8, {"crop": 2.0, "flip": 0.5}, hidden_dim=16)


def test_it_says_old_new_and_when() -> None:
    text = "^'old' is deprecated since 0.9 and will be removed in 0.10. Use 'new'.$"
    with pytest.warns(DeprecationWarning, match=text):
        deprecated("old", "'new'", since="0.9")


def test_it_names_the_users_line_through_pytorchs_frames() -> None:
    """Python shows a DeprecationWarning by default only where the user's own script caused it."""
    augself = AugSelfLoss(8, {"flip": 1.0}, hidden_dim=16)
    with pytest.warns(DeprecationWarning, match="records=") as caught:
        augself(FEATURES, features2=RECORDS)
    augself.register_forward_hook(lambda *_: None)  # another path through nn.Module's call
    with pytest.warns(DeprecationWarning, match="records=") as hooked:
        augself(FEATURES, features2=RECORDS)
    assert {warning.filename for warning in [*caught, *hooked]} == {__file__}


def test_what_walks_over_a_module_meets_no_old_name() -> None:
    """Code that initializes whatever has a ``weight`` must not take λ for one."""
    augself = build()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        augself.load_state_dict(augself.state_dict())
        assert not hasattr(augself, "weight")
        assert repr(augself)


def test_old_names_compile_without_a_break() -> None:
    augself = AugSelfLoss(8, {"flip": 1.0}, hidden_dim=16)
    compiled = torch.compile(augself, fullgraph=True, backend="eager")
    found = compiled(features1=FEATURES, features2=RECORDS).total
    assert found.allclose(augself(FEATURES, RECORDS).total)


def uses() -> Iterator[tuple[str, str]]:
    """Yield file and ``since`` of every old name that is still served."""
    for path in sorted([*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "adapters").rglob("*.py")]):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "deprecated":
                (since,) = (word.value for word in node.keywords if word.arg == "since")
                assert isinstance(since, ast.Constant), f"{path.name}: since is to be read at sight"
                yield path.name, str(since.value)


@pytest.mark.parametrize(("file", "since"), list(uses()))
def test_no_old_name_outlives_its_minor_version(file: str, since: str) -> None:
    """A release of the version named in the warning cannot be made before the name is gone."""
    now = tuple(map(int, augself_loss.__version__.split(".")[:2]))
    assert now < tuple(map(int, removed_in(since).split("."))), f"{file} serves a name too long"
