"""Packing, splitting and multi-view recorders on anything: exact, or refused by name."""

from __future__ import annotations

from typing import Any

import torch
from garbage import anything, hostile_tensors, layouts, refused
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from augself_loss import Field, Record, identity_record, pack, unpack
from augself_loss.encoders import default_encoders
from augself_loss.recording.multiview import MultiViewRecorder, is_packed, split_views

LAYOUT = {n: f for e in default_encoders().values() for n, f in e.fields.items()}
names = st.lists(st.sampled_from(sorted(LAYOUT)), min_size=1, max_size=5, unique=True)
shapes = st.lists(st.integers(0, 3), max_size=3)


@given(names=names, shape=shapes, seed=st.integers(0, 99))
@settings(max_examples=100)
def test_packing_is_exact(names: list[str], shape: list[int], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    layout = {name: LAYOUT[name] for name in names}
    record = {n: torch.randn(*shape, f.width, generator=generator) for n, f in layout.items()}
    back = unpack(pack(record, layout), layout)
    assert list(back) == names
    assert all(torch.equal(back[name], record[name]) for name in names)


@given(record=anything, layout=st.one_of(layouts, anything), size=st.integers(0, 3))
@settings(max_examples=200)
def test_packing_anything(record: Any, layout: Any, size: int) -> None:
    packed = refused(lambda: pack(record, layout))
    if packed is not None:
        assert packed.shape[-1] == sum(field.width for field in layout.values())
        assert packed.is_floating_point()
    unpacked = refused(lambda: unpack(record, layout))
    assert unpacked is None or list(unpacked) == list(layout)
    made = refused(lambda: identity_record(layout, size))
    assert made is None or all(e.shape == (size, layout[n].width) for n, e in made.items())


@given(data=st.data())
@settings(max_examples=100)
def test_packing_hostile_tensors(data: st.DataObject) -> None:
    layout = {"crop": LAYOUT["crop"], "flip": LAYOUT["flip"]}
    record = {"crop": data.draw(hostile_tensors(4)), "flip": data.draw(hostile_tensors(1))}
    packed = refused(lambda: pack(record, layout))
    if packed is not None:
        assert packed.shape == (*record["crop"].shape[:-1], 5)
        assert record["flip"].shape[:-1] == record["crop"].shape[:-1]
        assert packed.is_floating_point()


packings = st.builds(
    lambda shape, how: torch.zeros(shape, dtype=torch.int32 if how else torch.float32),
    st.lists(st.sampled_from([0, 1, 2, 3, 5]), max_size=4),
    st.sampled_from([True, True, False]),
)


@given(
    views=st.one_of(anything, st.lists(packings | hostile_tensors(5), max_size=4), packings),
    layout=st.one_of(st.just({"crop": LAYOUT["crop"], "flip": LAYOUT["flip"]}), anything),
)
@settings(max_examples=200)
def test_splitting_anything(views: Any, layout: Any) -> None:
    assert is_packed(views) in (True, False)
    split = refused(lambda: split_views(views, layout))
    if split is not None:
        rest, records = split
        assert len(rest) == len(records) == len(views) - 1
        for record in records:
            assert all(e.shape == (len(views[-1]), layout[n].width) for n, e in record.items())
            assert all(e.dtype == torch.float32 for e in record.values())


class Own:
    """A recorder of somebody else's."""

    encoders = ()

    def __init__(self, layout: dict[str, Field], record: Record) -> None:
        self.layout, self.record = layout, record

    def __call__(self, image: Any, /) -> tuple[Any, Record]:
        return image, self.record


@given(recorders=st.one_of(anything, st.lists(anything, max_size=3)), views=anything)
@settings(max_examples=100)
def test_many_views_by_anything(recorders: Any, views: Any) -> None:
    refused(lambda: MultiViewRecorder(recorders))
    if not (isinstance(views, int) and abs(views) > 10):
        own = Own({"flip": LAYOUT["flip"]}, {"flip": torch.ones(2, 1)})
        made = refused(lambda: MultiViewRecorder(own, views))
        assert made is None or len(made(0)) == (2 if views is None else views) + 1


@given(data=st.data())
@settings(max_examples=100)
def test_many_views_with_any_record(data: st.DataObject) -> None:
    layout = {"crop": LAYOUT["crop"], "flip": LAYOUT["flip"]}
    good = identity_record(layout, 3)
    spoiled: dict[str, Tensor] = {**good, "crop": data.draw(hostile_tensors(4))}
    recorder = MultiViewRecorder([Own(layout, good), Own(layout, spoiled)])  # type: ignore[list-item]
    made = refused(lambda: recorder(torch.zeros(3, 1)))
    if made is not None:
        assert made[-1].shape == (3, 2, 6)
        _, records = split_views(made, recorder.layout)
        assert (
            records[1]["crop"].is_meta
            or torch.equal(records[1]["crop"], spoiled["crop"].float())
            or spoiled["crop"].isnan().any()
        )
