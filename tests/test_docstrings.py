"""Every example in a docstring runs and shows what it says."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest
import torch

import augself_loss
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

OPTIONAL = ("augself_loss.adapters.", "augself_loss.recording.albumentations")
"""What needs a package that this environment may lack."""
NEWEST = ("augself_loss.recording.kornia.recorder",)
MODULES = sorted(m.name for m in pkgutil.walk_packages(augself_loss.__path__, "augself_loss."))


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        if not name.startswith(OPTIONAL):
            raise
        pytest.skip(str(error))  # it runs in its framework's own session of nox
    if name in NEWEST and ONLY_APPLIED_ROWS:
        pytest.skip("shows what Kornia 0.9 does")
    torch.manual_seed(0)
    assert doctest.testmod(module, extraglobs={"torch": torch}).failed == 0
