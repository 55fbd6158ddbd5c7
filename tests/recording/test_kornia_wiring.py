"""Containers, fixed steps and steps that run twice: recorded truly, or refused by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kornia.augmentation as K  # noqa: N812
import kornia.enhance
import pytest
import torch
from torch import Tensor, nn

from augself_loss import Field, PipelineError, RegressionEncoder, Step
from augself_loss.encoders.base import Columns
from augself_loss.recording.kornia import KorniaRecorder

Build = Callable[[], nn.Module]
Images = Callable[..., Tensor]


def flip(p: float = 0.5) -> nn.Module:
    return K.RandomHorizontalFlip(p=p)


def crop() -> nn.Module:
    return K.RandomResizedCrop((8, 8))


class Sometimes(nn.Sequential):
    """What many repositories write, for torchvision's RandomApply."""

    def __init__(self, *children: nn.Module, p: float = 0.5) -> None:
        super().__init__(*children)
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) if torch.rand(()) < self.p else x


class Backwards(nn.Sequential):
    def __iter__(self) -> Any:
        return reversed(list(super().__iter__()))


class SometimesKornia(K.AugmentationSequential):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs) if torch.rand(()) < 0.5 else args[0]


class Twice(K.ImageSequential):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return super().__call__(super().__call__(*args, **kwargs), **kwargs)


class OtherParameters(K.ImageSequential):
    def transform_inputs(self, input: Tensor, *args: Any, **kwargs: Any) -> Tensor:  # noqa: A002
        return super().transform_inputs(input, *args, **kwargs).flip(-1)


class OtherSequence(K.ImageSequential):
    def get_forward_sequence(self, params: Any = None) -> Any:
        return list(super().get_forward_sequence(params))[:1]


class Mixin:
    def forward(self, x: Tensor) -> Tensor:
        return x


class Mixed(Mixin, nn.Sequential):
    pass


OWN: dict[str, tuple[Callable[..., nn.Module], str]] = {
    "Sometimes": (Sometimes, "forward"),
    "Backwards": (Backwards, "__iter__"),
    "SometimesKornia": (SometimesKornia, "forward"),
    "Twice": (Twice, "__call__"),
    "OtherParameters": (OtherParameters, "transform_inputs"),
    "OtherSequence": (OtherSequence, "get_forward_sequence"),
    "Mixed": (Mixed, "forward"),
    "PatchSequential": (lambda m: K.PatchSequential(m, patchwise_apply=False), "forward"),
}


@pytest.mark.parametrize("wrap", [lambda m: m, nn.Sequential, K.ImageSequential])
@pytest.mark.parametrize("name", OWN)
def test_containers_that_run_their_children_otherwise_are_refused(
    name: str, wrap: Callable[[nn.Module], nn.Module]
) -> None:
    build, method = OWN[name]
    with pytest.raises(
        PipelineError, match=f"'{name}' to run its children .*{method}.*encoders=.*ignore="
    ) as e:
        KorniaRecorder(wrap(build(flip())))
    assert f"ignore=[{name}]" in str(e.value)
    ignored = [K.PatchSequential if name == "PatchSequential" else build]
    beside = nn.Sequential(wrap(build(flip())), K.RandomInvert())
    assert list(KorniaRecorder(beside, ignore=ignored).layout) == ["invert"]
    if name != "PatchSequential":
        with pytest.raises(PipelineError, match=f"to record, found .* all of '{name}'"):
            KorniaRecorder(wrap(build(flip())), ignore=ignored)


class Named(nn.Sequential):
    """A subclass that only builds: it runs as nn.Sequential does."""

    def __init__(self) -> None:
        super().__init__(flip(1.0))

    def extra_repr(self) -> str:
        return "mine"


class NamedKornia(K.AugmentationSequential):
    def __init__(self) -> None:
        super().__init__(flip(1.0))


@pytest.mark.parametrize("build", [Named, NamedKornia])
def test_subclasses_that_only_build_are_read(build: Build, smooth: Images) -> None:
    images = smooth(3, 8, 8)
    view, record = KorniaRecorder(nn.Sequential(build(), crop()))(images)
    assert view.shape == images.shape
    assert record["flip"].tolist() == [[1.0]] * 3


class Chain(nn.Sequential):
    """Runs its children by another way than their list, and says that it runs them as listed."""

    runs_children_in_order = True

    def forward(self, x: Tensor) -> Tensor:
        for child in self._modules.values():
            x = child(x)  # type: ignore[misc]
        return x


