"""What recorders say of a user's own steps that they do not know, and of what is all ignored."""

from __future__ import annotations

import functools
from typing import Any

import kornia.augmentation as K  # noqa: N812
import pytest
import torch
from torch import nn
from torchvision import transforms as v1
from torchvision.transforms import v2

from augself_loss.errors import PipelineError
from augself_loss.recording.held import held_in
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.names import is_listed, name_of
from augself_loss.recording.torchvision import TorchvisionRecorder, ViewsRecorder

FLIP = v2.RandomHorizontalFlip()
IMAGE = torch.rand(3, 8, 8)


def to_rgb(image: Any) -> Any:
    return image


class Own:
    """Draws nothing, in one way or another."""

    def __call__(self, image: Any) -> Any:
        return image

    def convert(self, image: Any) -> Any:
        return image


OWN = Own()
STEPS: dict[str, tuple[Any, Any, str]] = {
    "function": (to_rgb, to_rgb, "to_rgb"),
    "v1 Lambda": (v1.Lambda(to_rgb), to_rgb, "to_rgb"),
    "v2 Lambda": (v2.Lambda(to_rgb), to_rgb, "to_rgb"),
    "partial": (functools.partial(to_rgb), to_rgb, "to_rgb"),
    "partial in Lambda": (v2.Lambda(functools.partial(to_rgb)), to_rgb, "to_rgb"),
    "method": (OWN.convert, OWN.convert, "convert"),
    "method in Lambda": (v1.Lambda(OWN.convert), OWN.convert, "convert"),
    "object": (OWN, OWN, "Own"),
    "class": (OWN, Own, "Own"),
}
"""Step, what is ignored, and its name."""


@pytest.mark.parametrize("case", STEPS)
@pytest.mark.parametrize(
    "nest",
    [
        lambda step: v1.Compose([FLIP, v1.Compose([step])]),
        lambda step: v2.Compose([v2.RandomApply([step]), FLIP]),
    ],
)
def test_a_step_that_draws_nothing_is_named_with_its_way_out(case: str, nest: Any) -> None:
    step, ignored, name = STEPS[case]
    says = rf"found '{name}'\. If it draws nothing at random, say so: ignore=\[{name}\]\."
    with pytest.raises(PipelineError, match=says) as refused:
        TorchvisionRecorder(nest(step))
    assert f"register={{{name}: (encoder, apply)}}" in str(refused.value)
    assert ("wrappers=" in str(refused.value)) == (name == "Own")
    assert len(str(refused.value)) <= 350
    recorder = TorchvisionRecorder(nest(step), ignore=[ignored])
    assert list(recorder.layout) == ["flip"]
    assert recorder(IMAGE)[0].shape == IMAGE.shape


@pytest.mark.parametrize("wrap", [lambda f: f, v1.Lambda, v2.Lambda])
def test_a_function_without_a_name_is_to_get_one(wrap: Any) -> None:
    with pytest.raises(PipelineError, match=r"without a name.* give it one.*ignore=\[its_name\]"):
        TorchvisionRecorder(v1.Compose([FLIP, wrap(lambda image: image)]))


def test_another_function_is_not_ignored_too() -> None:
    pipeline = v1.Compose([FLIP, v1.Lambda(to_rgb), v1.Lambda(OWN.convert)])
    with pytest.raises(PipelineError, match="found 'convert'"):
        TorchvisionRecorder(pipeline, ignore=[to_rgb])
    assert TorchvisionRecorder(pipeline, ignore=[to_rgb, OWN.convert]).encoders
    assert not is_listed(v1.Lambda(Own().convert), (OWN.convert,))
    assert is_listed(v1.Lambda(to_rgb), (v1.Lambda,))


def test_objects_are_called_by_their_class() -> None:
    assert [name_of(one) for one in (OWN, Own, to_rgb, v1.Lambda(lambda x: x))] == [
        "Own", "Own", "to_rgb", "Lambda",
    ]  # fmt: skip


def test_the_library_s_own_are_not_said_to_draw_nothing() -> None:
    with pytest.raises(PipelineError) as refused:
        TorchvisionRecorder(v2.Compose([v2.RandAugment()]))
    assert "draws nothing" not in str(refused.value)
    with pytest.raises(PipelineError) as refused:
        KorniaRecorder(K.RandomGaussianNoise())
    assert "draws nothing" not in str(refused.value)


