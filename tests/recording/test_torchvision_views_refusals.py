"""Objects that do more than making views of their pipelines, or other than before, are refused."""

from __future__ import annotations

import pickle
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import public_scripts as public
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as f1
from views_objects import Views, geometry, picture

from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import split_views
from augself_loss.recording.torchvision import ViewsRecorder


def mixed(o: Any, x: Any) -> Any:
    a, b = o.a(x), o.a(x)
    return [a, (a + b) / 2]


def threaded(o: Any, x: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return list(pool.map(lambda one: one(x), [o.a, o.b]))


def in_place(o: Any, x: Any) -> Any:
    a, b = o.a(x), o.a(x)
    if isinstance(a, Tensor):
        a.mul_(0.5)
    elif isinstance(a, Image.Image):
        a.putpixel((0, 0), (1, 2, 3))
    return [a, b]


def sometimes(o: Any, x: Any) -> Any:
    """Swap views, as something outside of the image's random numbers says."""
    o.count += 1
    return [o.a(x), o.b(x)] if o.count == 1 else [o.b(x), o.a(x)]


REFUSED: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "mixed": (mixed, "it does more"),
    "in threads": (threaded, "found another thread"),
    "stacked": (lambda o, x: torch.stack([o.a(x), o.a(x)]), "it does more"),
    "changed first": (lambda o, x: [o.a(x.convert("L")), o.b(x)], "it does more"),
    "another image": (lambda o, x: [o.a(x), o.b("x")], "found str"),
    "more than an image": (lambda o, x: [o.a(x, 1), o.b(x)], "found 2 arguments"),
    "one view": (lambda o, x: o.a(x), "one view; for two of them use MultiViewRecorder"),
    "a list of one": (lambda o, x: [o.a(x)], "one view; for two of them use MultiViewRecorder"),
    "the image too": (lambda o, x: [o.a(x), x], "found the image itself"),
    "something else": (lambda o, x: [o.a(x), o.b(x), 3], "found a int that none of them made"),
    "nested": (
        lambda o, x: [[o.a(x)], [o.b(x)]],
        r"found a list that none of them made.*return \[\*made\[0\], \*made\[1\]\]",
    ),
    "named": (
        lambda o, x: {"a": o.a(x), "b": o.b(x), "c": ()},
        r"found a dict.*made = super\(\)\.__call__\(image\); return \[made\['a'\], made\['b'\]\]",
    ),
    "named, one view": (lambda o, x: {"a": o.a(x)}, "found a dict. Move everything else"),
    "no view": (lambda o, x: None, "found a NoneType"),  # noqa: ARG005
    "two arguments": (lambda o, x, y: [o.a(x), o.b(y)], "it does more"),
    "random": (lambda o, x: [(o.a, o.b)[random.random() < 2](x)] * 2, "from random itself"),
    "numpy": (lambda o, x: [o.a(x), o.b(x)][:: 1 - 2 * (np.random.rand() > 2)], "from numpy"),
    "torch": (lambda o, x: [(o.a, o.b)[int(torch.rand(()) < 2)](x)] * 2, "from torch itself"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_more_than_making_views_is_refused(name: str) -> None:
    make, found = REFUSED[name]
    plain = Views(make, a=geometry(), b=geometry())
    before = [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]
    with pytest.raises(PipelineError, match=found) as refused:
        ViewsRecorder(plain)
    cures = ("MultiViewRecorder([TorchvisionRecorder(pipeline1)", "made = super().__call__(image)")
    assert any(cure in str(refused.value) for cure in cures)
    assert before == [
        random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(),
    ]  # fmt: skip


def test_views_by_name_are_told_how_to_be_listed() -> None:
    listed = r"return \[\*made\['global_crops'\], \*made\['local_crops'\]\]"
    with pytest.raises(PipelineError, match=listed):
        ViewsRecorder(public.DataAugmentationDINOv2())


def test_a_class_in_an_objects_place_is_refused() -> None:
    with pytest.raises(
        PipelineError, match=r"found the class 'Views'\. Create an object: .*\(Views\("
    ):
        ViewsRecorder(Views)


@pytest.mark.parametrize(
    "rng", [random.Random(0), np.random.default_rng(0), np.random.RandomState(0)]
)
def test_an_object_that_draws_from_a_generator_of_its_own_is_refused(rng: Any) -> None:
    kept = pickle.dumps(rng)
    plain = Views(
        lambda o, x: [(o.a, o.b)[o.rng.random() < 0.5](x)] * 2, a=geometry(), b=geometry()
    )
    plain.rng = rng
    with pytest.raises(PipelineError, match="Placeholder"):
        ViewsRecorder(plain)
    assert pickle.dumps(rng) == kept


@pytest.mark.parametrize("given", ["tensor", "PIL"])
def test_views_changed_in_place_are_refused(given: str) -> None:
    recorder = ViewsRecorder(Views(in_place, a=geometry()))
    image = picture(0) if given == "PIL" else f1.to_tensor(picture(0))
    with pytest.raises(PipelineError, match=r"'Views' .* views that its pipelines did not make"):
        recorder(image)


def test_an_order_that_changes_is_refused() -> None:
    plain = Views(sometimes, a=geometry(), b=geometry(), count=0)
    recorder = ViewsRecorder(plain)
    assert plain.count == 0  # rehearsing was none of its calls
    recorder(picture(0))
    assert plain.count == 1
    with pytest.raises(PipelineError, match="its pipelines called in another order"):
        recorder(picture(0))


def test_what_is_changed_later_holds_or_is_refused() -> None:
    plain = public.DataAugmentationDINO(local_crops_number=2)
    recorder = ViewsRecorder(plain)
    plain.global_transfo1.transforms[2].prob = 0.0
    assert split_views([v[None] for v in recorder(picture(0))], recorder.layout)[1][0]["blur"] == 0
    plain.global_transfo1.transforms[2].prob = 1.0
    plain.global_transfo1.transforms[2].radius_max = 9.0
    with pytest.raises(PipelineError, match=r"'DinoBlur' expected sigma in \(0.1, 2.0\)"):
        list(map(recorder, [picture(0)] * 20))
    plain.global_transfo1.transforms[2].radius_max = 2.0
    for number in (1, 3):
        plain.local_crops_number = number
        with pytest.raises(PipelineError, match=r"'DataAugmentationDINO' .*Make a new recorder"):
            recorder(picture(0))
    plain.local_crops_number = 2
    recorder(picture(0))
    plain.local_transfo = plain.global_transfo1
    with pytest.raises(PipelineError, match="expected the steps"):
        recorder(picture(0))
