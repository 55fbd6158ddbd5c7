"""Any torchvision pipeline on any image: the pipeline's own view, with a record that fits it."""

from __future__ import annotations

import random
import warnings
from typing import Any

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss import AugSelfError
from augself_loss.parameters import Record
from augself_loss.recording.collate import SettleAtCollate, collate_late
from augself_loss.recording.journal import Journal
from augself_loss.recording.multiview import MultiViewRecorder, from_bits
from augself_loss.recording.torchvision import TorchvisionRecorder

sizes = st.integers(1, 12)
probabilities = st.sampled_from([0.0, 0.5, 1.0])
strengths = st.sampled_from([0, 0.3, 1.0, (0.5, 1.5), (1.2, 1.4)])


def leaves(api: Any) -> st.SearchStrategy[Any]:
    """Build a transform with arguments of any kind that it may be given."""
    p = probabilities
    hues = st.sampled_from([0, 0.1, 0.5, (-0.2, 0.3)])
    return st.one_of(
        st.builds(api.RandomHorizontalFlip, p), st.builds(api.RandomVerticalFlip, p),
        st.builds(api.RandomGrayscale, p), st.builds(api.RandomInvert, p),
        st.builds(api.RandomAutocontrast, p), st.builds(api.RandomEqualize, p),
        st.builds(api.RandomPosterize, st.integers(0, 8), p),
        st.builds(api.RandomSolarize, st.sampled_from([0, 0.5, 1.0, 128, 256, 300]), p),
        st.builds(api.RandomAdjustSharpness, st.sampled_from([0, 0.5, 1.0, 2.0]), p),
        st.builds(api.ColorJitter, strengths, strengths, strengths, hues),
        st.builds(api.GaussianBlur, st.sampled_from([1, 3, (5, 3)]),
                  st.sampled_from([0.5, (0.1, 2.0), (1.0, 1.0)])),
        st.builds(api.RandomResizedCrop, sizes, st.sampled_from([(0.08, 1.0), (1.0, 1.0), (2, 3)])),
        st.builds(api.RandomCrop, sizes, st.sampled_from([None, 2, (1, 3), (0, 1, 2, 3)]),
                  st.booleans()),
        st.builds(api.CenterCrop, st.one_of(sizes, st.tuples(sizes, sizes))),
        st.builds(api.Pad, st.sampled_from([0, 2, (1, 3), (0, 1, 2, 3)])),
        st.builds(api.Resize, st.tuples(sizes, sizes)),
        st.builds(api.RandomRotation, st.sampled_from([30, (90, 90), (-180, 180), (0, 0)])),
        st.builds(api.RandomAffine, st.sampled_from([0, 20, (-5, 40)]),
                  st.sampled_from([None, (0.1, 0.2)]), st.sampled_from([None, (0.5, 2.0)]),
                  st.sampled_from([None, 10, (-5, 5, -3, 3)])),
        st.builds(api.RandomPerspective, st.sampled_from([0.0, 0.5, 1.0]), p),
        st.builds(api.RandomErasing, p, st.sampled_from([(0.02, 0.33), (1.0, 1.0)])),
    )  # fmt: skip


def pipelines(api: Any) -> st.SearchStrategy[Any]:
    """Nest them."""
    return st.recursive(
        leaves(api),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=4).map(api.Compose),
            st.builds(api.RandomApply, st.lists(inner, min_size=1, max_size=2), probabilities),
            st.lists(inner, min_size=1, max_size=3).map(api.RandomChoice),
            st.lists(inner, min_size=1, max_size=3).map(api.RandomOrder),
        ),
        max_leaves=5,
    )