def test_a_container_may_say_that_it_runs_its_children_in_order(smooth: Images) -> None:
    _, record = KorniaRecorder(Chain(flip(1.0), crop()))(smooth(3, 8, 8))
    assert record["flip"].tolist() == [[1.0]] * 3


class SometimesEncoder(RegressionEncoder):
    name = "sometimes"
    columns = ("ran",)
    identity = (0.0,)
    kornia = {"SometimesNoted": lambda step: {"sometimes": (step.params["ran"],)}}

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))


class SometimesNoted(Sometimes):
    def forward(self, x: Tensor) -> Tensor:
        ran = float(torch.rand(()) < 0.5)
        self._params = {
            "ran": torch.full((len(x),), ran),
            "batch_prob": torch.ones(len(x)),
            "forward_input_shape": torch.tensor(x.shape),
        }
        return nn.Sequential.forward(self, x) if ran else x


def test_a_container_of_ones_own_is_read_by_its_encoder(smooth: Images) -> None:
    recorder = KorniaRecorder(SometimesNoted(flip(1.0)), encoders=[SometimesEncoder()])
    images = smooth(2, 8, 8)
    for _ in range(6):
        view, record = recorder(images)
        assert torch.equal(view, images.flip(-1) if record["sometimes"][0, 0] else images)
    assert recorder.layout == {"sometimes": Field(("ran",), (0.0,), ((0.0, 1.0),))}


def patched(name: str) -> nn.Module:
    module = nn.Sequential(flip())
    target = module[0] if name == "apply_transform" else module
    setattr(target, name, lambda x, *_, **__: x)
    return module


def hooked(pre: bool) -> nn.Module:
    module = flip()
    if pre:
        module.register_forward_pre_hook(lambda _, args: args[0].flip(-1))
    else:
        module.register_forward_hook(lambda _, __, out: out.flip(-1))
    return nn.Sequential(module)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: patched("forward"),
            "'Sequential' to run as its class does, found its own forward",
        ),
        (
            lambda: patched("apply_transform"),
            "'RandomHorizontalFlip' to run as its class does, found its own apply_transform",
        ),
        (
            lambda: hooked(False),
            "'RandomHorizontalFlip' to run as its class does, found forward hooks",
        ),
        (
            lambda: hooked(True),
            "'RandomHorizontalFlip' to run as its class does, found forward hooks",
        ),
    ],
)
def test_objects_that_were_patched_are_refused(build: Build, message: str) -> None:
    with pytest.raises(PipelineError, match=message):
        KorniaRecorder(build())


MEAN, STD = torch.full((3,), 0.5), torch.full((3,), 0.2)
FIXED: dict[str, Callable[..., nn.Module]] = {
    "Normalize": lambda **p: K.Normalize(MEAN, STD, **p),
    "Denormalize": lambda **p: K.Denormalize(MEAN, STD, **p),
    "Resize": lambda **p: K.Resize((8, 8), **p),
    "LongestMaxSize": lambda **p: K.LongestMaxSize(8, **p),
    "SmallestMaxSize": lambda **p: K.SmallestMaxSize(8, **p),
}


@pytest.mark.parametrize("name", FIXED)
def test_fixed_steps_made_random_are_refused(name: str, smooth: Images) -> None:
    build = FIXED[name]
    refused: list[tuple[nn.Module, str]] = [
        (nn.Sequential(flip(), build(p=0.5)), "p=0.5"),
        (K.ImageSequential(flip(), build(p=1.0), random_apply=1), "under random_apply"),
        (K.AugmentationSequential(build(p=1.0), flip(), random_apply=True), "under random_apply"),
        (
            K.ImageSequential(nn.Sequential(build(p=1.0)), flip(), random_apply=1),
            "under random_apply",
        ),
    ]
    for pipeline, message in refused:
        with pytest.raises(
            PipelineError, match=f"'{name}' to be applied always, .*{message}.*ignore="
        ):
            KorniaRecorder(pipeline)
        assert list(KorniaRecorder(pipeline, ignore=[type(build())]).layout) == ["flip"]
    for p in (0.0, 1.0):
        KorniaRecorder(K.ImageSequential(flip(), build(p=p)))(smooth(2, 16, 16))


def test_a_module_of_one_entry_may_stand_under_random_apply(smooth: Images) -> None:
    pipeline = K.ImageSequential(flip(1.0), nn.Identity(), random_apply=1)
    recorder, images = KorniaRecorder(pipeline), smooth(2, 8, 8)
    for _ in range(8):
        view, record = recorder(images)
        assert torch.equal(view, images.flip(-1) if record["flip"][0, 0] else images)
    KorniaRecorder(nn.Sequential(kornia.enhance.Normalize(MEAN, STD), flip()))(images)


