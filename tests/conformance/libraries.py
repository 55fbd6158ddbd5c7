"""Runs the libraries' own transforms, and writes down what they drew and its record."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor
from vectors import HOSTS, Json, compared, computed, record_of, settled, steps, to_source, written

from augself_loss.encoders import Encoder, Step
from augself_loss.encoders.step import Seen
from augself_loss.geometry import Pixels, matrix
from augself_loss.recording.scribes import EncoderScribe

MODULES = {
    "kornia": "kornia.augmentation",
    "torchvision_v1": "torchvision.transforms",
    "torchvision_v2": "torchvision.transforms.v2",
    "albumentations": "albumentations",
    "lightly": "lightly.transforms",
}
"""File → the module whose classes its pipelines name."""


class Looked(Mapping[str, Any]):
    """A mapping that keeps in ``seen`` what was looked at."""

    def __init__(self, items: Mapping[str, Any]) -> None:
        self._items, self.seen = items, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        self.seen[name] = self._items[name]
        return self.seen[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


def library_of(name: str) -> str:
    return name.split("_", maxsplit=1)[0]


def versions_of(name: str) -> dict[str, str]:
    """List the installed versions of what draws for a file: Lightly's is torchvision's too."""
    names = ["lightly", "torchvision"] if name == "lightly" else [library_of(name)]
    return {one: importlib.import_module(one).__version__.split("+")[0] for one in names}


def observe(name: str, pipeline: Json, image: Json, seed: int) -> Json:
    """Run a pipeline on an image under two seeds, and write down all that a vector holds.

    Args:
        name: the vectors' file.
        pipeline: its transforms and their settings.
        image: height, width, channels and dtype of what it is given.
        seed: the first view's; the second's is one more.
    """
    run = Run(name, pipeline, image)
    drawn, record, view = run.view(seed)
    _, record2, _ = run.view(seed + 1)
    moved = any(encoder.moves for encoder in run.encoders)
    pixels = run.pixels(view) if moved else None
    pair = {"seed": seed + 1, "record": record2, **compared(run.encoders, record, record2)}
    ranges = {one.name: one.ranges for one in run.encoders if one.kind == "regression"}
    return {
        "pipeline": pipeline, "image": image, "seed": seed, "drawn": drawn, "record": record,
        "matrix": pixels and computed(to_source(record, pixels)), "pixels": pixels,
        "ranges": written(ranges), "pair": pair,
    }  # fmt: skip


class Run:
    """A pipeline, its recorder, and the image that both are given."""

    def __init__(self, name: str, pipeline: Json, image: Json) -> None:
        module = importlib.import_module(MODULES[name])
        self.library, self.source = library_of(name), (image["height"], image["width"])
        self.host = HOSTS.get(self.library, self.library)
        built = [_built(module, one) for one in pipeline]
        self.recorder = _recorder(self.library, module, built)
        self.image = _picture(self.library, image)
        self.encoders: tuple[Encoder, ...] = self.recorder.encoders
        self._pipeline = pipeline

    def view(self, seed: int) -> tuple[Json, Json, Any]:
        """Make a view: what was drawn, its record as a vector has it, and the view."""
        with _seeded(seed):
            if self.library == "kornia":
                view, record, told = _run_kornia(self.recorder, self.image)
            else:
                if self.library == "albumentations":
                    self.recorder.transform.set_random_seed(seed)
                view, notes = self.recorder.noted(self.image)
                record = self.recorder.settle(notes)
                told = [_told(*note) for note in notes if not getattr(note[0], "idle", False)]
        drawn = _looked_at(self.library, told, list(record))
        found = settled(self.library, steps(self.library, drawn), record)
        for entry, columns in found.items():
            kept = record[entry].double().flatten().tolist()
            np.testing.assert_allclose(columns, kept, rtol=2e-6, atol=2e-6, err_msg=entry)
        return drawn, computed(found), view

    def pixels(self, view: Any) -> Json:
        """Say what a view's matrix needs beside its record."""
        if self.library == "kornia":
            known: Pixels = self.recorder.pixels(self.source)
            warped = {} if known.warped is None else {"warped": known.warped}
            told = {"by_centres": known.centred, **warped}
            order, size = known.order, known.view
            self._agrees_with_kornia(known, size)
        else:
            order, told, size = self._order(), {}, _size_of(view)
        named = {"order": list(order)} if order else {}
        return written({
            "source": self.source, "view": size, "library": self.host, **told, **named,
        })  # fmt: skip

    def _order(self) -> list[str]:
        """List the types that may depend on their order, as the pipeline has them."""
        listed = [
            encoder.name
            for one in self._pipeline
            for encoder in self.encoders
            if one["transform"] in getattr(encoder, self.host)
            and encoder.moves in {"mirror", "warp"}
        ]
        warps = [encoder for encoder in self.encoders if encoder.moves == "warp"]
        doubtful = [name for one in warps for name in one.order_matters.get(self.host, ())]
        if len(warps) < 2 and not doubtful:
            return []
        return [*listed, *(name for name in doubtful if name not in listed)]

    def _agrees_with_kornia(self, pixels: Pixels, size: Any) -> None:
        """See that a record of what was just drawn is where Kornia itself says, to 0.001 pixels."""
        record = self.recorder._settled(3)
        rows = {name: [float(v) for v in columns] for name, columns in record.items()}
        told = torch.linalg.inv(self.recorder.pipeline.transform_matrix.double())[0]
        found = matrix(record_of(rows), pixels)[0]
        height, width = size
        corners = torch.tensor([[0, width - 1, 0, width - 1], [0, 0, height - 1, height - 1]])
        points = torch.cat([corners, torch.ones(1, 4)]).double()
        one, other = (m @ points for m in (found, told))
        assert (one[:2] / one[2] - other[:2] / other[2]).abs().max() < 1e-3


