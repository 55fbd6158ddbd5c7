"""Whether every feature that reaches the term is that of its own view, computed again from it.

Run as ``python mmpretrain_pairing.py METHOD …`` in several processes; see :func:`processes.start`.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import torch
from mmengine.dataset import default_collate
from mmengine.logging import MessageHub
from mmpretrain_configs import (
    BATCH,
    MODELS,
    PREPROCESSOR,
    SIZE,
    TRANSFORMS,
    algorithm,
    pipeline,
    quiet,
    view,
    with_term,
)
from PIL import Image
from processes import leave
from torch import Tensor

from augself_loss.parameters import Record

ALL = {"crop": 1.0, "color": 1.0, "flip": 0.5}


def picture(index: int) -> dict[str, Any]:
    noise = np.random.RandomState(index).randint(0, 256, (6, 8, 3), dtype=np.uint8)
    image = np.asarray(Image.fromarray(noise).resize((48, 40), Image.Resampling.BICUBIC))
    return {"img": image, "img_shape": image.shape[:2], "sample_idx": index}


def multi_crop() -> list[dict[str, Any]]:
    """Two views of one size and four of half of it, as SwAV's file has them."""
    local = [{**step} for step in view()]
    local[0]["scale"] = SIZE // 2
    steps = pipeline([view(), local], recorded=True)
    steps[1]["num_views"] = [2, 4]
    return steps


def batch(steps: list[dict[str, Any]], first: int = 0, count: int = BATCH) -> dict[str, Any]:
    """Load pictures as a data set and its collate would, without the file."""
    built = [TRANSFORMS.build(step) for step in steps[1:]]
    samples = []
    for index in range(first, first + count):
        results = picture(index)
        for step in built:
            results = step(results)
        samples.append(results)
    collated: dict[str, Any] = default_collate(samples)
    return collated


def build(method: str, steps: Any = None, **term: Any) -> tuple[Any, list[dict[str, Any]]]:
    """Build a method's model with the term, and the pipeline of its config."""
    MessageHub.get_instance("pairing").update_info("max_iters", 10)
    if steps is None:
        steps = multi_crop() if method == "SwAV" else pipeline([view(), view()], recorded=True)
    config = with_term(algorithm(method), ALL, pipeline=steps, **term)
    config["data_preprocessor"] = {"type": "SelfSupDataPreprocessor", **PREPROCESSOR}
    return MODELS.build(config), steps


def step(model: Any, data: dict[str, Any]) -> tuple[dict[str, Any], list[Tensor], list[Record]]:
    """Compute the losses once; return them, and what reached the term."""
    reached: list[Any] = []
    hook = model.augself.register_forward_pre_hook(lambda _, args: reached.append(args))
    losses = model(**model.data_preprocessor(data, True), mode="loss")
    hook.remove()
    ((features, records),) = reached
    return losses, features, records


def check(method: str, first: int = 0) -> None:
    """Assert that features and records are those of the views, in order."""
    model, steps = build(method)
    model.train()
    for module in model.modules():  # what a sample gives must not depend on its batch
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
    data = batch(steps, first)
    views = model.data_preprocessor(data, True)["inputs"]
    _, features, records = step(model, data)
    assert len(features) == len(records) == 2
    packed = torch.stack([torch.from_numpy(s.aug_params.copy()) for s in data["data_samples"]])
    for number, (found, record) in enumerate(zip(features, records, strict=True)):
        momentum = number == 1 and hasattr(model, "encoder_k")
        backbone = model.encoder_k.module[0] if momentum else model.backbone
        with torch.no_grad():
            expected = backbone(views[number])[-1].mean((2, 3))
        error = (found.mean((2, 3)) - expected).abs().max()
        samples = torch.pdist(expected, p=float("inf"))
        assert 50 * error < samples.min(), (method, number, error, samples)
        assert found.requires_grad != momentum
        recorded = packed[:, number, : record["crop"].shape[1]].contiguous().view(torch.float32)
        assert torch.equal(record["crop"], recorded)


def main(*methods: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    for method in methods:
        for turn in range(3):  # a shuffle may happen to leave a batch where it was
            torch.manual_seed(turn)
            np.random.seed(10 * turn + rank)
            check(method, first=100 * rank)
    leave()


if __name__ == "__main__":
    with quiet():
        main(*sys.argv[1:])
