"""What the fused form asks of a device: one copy to it, no read of it, few launches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.kornia.fused.block import moved
from augself_loss.recording.kornia.fused.choose import form_of
from augself_loss.recording.kornia.fused.operation import Drawn, Form, Prepared
from augself_loss.recording.kornia.params import ONLY_APPLIED_ROWS

pytestmark = pytest.mark.skipif(ONLY_APPLIED_ROWS, reason="Kornia before 0.9 is not fused")

Images: TypeAlias = Callable[..., Tensor]


def simclr(size: int) -> nn.Module:
    return K.AugmentationSequential(
        K.RandomResizedCrop((size, size), scale=(0.2, 1.0)),
        K.RandomHorizontalFlip(),
        K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
        K.RandomGrayscale(p=0.2),
        K.RandomGaussianBlur((5, 5), (0.1, 2.0), p=0.5),
        K.RandomSolarize(0.1, 0.0, p=0.2),
        K.Normalize((0.4, 0.5, 0.6), (0.2, 0.3, 0.4)),
    )


class Asked(TorchDispatchMode):
    """Counts operations on the meta device, and copies to it."""

    def __init__(self) -> None:
        super().__init__()
        self.launches: Counter[str] = Counter()
        self.copies = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        given = [t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)]
        made = [t for t in tree_leaves(out) if isinstance(t, Tensor)]
        there = any(t.is_meta for t in (*given, *made))
        aliases = [value.alias_info for value in func._schema.returns]
        viewed = any(alias is not None and not alias.is_write for alias in aliases)
        if there and not viewed and "empty" not in func.name():
            self.launches[func.name()] += 1
            self.copies += any(t.device.type == "cpu" and t.numel() > 1 for t in given)
        return out


def test_one_copy_and_no_read_whatever_is_drawn() -> None:
    recorder = KorniaRecorder(simclr(24), apply="fused")
    images = torch.empty(64, 3, 32, 32, device="meta")  # a read of it raises
    for seed in range(5):
        torch.manual_seed(seed)
        with Asked() as asked:
            views, record = recorder(images)
        assert views.is_meta
        assert all(entry.is_meta for entry in record.values())
        assert asked.copies == 1
        assert asked.launches.total() <= 85


def test_a_pipeline_that_draws_on_the_device_is_not_read_either() -> None:
    """Moved there, Kornia draws gates and strengths on it, a crop's box on the host.

    Not in a container of Kornia's, which reads a crop's gate.
    """
    pipeline = nn.Sequential(*simclr(24).children())
    recorder = KorniaRecorder(pipeline, apply="fused")
    for module in pipeline.children():
        draw = module.forward_parameters

        def moved_there(shape: Any, draw: Any = draw) -> dict[str, Any]:
            return {
                name: value if name in {"src", "dst", "order", "forward_input_shape"}
                else value.to("meta") for name, value in draw(shape).items()
            }  # fmt: skip

        object.__setattr__(module, "forward_parameters", moved_there)
    views, record = recorder(torch.empty(8, 3, 32, 32, device="meta"))
    assert views.shape == (8, 3, 24, 24)
    assert all(entry.is_meta for entry in record.values())


def test_launches_do_not_grow_with_the_batch() -> None:
    counts = set()
    for batch in (32, 256):
        recorder = KorniaRecorder(simclr(24), apply="fused")
        torch.manual_seed(0)
        with Asked() as asked:
            recorder(torch.empty(batch, 3, 32, 32, device="meta"))
        counts.add(asked.launches.total())
    assert len(counts) == 1


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize("size", [(20, 26), (60, 50)])
def test_an_accelerators_way_to_crop_agrees(
    size: tuple[int, int], aligned: bool, smooth: Images
) -> None:
    """By index, as no CPU does it unless it compiles."""
    crop = K.RandomResizedCrop(size, (0.05, 1.0), align_corners=aligned)
    flips = [K.RandomVerticalFlip(), K.RandomHorizontalFlip()]
    images = smooth(16, 41, 57)
    form = form_of(crop)
    assert form is not None
    for seed in range(4):
        torch.manual_seed(seed)
        group = [Drawn(crop, crop.forward_parameters(images.shape))]
        group += [Drawn(flip, flip.forward_parameters((16, 3, *size))) for flip in flips]
        expected = images
        for module, params in group:
            expected = module(expected, params=params)
        elsewhere = Form(images.shape, torch.device("meta"))
        found = form.apply(images, form.prepare(group, elsewhere))
        assert (found - expected).abs().max() < 1e-5


@pytest.mark.parametrize(
    "module",
    [
        K.RandomHorizontalFlip(p=0.5), K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.5),
        K.RandomGrayscale(p=0.5), K.RandomGaussianBlur(5, (0.1, 2.0), p=0.5),
        K.RandomSolarize(0.3, 0.2, p=0.5),
    ],
)  # fmt: skip
def test_rows_that_only_the_device_knows(module: Any, smooth: Images) -> None:
    """A pipeline that was moved draws its gate there: all rows are made, and selected."""
    images = smooth(8, 24, 24)
    params = module.forward_parameters(images.shape)
    form = form_of(module)
    assert form is not None
    by_rows = form.prepare([Drawn(module, params)], Form.of(images))
    gate = params["batch_prob"] > 0.5
    everything = module.forward_parameters(images.shape)
    all_rows = form.prepare(
        [Drawn(module, {**everything, **params, "batch_prob": torch.ones(8)})], Form.of(images)
    )
    by_gate = Prepared(all_rows.columns, gate=gate, known=all_rows.known)
    one = form.apply(images.clone(), by_rows)
    two = form.apply(images.clone(), by_gate)
    assert (one - two).abs().max() < 1e-6


def test_tensors_of_all_kinds_travel_together() -> None:
    tensors = [
        torch.tensor([True, False, True]),
        torch.arange(5),
        torch.rand(2, 3, dtype=torch.float64).T,
        torch.rand(7),
        torch.empty(0),
        torch.rand(2, device="meta"),
    ]
    assert all(a is b for a, b in zip(moved(tensors, torch.device("cpu")), tensors, strict=True))
    with Asked() as asked:
        copies = moved(tensors, torch.device("meta"))
    assert asked.copies == 1
    for copy, tensor in zip(copies, tensors, strict=True):
        assert copy.is_meta
        assert copy.shape == tensor.shape
        assert copy.dtype == tensor.dtype
    assert copies[-1] is tensors[-1]
