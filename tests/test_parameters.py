import pickle
from typing import Any

import pytest
import torch
from torch.utils.data import default_collate

from augself_loss import Field, RecordError, identity_record, pack, unpack
from augself_loss.parameters import side_by_side

LAYOUT = {
    "crop": Field(("top", "left", "height", "width"), (0.0, 0.0, 1.0, 1.0)),
    "flip": Field(("flip",), (0,)),
    "blur": Field(("sigma",), (0.0,), ((0.1, 2.0),)),
}


def test_identity_record() -> None:
    record = identity_record(LAYOUT, 3)
    assert list(record) == list(LAYOUT)
    for name, field in LAYOUT.items():
        assert record[name].tolist() == [list(field.identity)] * 3
        assert record[name].dtype == torch.float32
        assert record[name].is_contiguous()
    record["crop"][0] = 7.0  # rows share no memory
    assert record["crop"][1].tolist() == [0.0, 0.0, 1.0, 1.0]
    assert identity_record(LAYOUT, 0)["crop"].shape == (0, 4)
    assert identity_record(LAYOUT, 2, "meta")["crop"].is_meta


@pytest.mark.parametrize("shape", [(5,), (), (2, 3)])
def test_pack_and_unpack(shape: tuple[int, ...]) -> None:
    record = {name: torch.rand(*shape, field.width) for name, field in LAYOUT.items()}
    packed = pack({"more": torch.zeros(1), **record}, LAYOUT)
    assert packed.shape == (*shape, 6)
    assert packed[..., :4].equal(record["crop"])
    back = unpack(packed, LAYOUT)
    assert list(back) == list(LAYOUT)
    assert all(back[name].equal(entry) for name, entry in record.items())


def test_a_record_is_plain_data() -> None:
    record = identity_record(LAYOUT, 2)
    batch = default_collate([{name: entry[0] for name, entry in record.items()}] * 2)
    assert all(batch[name].equal(entry) for name, entry in record.items())
    assert pickle.loads(pickle.dumps(LAYOUT)) == LAYOUT


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"flip": torch.zeros(2)}, r"'flip' with shape \(..., 1\) for \('flip',\), found \(2,\)"),
        ({"flip": torch.tensor(0.0)}, r"found \(\)"),
        ({"flip": torch.zeros(2, 3)}, r"found \(2, 3\)"),
        ({"flip": torch.zeros(3, 1)}, r"one batch on the same device, found 'flip' \(3, 1\)"),
        ({"flip": torch.zeros(2, 1, device="meta")}, "same device, found 'flip' .* on meta"),
        ({"flip": [[0.0], [1.0]]}, "'flip' as a tensor, found list"),
    ],
)
def test_pack_refuses(change: dict[str, Any], expected: str) -> None:
    with pytest.raises(RecordError, match=expected):
        pack({**identity_record(LAYOUT, 2), **change}, LAYOUT)


@pytest.mark.parametrize(
    ("record", "layout", "expected"),
    [
        ({"blur": torch.zeros(2, 1)}, LAYOUT, r"the entry 'crop', found \['blur'\].*recorder"),
        ({}, {}, "at least one entry, found none"),
        ([torch.zeros(2, 1)], LAYOUT, "a record \\(a dict\\), found list"),
    ],
)
def test_pack_refuses_other_layouts(record: Any, layout: Any, expected: str) -> None:
    with pytest.raises(RecordError, match=expected):
        pack(record, layout)


@pytest.mark.parametrize(
    ("packed", "found"),
    [(torch.zeros(2, 5), r"\(2, 5\)"), (torch.tensor(1.0), r"\(\)"), ([0.0] * 6, "list")],
)
def test_unpack_refuses(packed: Any, found: str) -> None:
    expected = rf"\(..., 6\) for the entries .*crop.*found {found}.*packed with"
    with pytest.raises(RecordError, match=expected):
        unpack(packed, LAYOUT)


@pytest.mark.parametrize("batch_size", [-1, 2.0, "2", None, True])
def test_identity_record_refuses_a_size_that_is_none(batch_size: Any) -> None:
    with pytest.raises(RecordError, match="batch_size expected an integer >= 0, found"):
        identity_record(LAYOUT, batch_size)


def test_identity_record_refuses_half_an_identity() -> None:
    with pytest.raises(RecordError, match=r"identity value for each of .*found \(0.0,\)"):
        identity_record({"crop": Field(("top", "left"), (0.0,))}, 2)


def lies(packed: torch.Tensor, *names: str) -> torch.Tensor | None:
    record = unpack(packed, LAYOUT)
    return side_by_side([record[name] for name in names or record])


@pytest.mark.parametrize("shape", [(5,), (1,), (), (0,), (2, 3)])
def test_a_record_lies_in_the_tensor_that_it_was_read_from(shape: tuple[int, ...]) -> None:
    packed = torch.rand(*shape, 6)
    found = lies(packed)
    assert found is not None
    assert found.equal(packed)
    assert found.data_ptr() == packed.data_ptr()
    part = lies(packed, "flip", "blur")
    assert part is not None
    assert part.equal(packed[..., 4:])


def test_one_of_several_views_records_lies_among_them() -> None:
    bits = torch.rand(4, 3, 7).view(torch.int32)
    for number, row in enumerate(bits[..., :-1].view(torch.float32).unbind(1)):
        found = lies(row)
        assert found is not None
        assert found.view(torch.int32).equal(bits[:, number, :-1])


def test_entries_that_lie_elsewhere_are_not_taken_for_neighbours() -> None:
    packed = torch.rand(4, 6)
    assert lies(packed, "blur", "flip") is None, "in another order"
    assert lies(packed, "crop", "blur") is None, "with a gap"
    assert lies(packed.t().contiguous().t()) is None, "column by column"
    assert lies(packed.requires_grad_()) is None, "with a gradient"
    rows = torch.rand(8, 6)
    one, two = unpack(rows[:4], LAYOUT), unpack(rows[4:], LAYOUT)
    assert side_by_side([one["crop"], two["flip"]]) is None, "of other rows"
    assert side_by_side([one["crop"], two["flip"][:3]]) is None, "of fewer rows"
    assert side_by_side([one["crop"], one["flip"].clone()]) is None
    assert side_by_side([one["crop"].clone(), one["flip"]]) is None
    entries: Any = [one["crop"], [0.0]]
    assert side_by_side(entries) is None
    assert side_by_side(entries[::-1]) is None
    with torch.inference_mode():
        assert lies(torch.rand(4, 6)) is None, "where views do not tell whose they are"
