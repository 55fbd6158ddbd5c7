"""Lightly's transforms in small, a picture to give them, and one seed for all they draw from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import lightly.transforms
import pytest
import torch
from pictures import seed as seed_all
from torch import Tensor
from torchvision.transforms import functional as f1

from augself_loss import Record
from augself_loss.recording.multiview import MultiViewRecorder, split_views

SIZE = 24
NOISE = torch.randint(0, 256, (3, SIZE, SIZE), generator=torch.Generator().manual_seed(0)).byte()
PICTURE = f1.to_pil_image(NOISE)


def make(name: str, **options: Any) -> Any:
    """Build one of Lightly's transforms, in small."""
    kind = getattr(lightly.transforms, f"{name}Transform", None)
    if kind is None:
        pytest.skip(f"this version of lightly has no {name}Transform")
    if name in ("BYOL", "TiCo", "FDA"):
        kinds = (getattr(lightly.transforms, f"{name}View{i}Transform") for i in (1, 2))
        return kind(*(view(input_size=SIZE, **options) for view in kinds))
    return kind(**{**SMALL.get(name, {"input_size": SIZE}), **options})


CROPS = {"global_crop_size": SIZE, "local_crop_size": 12, "n_local_views": 3}
SMALL: Mapping[str, dict[str, Any]] = {
    "SwaV": {"crop_sizes": (SIZE, 12), "crop_counts": (2, 3)},
    "DINO": CROPS,
    "IBOT": CROPS,
    "VICRegL": CROPS,
    "FastSiam": {"num_views": 3, "input_size": SIZE},
    "MMCR": {"k": 3, "input_size": SIZE},
    "WMSE": {"num_samples": 3, "input_size": SIZE},
    "MSN": {"random_size": SIZE, "focal_size": 12, "focal_views": 3},
    "SMoG": {"crop_sizes": (SIZE, 12), "crop_counts": (2, 2)},
}


def seeded(seed: int, run: Callable[[Any], Any], image: Any = PICTURE) -> Any:
    """Call ``run(image)`` under one seed of all three generators."""
    seed_all(seed)
    return run(image)


def records(recorder: MultiViewRecorder, packed: Tensor) -> list[Record]:
    """Read one sample's records as those of a batch of one."""
    count = packed.shape[0]
    return split_views([*[torch.empty(1)] * count, packed.unsqueeze(0)], recorder.layout)[1]


def entry(record: Record, name: str) -> float:
    """Read a number of one sample's record; NaN where it has none."""
    return float(record[name]) if name in record else float("nan")
