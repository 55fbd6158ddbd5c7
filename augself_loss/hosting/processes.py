"""How many processes a run has, and which one this is."""

from __future__ import annotations

import torch.distributed as dist


def process_count() -> int:
    """Count the run's processes."""
    return dist.get_world_size() if _several() else 1


def is_first_process() -> bool:
    """Whether this process speaks for all, e.g. in logs."""
    return not _several() or dist.get_rank() == 0


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
