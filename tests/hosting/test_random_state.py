"""Random states of a process: what was gathered and restored draws the same again."""

from __future__ import annotations

import io
import random
import sys

import numpy as np
import pytest
import torch

from augself_loss.hosting.random_state import gathered, restore


def drawn() -> tuple[float, float, float]:
    return random.random(), float(np.random.rand()), float(torch.rand(()))


def test_the_same_is_drawn_again() -> None:
    np.random.standard_normal()  # the second of two that NumPy draws together waits in its state
    saved = io.BytesIO()
    torch.save(gathered(), saved)
    expected = drawn()
    saved.seek(0)
    (state,) = torch.load(saved, weights_only=True)
    restore(state)
    assert drawn() == expected


def test_without_numpy_the_others_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = gathered()
    monkeypatch.delitem(sys.modules, "numpy")
    (state,) = gathered()
    assert "numpy" not in state
    first = random.random()
    restore(whole)
    assert random.random() == first
