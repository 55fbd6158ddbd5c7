"""What a pipeline holds is looked at before the first image."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from augself_loss import (
    AffineEncoder,
    AngleEncoder,
    BlurEncoder,
    ColorJiggleEncoder,
    CropEncoder,
    Encoder,
    ErasingEncoder,
    FlipEncoder,
    PerspectiveEncoder,
    PipelineError,
    RotationEncoder,
)
from augself_loss.recording.plan import Branch, Leaf, Node, check_plan, leaves


def leaf(encoder: Encoder, name: str | None = None) -> Leaf:
    return Leaf(name or f"Random{encoder.name}", encoder)


CROP, FLIP, TURN = leaf(CropEncoder()), leaf(FlipEncoder()), leaf(RotationEncoder())
BLUR, ANGLE = leaf(BlurEncoder()), leaf(AngleEncoder())
BRIGHTNESS = leaf(ColorJiggleEncoder((0.5, 1.5), None, None, None), "RandomBrightness")
HUE = leaf(ColorJiggleEncoder(None, None, None, (-0.1, 0.1)), "RandomHue")


AFFINE, PERSPECTIVE = leaf(AffineEncoder()), leaf(PerspectiveEncoder())
ERASING = leaf(ErasingEncoder())


def sequence(*children: Node) -> Branch:
    return Branch("sequence", children)


def one_of(*children: Node) -> Branch:
    return Branch("one_of", children)


def order(*children: Node) -> Branch:
    return Branch("order", children)


def test_leaves_come_in_the_pipelines_order() -> None:
    node = sequence(CROP, one_of(BLUR, sequence(FLIP)), order(TURN))
    assert leaves(node) == [CROP, BLUR, FLIP, TURN]
    assert leaves(sequence()) == []


@pytest.mark.parametrize(
    "node",
    [
        sequence(CROP, FLIP, CROP, FLIP, TURN, TURN),  # they settle into one value
        order(CROP, FLIP, TURN),
        one_of(BLUR, BLUR),
        one_of(ANGLE, CROP),
        sequence(CROP, ANGLE),
        sequence(one_of(CROP, BLUR), ANGLE),
        sequence(BRIGHTNESS, HUE),  # different columns of one entry
        BLUR,
        sequence(),
    ],
)
def test_what_one_record_can_hold(node: Node) -> None:
    check_plan(node)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (sequence(BLUR, BLUR), "both set 'blur'"),
        (sequence(BLUR, one_of(FLIP, sequence(BLUR))), "both set 'blur'"),
        (sequence(one_of(BLUR, FLIP), one_of(BLUR, FLIP)), "both set 'blur'"),
        (order(BLUR, BLUR), "both set 'blur'"),
        (one_of(FLIP, sequence(BLUR, BLUR)), "both set 'blur'"),
        (sequence(BRIGHTNESS, BRIGHTNESS), "both set 'color_jiggle'"),
        (sequence(ANGLE, CROP), "'Randomcrop' before 'Randomangle', found"),
        (sequence(ANGLE, FLIP, one_of(BLUR, CROP)), "'Randomcrop' before 'Randomangle', found"),
        (order(CROP, ANGLE), "'Randomcrop' before 'Randomangle', found"),
        (sequence(order(sequence(ANGLE)), order(CROP)), "'Randomcrop' before 'Randomangle', found"),
    ],
)
def test_what_one_record_cannot_hold(node: Node, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        check_plan(node)


@pytest.mark.parametrize("children", [(BLUR, BLUR), (ANGLE, CROP)])
def test_refusals_name_the_way_out(children: Sequence[Leaf]) -> None:
    with pytest.raises(PipelineError, match=r"ignore=\[\.\.\.\]"):
        check_plan(sequence(*children))


WARPS = {"angle": ANGLE, "affine": AFFINE, "perspective": PERSPECTIVE}
MOVES = {"crop": CROP, "rotation": TURN, **WARPS}


@pytest.mark.parametrize("name", MOVES)
def test_an_erased_box_is_lost_where_pixels_move_after_it(name: str) -> None:
    with pytest.raises(PipelineError, match="for the source image"):
        check_plan(sequence(ERASING, MOVES[name]))
    with pytest.raises(PipelineError, match="for the source image"):
        check_plan(order(MOVES[name], ERASING))
    check_plan(sequence(MOVES[name], ERASING))
    check_plan(one_of(MOVES[name], ERASING))


@pytest.mark.parametrize("name", WARPS)
def test_a_crop_after_a_map_is_refused_in_both_orders(name: str) -> None:
    for node in (sequence(WARPS[name], CROP), order(CROP, WARPS[name])):
        with pytest.raises(PipelineError, match="for the source image"):
            check_plan(node)
    check_plan(sequence(CROP, WARPS[name]))


@pytest.mark.parametrize("first", WARPS)
@pytest.mark.parametrize("second", WARPS)
def test_maps_follow_one_another_in_a_known_order_only(first: str, second: str) -> None:
    if first == second:
        return
    check_plan(sequence(WARPS[first], WARPS[second]))
    with pytest.raises(PipelineError, match="drawn at random"):
        check_plan(order(WARPS[first], sequence(BLUR, WARPS[second])))
