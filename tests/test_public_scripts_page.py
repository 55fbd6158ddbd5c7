"""What docs/public_scripts.md says runs, on classes as public scripts have them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import public_scripts as public
import torch
from torch import nn
from torch.utils.data import DataLoader, default_collate
from torchvision.datasets import FakeData

PAGE = (Path(__file__).parents[1] / "docs" / "public_scripts.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)


def test_the_snippets_run_one_after_the_other() -> None:
    model = nn.Sequential()
    model.encoder = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(48, 8))
    model.avgpool = nn.Identity()
    images = [FakeData(2, (3, 40, 44))[i][0] for i in range(2)]
    names: dict[str, Any] = {
        "DataAugmentationDINO": public.DataAugmentationDINOv2,
        "DataLoader": DataLoader,
        "FakeData": FakeData,
        "TwoCropsTransform": public.TwoCropsTransform,
        "crop_settings": (3,),
        "embed_dim": 8,
        "augmentation": public.pipeline(public.GaussianBlur([0.1, 2.0])),
        "model": model,
        "default_collate": default_collate,
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "train_dataset": public.MultiCropDataset(images),
        "workers": 0,
        "your_loss": lambda one, other: (one - other).square().mean(),
    }
    assert len(SNIPPETS) == 3
    for snippet in SNIPPETS[:2]:
        exec(compile(snippet, "docs/public_scripts.md", "exec"), names)
    assert len(names["optimizer"].param_groups) == 1
    assert names["loss"].requires_grad
    assert [len(view) for view in names["inputs"]] == [2] * 5
    assert names["augself"].feature_dim is None, "no view of SwAV's passed yet"
    exec(compile(SNIPPETS[2], "docs/public_scripts.md", "exec"), names)
    samples = [names["data_transform"](image) for image in images]
    assert [len(samples[0][name]) for name in ("global_crops", "local_crops")] == [2, 3]
    packed = torch.stack([sample["records"] for sample in samples])
    records = [names["from_bits"](packed[:, v], names["recorder"].layout) for v in range(2)]
    assert names["augself"](list(torch.rand(4, 8).chunk(2)), records).total > 0


def test_every_object_of_its_table_is_tested() -> None:
    for name in (
        "TwoCropsTransform", "TrainTransform", "DataAugmentationDINO", "MultiCropDataset",
        "ContrastiveLearningViewGenerator",
    ):  # fmt: skip
        assert name in PAGE
        assert hasattr(public, name)
