"""What a device can do, and what is put back afterwards."""

from __future__ import annotations

import pytest
import torch
from accelerated.target import Skipped, Target, target_of
from machine import card

CPU = target_of("cpu", tiny=True, compiles=True)


def test_a_cpu_waits_for_nothing_and_counts_nothing() -> None:
    assert not CPU.is_cuda
    CPU.synchronize()
    for ask in (CPU.need_cuda, CPU.allocated, CPU.peak):
        with pytest.raises(Skipped, match="needs CUDA"):
            ask()
    assert card(CPU.device) == {"card": "none, cpu"}


def test_compilation_can_be_left_out() -> None:
    CPU.need_compiler()
    with pytest.raises(Skipped, match="--no-compile"):
        Target(CPU.device, compiles=False).need_compiler()


@pytest.mark.skipif(torch.cuda.is_available(), reason="has a CUDA device")
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="expected a CUDA device, found none"):
        target_of("cuda", tiny=False, compiles=True)