def _built(module: Any, step: Json) -> Any:
    settings = {name: _argument(value) for name, value in step["settings"].items()}
    made = getattr(module, step["transform"])(**settings)
    return made.transforms[step["view"]] if "view" in step else made


def _argument(value: Json) -> Any:
    return tuple(map(_argument, value)) if isinstance(value, list) else value


def _recorder(library: str, module: Any, built: list[Any]) -> Any:
    """Make the recorder of a pipeline."""
    if library == "kornia":
        from augself_loss.recording.kornia import KorniaRecorder  # noqa: PLC0415

        return KorniaRecorder(module.AugmentationSequential(*built), check_images=False)
    if library == "albumentations":
        from augself_loss.recording.albumentations import AlbumentationsRecorder  # noqa: PLC0415

        return AlbumentationsRecorder(module.Compose(built))
    if library == "lightly":
        from lightly.transforms.multi_view_transform import MultiViewTransform  # noqa: PLC0415
        from torchvision.transforms import Compose  # noqa: PLC0415

        from augself_loss.adapters.lightly import LightlyRecorder  # noqa: PLC0415

        view = built[0] if len(built) == 1 else Compose(built)
        return LightlyRecorder(MultiViewTransform([view, view])).recorders[0]
    from augself_loss.recording.torchvision import TorchvisionRecorder  # noqa: PLC0415

    return TorchvisionRecorder(module.Compose(built))


def _picture(library: str, image: Json) -> Any:
    """Make an image of all values there are; what is drawn does not depend on them."""
    shape = image["height"], image["width"], image["channels"]
    values = (torch.arange(shape[0] * shape[1] * shape[2]) % 256).byte().view(shape)
    if image["dtype"] == "float32":
        values = values / 255
    if library == "albumentations":
        return values.numpy()
    tensor = values.permute(2, 0, 1).contiguous()
    if library == "kornia":
        return tensor[None]
    if library == "lightly":
        from torchvision.transforms.functional import to_pil_image  # noqa: PLC0415

        return to_pil_image(tensor)
    return tensor


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed torch and NumPy, and leave both as they were."""
    kept = np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        np.random.seed(seed)
        yield
    np.random.set_state(kept)


def _run_kornia(recorder: Any, images: Tensor) -> tuple[Tensor, Mapping[str, Tensor], list[Any]]:
    """Run Kornia, and list the steps that it applied."""
    from augself_loss.recording.kornia.drawn import applied  # noqa: PLC0415
    from augself_loss.recording.kornia.params import size_of  # noqa: PLC0415

    views, record = recorder(images)
    told = [
        (Step(type(m).__name__, drawn, recorder._config[m], size_of(drawn)), None)
        for m, drawn in applied(recorder._wiring, recorder.pipeline)
        if bool(drawn["batch_prob"][0] > 0.5)
    ]
    return views, record, told


def _told(scribe: Any, drawn: Any, image: Any) -> Any:
    """Read a note: of a transform that reports nothing, what was drawn ahead of it."""
    if isinstance(scribe, EncoderScribe):
        seen: Seen = image
        return Step(scribe.name, drawn, scribe.config, *seen), None
    return image, drawn


def _looked_at(library: str, told: list[Any], entries: list[str]) -> Json:
    """Write of each step what its reader looks at."""
    spied = [
        (step._replace(params=Looked(step.params), config=Looked(step.config)), read_ahead)
        for step, read_ahead in told
    ]
    settled(library, spied, entries)
    listed = []
    for step, read_ahead in spied:
        height, width = step.size
        about = {"height": height, "width": width, "channels": step.channels, "white": step.white}
        told_ahead = {} if read_ahead is None else {"entries": read_ahead}
        listed.append(written({
            "transform": step.name, "image": about, "params": step.params.seen,
            "config": step.config.seen, **told_ahead,
        }))  # fmt: skip
    return listed


def _size_of(view: Any) -> tuple[int, int]:
    if isinstance(view, np.ndarray):
        return view.shape[0], view.shape[1]
    if isinstance(view, Tensor):
        return view.shape[-2], view.shape[-1]
    return view.size[1], view.size[0]
