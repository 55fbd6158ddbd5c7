"""What all core tests share: golden cases, random records, hand-made steps, other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import settings
from torch import Tensor

import augself_loss
from augself_loss import ColorEncoder, CropEncoder, Encoder, Record, RotationEncoder, Step
from augself_loss.encoders import default_encoders

pytest.register_assert_rewrite("processes", "scripts")

ROOT = Path(__file__).parents[1]
if Path(augself_loss.__file__).parents[1] == ROOT:
    # Processes that tests start shall import this checkout too, whatever is installed.
    search_path = (str(ROOT), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, search_path))

# The tensors here are tiny: a second thread only waits for its turn.
torch.set_num_threads(1)

settings.register_profile("tests", deadline=None, derandomize=True, database=None)
settings.load_profile("tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--host", action="append", help="framework of the contract suite; may be repeated"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Leave nothing of a host out that is asked for by name."""
    if config.getoption("--host") and config.option.markexpr in config.getini("addopts"):
        config.option.markexpr = ""


GOLDEN = Path(__file__).parent / "golden"
RELEASED = {
    "crop": "crop",
    "color": "color",
    "flip": "flip",
    "blur": "blur",
    "rot": "rotation",
    "sol": "solarize",
}


class Golden(NamedTuple):
    """One case computed by the released code."""

    arrays: dict[str, Tensor]
    released: dict[str, str] = RELEASED

    def record(self, view: int) -> Record:
        columns = {
            name: self.arrays[f"view{view}.{name}"].float()
            for name in ("crop", "color", "flip", "blur", "solarize", "grayscale", "rotation")
        }
        return {name: c if c.ndim == 2 else c.unsqueeze(-1) for name, c in columns.items()}

    def color(self) -> ColorEncoder:
        low_high = (self.arrays[f"range.{name}"].tolist() for name in ColorEncoder.columns)
        return ColorEncoder(*((low, high) for low, high in low_high))

    def weights(self, **more: float) -> dict[str, float]:
        named = {
            ours: float(self.arrays[f"weight.{theirs}"])
            for theirs, ours in RELEASED.items()
            if f"weight.{theirs}" in self.arrays
        }
        return {**named, **more}

    def heads(self) -> dict[str, dict[str, Tensor]]:
        return {
            theirs: {
                key.removeprefix(f"head.{theirs}."): value
                for key, value in self.arrays.items()
                if key.startswith(f"head.{theirs}.")
            }
            for theirs in RELEASED
        }

    def features(self, view: int) -> Tensor:
        return self.arrays[f"features{view}"].clone().requires_grad_()


@pytest.fixture(params=[0, 1, 2], ids=lambda case: f"case{case}")
def golden(request: pytest.FixtureRequest) -> Golden:
    with np.load(GOLDEN / f"case{request.param}.npz") as arrays:
        return Golden({name: torch.as_tensor(arrays[name]) for name in arrays.files})


def _sample(encoder: Encoder, batch_size: int, generator: torch.Generator) -> Tensor:
    """Draw one entry inside the encoder's ranges, not applied to about a third of the samples."""
    drawn = torch.rand(batch_size, len(encoder.columns), generator=generator)
    identity = torch.tensor(encoder.identity)
    if isinstance(encoder, CropEncoder):
        sizes = 0.1 + 0.9 * drawn[:, 2:]
        entry = torch.cat([drawn[:, :2] * (1 - sizes), sizes], dim=-1)
    else:
        limits = [
            (i, i) if r is None else r
            for i, r in zip(encoder.identity, encoder.ranges, strict=True)
        ]
        low, high = torch.tensor(limits).unbind(-1)
        entry = low + drawn * (high - low)
    if encoder.kind == "binary" or isinstance(encoder, RotationEncoder):
        entry = entry.round()
    applied = torch.rand(batch_size, 1, generator=generator) < 0.67
    return torch.where(applied, entry, identity)


@pytest.fixture(scope="session")
def make_record() -> Callable[..., Record]:
    """Return ``make(encoders, batch_size, seed=0)``: a record with all that they read."""

    def make(encoders: Encoder | Iterable[Encoder], batch_size: int, seed: int = 0) -> Record:
        generator = torch.Generator().manual_seed(seed)
        own = [encoders] if isinstance(encoders, Encoder) else list(encoders)
        known = default_encoders(own)
        names = [name for e in own for name in (e.name, *e.frame, *e.optional)]
        return {name: _sample(known[name], batch_size, generator) for name in dict.fromkeys(names)}

    return make


@pytest.fixture(scope="session")
def read() -> Callable[..., list[Any]]:
    """Return ``read(kind, host, transform, params, config, size)``: its own entry's columns."""

    def plain(value: Any) -> Any:
        return value.tolist() if isinstance(value, Tensor) else value

    def read_step(
        kind: type[Encoder],
        host: str,
        transform: str,
        params: Mapping[str, Any] | None = None,
        config: Mapping[str, Any] | None = None,
        size: tuple[int, int] = (100, 200),
    ) -> list[Any]:
        step = Step(transform, params or {}, config or {}, size)
        return [plain(value) for value in getattr(kind, host)[transform](step)[kind.name]]

    return read_step


@pytest.fixture(scope="session")
def built() -> Callable[..., Encoder]:
    """Return ``built(kind, host, transform, config)``: the encoder of a transform's ranges."""

    def build(kind: type[Encoder], host: str, transform: str, config: Mapping[str, Any]) -> Encoder:
        step = Step(transform, {}, config, (0, 0))
        return kind.from_kornia(step) if host == "kornia" else kind.from_torchvision(step)

    return build


@pytest.fixture(scope="session")
def apart() -> Callable[[Tensor, Tensor, tuple[int, int]], Tensor]:
    """Return ``apart(one, other, size)``: how far two maps of an image lie apart, ``(B,)``.

    Maps are ``(B, 3, 3)``; they are compared in pixels, on points from corner to corner.
    """

    def moved(matrix: Tensor, points: Tensor) -> Tensor:
        there = matrix.double() @ points
        return there[..., :2, :] / there[..., 2:, :]

    def measure(one: Tensor, other: Tensor, size: tuple[int, int]) -> Tensor:
        rows, columns = (torch.linspace(0, side - 1, 7).double() for side in size)
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        points = torch.stack([x, y, torch.ones_like(x)]).flatten(1)
        return (moved(one, points) - moved(other, points)).abs().amax((-1, -2))

    return measure


@pytest.fixture
def one_process() -> Iterator[None]:
    """A process group of this process alone."""
    store = torch.distributed.HashStore()
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    torch.distributed.destroy_process_group()


class Imported(NamedTuple):
    """What an import in a process of its own did."""

    error: str
    """The traceback, "" where it worked."""
    loaded: list[str]
    """The modules that are loaded afterwards."""


@pytest.fixture(scope="session")
def try_import() -> Iterator[Callable[..., Imported]]:
    """``try_import(module, without=names)``: import it as where ``names`` are not installed."""
    script = Path(__file__).parent / "hosts" / "importing.py"
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-W", "ignore", str(script)], **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        ask, answer = process.stdin, process.stdout

        def attempt(module: str, *, without: Iterable[str] = ()) -> Imported:
            ask.write(json.dumps({"module": module, "without": sorted(without)}) + "\n")
            ask.flush()
            return Imported(**json.loads(answer.readline()))

        yield attempt
        ask.close()