@st.composite
def images(draw: st.DrawFn) -> Any:
    """Images of any kind, down to one pixel."""
    height, width = draw(sizes), draw(sizes)
    channels = draw(st.integers(1, 4))
    pixels = np.random.RandomState(draw(st.integers(0, 99))).randint(
        0, 256, (channels, height, width)
    )
    kind = draw(st.sampled_from(
        ["RGB", "RGB", "L", "RGBA", "P", "1", "I;16", "CMYK", "uint8", "float", "float64", "half",
         "int64", "bool", "wrong"]
    ))  # fmt: skip
    tensor = torch.from_numpy(pixels)
    if kind == "uint8":
        return tensor.byte()
    if kind in ("float", "float64", "half"):
        dtype = {"float": torch.float32, "float64": torch.float64, "half": torch.float16}[kind]
        return (tensor / 255).to(dtype)
    if kind in ("int64", "bool"):
        return tensor if kind == "int64" else tensor > 127
    if kind == "wrong":
        return draw(st.sampled_from([None, 3, "image", pixels, tensor[0].byte(), torch.zeros(0)]))
    if kind == "I;16":
        return Image.fromarray(pixels[0].astype(np.uint16))
    return Image.fromarray(pixels[[0] * 3].transpose(1, 2, 0).astype(np.uint8)).convert(kind)


def outcome(run: Any, image: Any, seed: int) -> tuple[Any, Exception | None]:
    """Run under a seed of all sources of randomness; the result, or the error."""
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the pipeline's own
        try:
            return run(image), None
        except Exception as error:  # compared with the plain pipeline's
            return None, error


def alike(one: Any, two: Any) -> bool:
    if isinstance(one, Tensor):
        return type(one) is type(two) and one.dtype == two.dtype and torch.equal(one, two)
    if not isinstance(one, Image.Image):
        return one is two  # v2 passes on what is no image
    return bool(one.mode == two.mode and one.size == two.size and one.tobytes() == two.tobytes())


def check(transform: Any, image: Any, seed: int) -> None:
    try:
        recorder = TorchvisionRecorder(transform)
    except AugSelfError:
        return
    expected, plain_error = outcome(transform, image, seed)
    plain_state = torch.get_rng_state(), random.getstate()
    result, error = outcome(recorder, image, seed)
    if isinstance(error, AugSelfError):
        return
    assert type(error) is type(plain_error), (error, plain_error)
    if error is not None:
        return
    view, record = result
    assert alike(view, expected)
    assert torch.equal(plain_state[0], torch.get_rng_state())
    assert plain_state[1] == random.getstate()
    assert list(record) == list(recorder.layout)
    check_rows(recorder, record, image, seed)
    batch = {}
    for name, entry in record.items():
        assert entry.shape == (recorder.layout[name].width,)
        assert entry.dtype == torch.float32
        assert entry.isfinite().all()
        batch[name] = entry[None]
    for encoder in recorder.encoders:
        encoder.check(batch)  # in the ranges that the encoder states
        target = encoder.difference(batch, batch)
        assert target.isfinite().all()


def check_rows(recorder: TorchvisionRecorder, record: Record, image: Any, seed: int) -> None:
    """Settle by the journal what was written as rows; make the record late, and packed."""
    (_, notes), _ = outcome(recorder.noted, image, seed)
    journal = Journal(recorder.layout, recorder._catalogue)
    for scribe, drawn, given_image in notes:
        journal.add(*scribe.told(drawn, given_image))
    for name, columns in journal.settle().items():
        assert record[name].equal(torch.tensor([float(value) for value in columns]))
    (_, late), _ = outcome(SettleAtCollate(recorder), image, seed)
    assert all(entry[0].equal(record[name]) for name, entry in collate_late([late]).items())
    if record:
        several = MultiViewRecorder([recorder, TorchvisionRecorder(v2.RandomInvert())])
        row = outcome(several, image, seed)[0]
        if row is not None:  # the second view refuses more images
            first = from_bits(row[-1][0], several.layout)
            assert all(first[name].equal(entry) for name, entry in record.items())


@given(transform=pipelines(v2), image=images(), seed=st.integers(0, 99))
@settings(max_examples=150)
def test_any_v2_pipeline(transform: Any, image: Any, seed: int) -> None:
    check(transform, image, seed)


@given(transform=pipelines(v1), image=images(), seed=st.integers(0, 99))
@settings(max_examples=150)
def test_any_v1_pipeline(transform: Any, image: Any, seed: int) -> None:
    check(transform, image, seed)
