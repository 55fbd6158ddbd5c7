"""What geometry takes, computes with and refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from asked import asked
from torch import Tensor

from augself_loss import BinaryEncoder, RegressionEncoder
from augself_loss.encoders import BUILT_IN, default_encoders
from augself_loss.encoders.base import Motion
from augself_loss.encoders.maps import Canvas, as_matrix
from augself_loss.errors import RecordError
from augself_loss.geometry import Pixels, between, grid, matrix, overlap
from augself_loss.parameters import Record, identity_record

Make = Callable[..., Record]
GEOMETRIC = [kind() for kind in BUILT_IN if kind.moves]
ALL = ("flip", "vertical_flip", "angle", "affine", "perspective")
LIBRARIES = pytest.mark.parametrize("library", ["kornia", "torchvision", "albumentations"])


def pixels(library: str = "torchvision", **more: Any) -> Pixels:
    return Pixels((32, 48), (20, 20), library, **{"order": ALL, **more})  # type: ignore[arg-type]


def calls(record1: Record, record2: Record, given: Pixels) -> list[Callable[[], Any]]:
    return [
        lambda: matrix(record1, given),
        lambda: between(record1, record2, given),
        lambda: grid(record1, record2, given, size=(7, 7)),
        lambda: overlap(record1, record2, given),
    ]


def tensors(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else [*found]


@pytest.fixture
def records(make_record: Make) -> tuple[Record, Record]:
    return make_record(GEOMETRIC, 6, seed=1), make_record(GEOMETRIC, 6, seed=2)


def test_every_geometric_type_is_known() -> None:
    names = {encoder.name for encoder in GEOMETRIC}
    assert names == {"crop", "rotation", *ALL}


@LIBRARIES
def test_identities_move_nothing(library: str) -> None:
    layout = {name: field for e in GEOMETRIC for name, field in e.fields.items()}
    record = identity_record(layout, 3)
    found = matrix(record, Pixels((20, 30), (20, 30), library, order=ALL))  # type: ignore[arg-type]
    assert torch.allclose(found, torch.eye(3).expand(3, 3, 3), atol=1e-5)


@LIBRARIES
def test_float64_is_kept_and_float32_is_close(library: str, records: tuple[Record, Record]) -> None:
    given = pixels(library)
    doubled = [{name: entry.double() for name, entry in record.items()} for record in records]
    for single, double in zip(calls(*records, given), calls(*doubled, given), strict=True):  # type: ignore[arg-type]
        for one, other in zip(tensors(single()), tensors(double()), strict=True):
            if one.dtype == torch.bool:
                assert (one == other).float().mean() > 0.99
            else:
                assert (one.dtype, other.dtype) == (torch.float32, torch.float64)


@pytest.mark.parametrize("size", [(32, 48), (480, 640), (1080, 1920)])
def test_float32_places_pixels_of_large_pictures(
    size: tuple[int, int], make_record: Make, apart: Callable[..., Tensor]
) -> None:
    record = make_record([e for e in GEOMETRIC if e.name != "perspective"], 64)
    given = Pixels(size, (size[0] // 4,) * 2, "kornia", order=ALL)
    exact = matrix({name: entry.double() for name, entry in record.items()}, given)
    assert apart(matrix(record, given), exact, given.view).max() < 1e-3  # type: ignore[arg-type]


def test_autocast_rounds_nothing(records: tuple[Record, Record]) -> None:
    given = pixels()
    for call in calls(*records, given):
        plain = call()
        with torch.autocast("cpu", torch.bfloat16):
            cast = call()
        for one, other in zip(tensors(plain), tensors(cast), strict=True):
            assert torch.equal(one, other)


@pytest.mark.slow
def test_no_device_is_read_or_waited_for(records: tuple[Record, Record]) -> None:
    """Counted on meta, where a read raises; sizes of each image are copied and not waited for."""
    on_meta = [{name: entry.to("meta") for name, entry in record.items()} for record in records]
    sizes = torch.tensor([[32, 48]]).expand(6, 2)
    for given, copies in ((pixels(), 0), (pixels(warped=sizes), 4)):
        for call in calls(*on_meta, given):  # type: ignore[arg-type]
            seen = asked(call)
            assert (seen.reads, seen.waits) == (0, 0)
            assert seen.copies <= copies


@pytest.mark.slow
def test_it_compiles_to_one_graph(records: tuple[Record, Record]) -> None:
    given = pixels()
    for call in calls(*records, given):
        compiled = torch.compile(call, fullgraph=True, backend="eager")
        for one, other in zip(tensors(compiled()), tensors(call()), strict=True):
            assert torch.equal(one, other)


def test_what_is_not_recorded_did_not_happen() -> None:
    record = {"color": torch.ones(2, 4)}
    found = matrix(record, Pixels((20, 30), (10, 10), "torchvision"))
    assert torch.allclose(found[0, [0, 1], [0, 1]], torch.tensor([3.0, 2.0]))


def test_an_empty_batch(make_record: Make) -> None:
    record = {name: entry[:0] for name, entry in make_record(GEOMETRIC, 2).items()}
    for call in calls(record, record, pixels()):
        found = call()
        assert all(len(one) == 0 for one in tensors(found))


class Wave(RegressionEncoder):
    """Moves pixels, and does not say where to."""

    name, columns, identity = "wave", ("wave",), (0.0,)
    moves: Motion | None = "warp"


class Shift(BinaryEncoder):
    """Moves the picture to the right by half its width."""

    name, columns = "shift", ("shift",)
    moves: Motion | None = "warp"

    def undo(self, record: Any, canvas: Canvas) -> Tensor:  # noqa: ARG002
        """Move it back."""
        return as_matrix(1.0, 0.0, -record["shift"].squeeze(-1), 0.0, 1.0, 0.0)


def test_a_type_of_your_own() -> None:
    record = {"shift": torch.ones(1, 1)}
    found = matrix(record, Pixels((8, 8), (8, 8), "kornia", encoders=(Shift(),)))
    assert found[0].tolist() == [[1, 0, -4], [0, 1, 0], [0, 0, 1]]


def test_types_that_say_nothing_are_refused() -> None:
    record = {"wave": torch.zeros(1, 1)}
    with pytest.raises(RecordError, match=r"entries of known types, found \['wave'\]"):
        matrix(record, pixels())
    with pytest.raises(RecordError, match="'wave' moves pixels, and Wave expected a method undo"):
        matrix(record, pixels(encoders=(Wave((0.0, 1.0)),)))


def test_extras_are_known(make_record: Make) -> None:
    record = {**make_record(GEOMETRIC, 2), "rotation_applied": torch.zeros(2, 2)}
    matrix({**record, "color_order": torch.zeros(2, 4)}, pixels())


@pytest.mark.parametrize("order", [(), ("angle",), ("angle", "affine")])
def test_an_order_that_no_record_tells_is_to_be_said(order: tuple[str, ...]) -> None:
    layout = {"angle": torch.zeros(1, 1), "affine": torch.zeros(1, 7)}
    record = {**layout, "perspective": torch.zeros(1, 8)}
    with pytest.raises(RecordError, match="expected the order in which"):
        matrix(record, pixels("kornia", order=order))


def test_torchvisions_perspective_and_flips_need_an_order() -> None:
    """It takes the number of a corner's pixel for an edge; mirrored, that is another edge."""
    flips = {"flip": torch.ones(1, 1), "perspective": torch.rand(1, 8) / 4}
    with pytest.raises(RecordError, match=r"\['flip', 'perspective'\].*up to a pixel"):
        matrix(flips, pixels(order=()))
    orders = (("flip", "perspective"), ("perspective", "flip"))
    first, last = (matrix(flips, pixels(order=order)) for order in orders)
    assert 0.05 < (first - last)[:, :2, 2].abs().max() < 3
    matrix(flips, pixels("kornia", order=()))
    matrix({"perspective": flips["perspective"]}, pixels(order=()))