MOVING: dict[str, Any] = {
    "v2.RandAugment": lambda: TorchvisionRecorder(v2.Compose([FLIP, v2.RandAugment()])),
    "v1.AutoAugment": lambda: TorchvisionRecorder(v1.Compose([FLIP, v1.AutoAugment()])),
    "v2.ElasticTransform": lambda: TorchvisionRecorder(v2.ElasticTransform()),
    "K.RandomShear": lambda: KorniaRecorder(K.RandomShear(9.0)),
    "K.RandomElasticTransform": lambda: KorniaRecorder(K.RandomElasticTransform()),
}


@pytest.mark.parametrize("case", MOVING)
def test_what_moves_pixels_is_to_be_taken_out(case: str) -> None:
    """Ignored, it makes recorded boxes wrong: that is no way out for all."""
    says = (
        f"'{case.split('.')[1]}'. It may move pixels: .* Take it out, or .*If you predict neither"
    )
    with pytest.raises(PipelineError, match=says):
        MOVING[case]()


class Holding:
    """Runs a pipeline that it holds."""

    def __init__(self, augment: Any) -> None:
        self.size, self.augment = v1.InterpolationMode.BILINEAR, augment

    def __call__(self, image: Any) -> Any:
        return self.augment(image)


PIPELINES: dict[str, Any] = {
    "one": FLIP,
    "Compose": v1.Compose([v1.Resize(8), v1.RandomHorizontalFlip()]),
    "Sequential": nn.Sequential(v1.Resize(8), v1.RandomHorizontalFlip()),
}


@pytest.mark.parametrize("case", PIPELINES)
def test_an_object_that_holds_a_pipeline_is_to_be_looked_into(case: str) -> None:
    holding = Holding(PIPELINES[case])
    way_out = r"wrappers=\{Holding: 'augment'\}"
    for pipeline in (holding, v1.Compose([holding])):
        with pytest.raises(PipelineError, match=way_out) as refused:
            TorchvisionRecorder(pipeline)
        assert "draws nothing" not in str(refused.value)
        with pytest.raises(PipelineError, match=f"something to record.*'Holding'.*{way_out}"):
            TorchvisionRecorder(pipeline, ignore=[Holding])
    assert TorchvisionRecorder(holding, wrappers={Holding: "augment"}).encoders
    beside = v1.Compose([holding, v1.RandomGrayscale()])
    assert list(TorchvisionRecorder(beside, ignore=[Holding]).layout) == ["grayscale"]


def test_a_whole_pipeline_is_not_ignored() -> None:
    with pytest.raises(PipelineError, match=r"something to record.*'Compose'.*transforms\[1\]"):
        TorchvisionRecorder(PIPELINES["Compose"], ignore=[v1.Compose])


NOTHING_HELD: dict[str, Any] = {
    "function": to_rgb,
    "object": OWN,
    "fixed inside": Holding(v1.Compose([v1.Resize(8)])),
    "fixed": Holding(v1.Normalize([0.5], [0.5])),
    "a container of it": v1.Compose([v1.Lambda(to_rgb), v1.Resize(8)]),
}


@pytest.mark.parametrize("case", NOTHING_HELD)
def test_a_view_that_is_not_augmented_may_be_ignored_whole(case: str) -> None:
    plain = NOTHING_HELD[case]
    recorder = TorchvisionRecorder(plain, ignore=[to_rgb, Own, Holding])
    assert recorder.encoders == ()

    class Views:
        """An augmented view beside a plain one."""

        def __init__(self) -> None:
            self.augmented, self.plain = FLIP, plain

        def __call__(self, image: Any) -> Any:
            return [self.augmented(image), self.plain(image)]

    views = ViewsRecorder(Views(), ignore=[to_rgb, Own, Holding])
    assert len(views(IMAGE)) == 3


class DataAugmentation(nn.Module):
    """Kornia's tutorial has it."""

    def __init__(self) -> None:
        super().__init__()
        self.transforms = nn.Sequential(K.Resize((8, 8)), K.RandomHorizontalFlip(p=0.75))
        self.jitter = K.ColorJitter(0.5, 0.5, 0.5, 0.5)
        self.noise = nn.ModuleList([K.RandomInvert()])
        self.itself = [self]

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def forward(self, x: Any) -> Any:
        return self.jitter(self.transforms(x))