class NormalizeEncoder(RegressionEncoder):
    name = "normalize"
    columns = ("applied",)
    identity = (0.0,)
    kornia = {"Normalize": lambda _step: {"normalize": (1.0,)}}

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))


def test_an_own_encoder_tells_a_fixed_step_that_was_made_random(smooth: Images) -> None:
    pipeline = K.ImageSequential(K.Normalize(MEAN, STD, p=0.5), flip(0.0))
    recorder, images = KorniaRecorder(pipeline, encoders=[NormalizeEncoder()]), smooth(1, 8, 8)
    seen = set()
    for _ in range(8):
        view, record = recorder(images)
        assert torch.equal(view, images) == (record["normalize"].item() == 0)
        seen.add(record["normalize"].item())
    assert seen == {0.0, 1.0}


AGAIN: dict[str, Build] = {
    "plain": lambda: K.ImageSequential(nn.Sequential(flip()), nn.Identity(), random_apply=3),
    "plain in Kornia's": lambda: K.ImageSequential(
        K.ImageSequential(nn.Sequential(flip())), nn.Identity(), random_apply=3
    ),
    "Kornia's in plain": lambda: K.ImageSequential(
        nn.Sequential(K.ImageSequential(flip())), nn.Identity(), random_apply=3
    ),
    "by weight": lambda: K.ImageSequential(
        nn.Sequential(flip()), nn.Identity(), random_apply=2, random_apply_weights=[0.5, 0.5]
    ),
}


@pytest.mark.parametrize("case", AGAIN)
def test_plain_containers_that_may_run_twice_are_refused(case: str) -> None:
    with pytest.raises(PipelineError, match=r"'Sequential' to run once per call.*ImageSequential"):
        KorniaRecorder(AGAIN[case]())


@pytest.mark.parametrize(
    "inner",
    [
        K.ImageSequential,
        K.AugmentationSequential,
        lambda *m: K.ImageSequential(K.ImageSequential(*m)),
    ],
)
def test_kornias_containers_that_run_twice_are_recorded(
    inner: Callable[..., nn.Module], ramps: Images, misplaced: Callable[..., Tensor]
) -> None:
    pipeline = K.ImageSequential(
        inner(K.RandomHorizontalFlip(p=0.5), K.RandomResizedCrop((16, 16), (0.5, 0.9))),
        nn.Identity(),
        random_apply=4,
    )
    recorder = KorniaRecorder(pipeline)
    for _ in range(10):
        view, record = recorder(ramps(4, 32, 32))
        assert misplaced(view, record).max() < 0.08


def test_one_child_drawn_by_small_weights_never_runs_twice(smooth: Images) -> None:
    steps = (nn.Sequential(flip(1.0)), nn.Identity())
    pipeline = K.ImageSequential(*steps, random_apply=1, random_apply_weights=[0.2, 0.2])
    recorder, images = KorniaRecorder(pipeline), smooth(2, 8, 8)
    for _ in range(8):
        view, record = recorder(images)
        assert torch.equal(view, images.flip(-1) if record["flip"][0, 0] else images)


def test_a_mixing_child_leaves_fewer_to_draw_from() -> None:
    blur = K.RandomGaussianBlur((3, 3), (0.1, 2.0))
    mix = K.RandomMixUpV2(p=1.0)
    pipeline = K.ImageSequential(blur, K.RandomInvert(), mix, random_apply=3)
    with pytest.raises(PipelineError, match="both set 'blur'"):
        KorniaRecorder(pipeline, ignore=[mix])


class RandomTwin(nn.Module):
    """A plain module that keeps what it drew last."""

    def forward(self, images: Tensor) -> Tensor:
        self._params = {
            "twin": torch.rand(len(images)),
            "batch_prob": torch.ones(len(images)),
            "forward_input_shape": torch.tensor(images.shape),
        }
        return images


class TwinEncoder(RegressionEncoder):
    name = "twin"
    columns = ("twin",)
    identity = (0.0,)

    def __init__(self) -> None:
        super().__init__((0.0, 1.0))

    @staticmethod
    def _read(step: Step) -> dict[str, Columns]:
        return {"twin": (step.params["twin"],)}

    kornia = {"RandomTwin": _read}


def test_a_plain_module_that_may_run_twice_is_refused() -> None:
    pipeline = K.ImageSequential(RandomTwin(), nn.Identity(), random_apply=3)
    with pytest.raises(PipelineError, match="'RandomTwin' to run once per call"):
        KorniaRecorder(pipeline, encoders=[TwinEncoder()])