BAD: dict[str, tuple[Any, str]] = {
    "none": (None, "expected a view's record"),
    "empty": ({}, "expected a view's record"),
    "of one view": ({"flip": torch.zeros(1)}, r"'flip' as \(B, columns\)"),
    "no tensor": ({"flip": [1.0]}, "found list"),
    "half": ({"flip": torch.zeros(2, 1).half()}, "float32 or float64"),
    "whole": ({"flip": torch.zeros(2, 1).long()}, "float32 or float64"),
    "batches": ({"flip": torch.zeros(2, 1), "crop": torch.zeros(3, 4)}, "of the same batch"),
    "dtypes": (
        {"flip": torch.zeros(2, 1), "crop": torch.zeros(2, 4).double()},
        "of the same batch",
    ),
    "widths": ({"crop": torch.zeros(2, 3)}, r"'crop' as \(B, 4\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_record(name: str) -> None:
    record, message = BAD[name]
    with pytest.raises(RecordError, match=message):
        matrix(record, pixels())


def test_two_records_of_one_batch(records: tuple[Record, Record]) -> None:
    shorter = {name: entry[:3] for name, entry in records[0].items()}
    double = {name: entry.double() for name, entry in records[0].items()}
    for other in (shorter, double):
        for call in calls(records[0], other, pixels())[1:]:
            with pytest.raises(RecordError, match="two records of the same batch"):
                call()


def test_two_views_of_one_source(records: tuple[Record, Record]) -> None:
    other = Pixels((32, 32), (20, 20), "torchvision", order=ALL)
    with pytest.raises(RecordError, match="both views to have the same source"):
        between(*records, pixels(), other)


def test_sizes_of_another_batch(records: tuple[Record, Record]) -> None:
    sizes = torch.tensor([[32, 48]]).expand(4, 2)
    with pytest.raises(RecordError, match="a size for each of 6 views, found 4"):
        matrix(records[0], Pixels(sizes, (20, 20), "torchvision", order=ALL))


SETTINGS: dict[str, tuple[dict[str, Any], str]] = {
    "library": ({"library": "opencv"}, "library expected"),
    "source": ({"source": 32}, "source expected height and width"),
    "images": ({"source": (3, 32, 32)}, r"images.shape\[-2:\]"),
    "fractions": ({"view": (0.5, 0.5)}, "view expected"),
    "nothing": ({"view": (0, 4)}, "view expected"),
    "tensor": ({"warped": torch.ones(2)}, "warped expected"),
    "one name": ({"order": "angle"}, "order expected"),
    "twice": ({"order": ("flip", "perspective", "flip")}, "each once"),
    "one pixel": ({"view": (1, 4), "library": "kornia"}, "cannot be resized between pixel centres"),
}


@pytest.mark.parametrize("name", SETTINGS)
def test_pixels_that_are_none(name: str) -> None:
    settings, message = SETTINGS[name]
    with pytest.raises(RecordError, match=message):
        Pixels(**{"source": (8, 8), "view": (8, 8), "library": "torchvision", **settings})


def test_a_crop_of_one_pixel_has_an_inverse() -> None:
    """Resized from centre to centre it has no length; all of its view shows one place."""
    record = {"crop": torch.tensor([[0.5, 0.5, 1 / 8, 1 / 8]])}
    given = Pixels((8, 8), (4, 4), "kornia")
    corners = matrix(record, given) @ torch.tensor([[0.0, 3.0], [0.0, 3.0], [1.0, 1.0]])
    assert torch.allclose(corners[0, :2], torch.full((2, 2), 4.0), atol=2e-3)
    assert torch.isfinite(between(record, record, given)).all()


def test_default_encoders_are_not_built_for_every_batch() -> None:
    given = pixels()
    assert given.types is given.types
    assert set(default_encoders()) <= set(given.types)