class Plain(nn.Module):
    """Draws nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.normalize = K.Normalize(0.5, 0.5)

    def forward(self, x: Any) -> Any:
        return self.normalize(x)


@pytest.mark.parametrize("wrap", [lambda m: m, nn.Sequential, K.ImageSequential])
def test_a_module_that_runs_kornia_s_is_to_be_replaced_by_them(wrap: Any) -> None:
    module = DataAugmentation()
    way_out = "nn.Sequential(module.transforms, module.jitter, module.noise[0])"
    with pytest.raises(PipelineError, match="it can record, found 'DataAugmentation'") as refused:
        KorniaRecorder(wrap(module))
    assert way_out in str(refused.value)
    assert "draws nothing" not in str(refused.value)
    with pytest.raises(PipelineError, match=r"something to record.*'DataAugmentation'") as refused:
        KorniaRecorder(wrap(module), ignore=[DataAugmentation])
    assert way_out in str(refused.value)
    recorder = KorniaRecorder(eval(way_out, {"nn": nn, "module": module}))
    assert {"flip", "color", "invert"} <= recorder.layout.keys()
    beside = KorniaRecorder(nn.Sequential(module, K.RandomInvert()), ignore=[module])
    assert list(beside.layout) == ["invert"]


def test_a_module_that_draws_nothing_may_be_ignored_whole() -> None:
    with pytest.raises(PipelineError, match=r"draws nothing at random, say so: ignore=\[Plain\]"):
        KorniaRecorder(Plain())
    assert KorniaRecorder(Plain(), ignore=[Plain]).encoders == ()


def test_parts_are_found_in_whatever_holds_them() -> None:
    holder = Holding({"a": [1, FLIP], "b": (FLIP, nn.ModuleDict({"c": FLIP}))})
    assert held_in(holder, lambda part: part is FLIP) == [
        "augment['a'][1]", "augment['b'][0]", "augment['b'][1]['c']",
    ]  # fmt: skip


MISGIVEN: dict[str, tuple[Any, str]] = {
    "a class": (K.RandomInvert, r"'RandomInvert'\. It is a class\. .* RandomInvert\(\.\.\.\)"),
    "a list": ([K.RandomInvert(), FLIP], r"found 'list'\. Make one pipeline of what it holds: "),
    "nothing": (None, r"found 'NoneType'\. Pass a pipeline"),
    "a recorder": (TorchvisionRecorder(FLIP), "It is a recorder already"),
}


@pytest.mark.parametrize("recorder", [KorniaRecorder, TorchvisionRecorder])
@pytest.mark.parametrize("case", MISGIVEN)
def test_what_is_no_pipeline_is_said_to_be_none(case: str, recorder: Any) -> None:
    """Kornia's recorder failed on lists: no attribute 'modules'; the other one advised ignore=."""
    given, says = MISGIVEN[case]
    with pytest.raises(PipelineError, match=says):
        recorder(given)


@pytest.mark.parametrize(
    ("recorder", "given", "other"),
    [
        (KorniaRecorder, FLIP, "Transforms of torchvision are recorded by TorchvisionRecorder"),
        (KorniaRecorder, v1.Compose([FLIP]), "are recorded by TorchvisionRecorder"),
        (TorchvisionRecorder, K.RandomInvert(), "kornia are recorded by KorniaRecorder"),
    ],
)
def test_another_librarys_transform_names_its_recorder(
    recorder: Any, given: Any, other: str
) -> None:
    with pytest.raises(PipelineError, match=other):
        recorder(given)


@pytest.mark.parametrize(
    ("ignore", "found"),
    [
        (["RandomInvert"], r"the name 'RandomInvert'\. Write ignore=\[RandomInvert\]"),
        ("RandomInvert", "the name 'RandomInvert'"),
        (K.RandomInvert, r"'RandomInvert' alone\. Write ignore=\[RandomInvert\]"),
        (nn.Sequential(FLIP), "'Sequential' alone"),
        (to_rgb, "'to_rgb' alone"),
    ],
)
def test_ignore_takes_no_names_and_nothing_alone(ignore: Any, found: str) -> None:
    """Names were passed over, and what stood alone was not iterable."""
    for recorder, pipeline in (
        (KorniaRecorder, K.RandomHorizontalFlip()), (TorchvisionRecorder, FLIP),
    ):  # fmt: skip
        with pytest.raises(PipelineError, match=f"ignore expected a list of .*, found {found}"):
            recorder(pipeline, ignore=ignore)
