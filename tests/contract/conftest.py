"""Chooses the hosts that the contract suite runs over, and remembers their runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from contract import HOSTS, Host, Run, load_host

HERE = Path(__file__).parent


def installed(name: str) -> bool:
    try:
        return all(version(package) for package in load_host(name).packages)
    except (ImportError, PackageNotFoundError):
        return False


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run over the hosts named by ``--host``, else over those that are installed here."""
    if "host" not in metafunc.fixturenames:
        return
    names = metafunc.config.getoption("--host") or [name for name in HOSTS if installed(name)]
    hosts = [(name, load_host(name)) for name in names]
    if "method" in metafunc.fixturenames:
        cases = [
            pytest.param(host, method, id=f"{name}-{method}")
            for name, host in hosts
            for method in host.methods
        ]
        metafunc.parametrize(("host", "method"), cases)
    elif "recording" in metafunc.fixturenames:
        cases = [
            pytest.param(host, recording, id=f"{name}-{recording}")
            for name, host in hosts
            for recording in host.recording
        ]
        metafunc.parametrize(("host", "recording"), cases)
    else:
        metafunc.parametrize("host", [pytest.param(host, id=name) for name, host in hosts])


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run all tests of a method one after another, so that only its runs are held in memory."""
    mine = [index for index, item in enumerate(items) if item.path.parent == HERE]
    methods: dict[Any, list[pytest.Item]] = {}
    for index in mine:
        params = items[index].callspec.params  # type: ignore[attr-defined]
        methods.setdefault((params["host"].name, params.get("method")), []).append(items[index])
    for index, item in zip(mine, chain(*methods.values()), strict=True):
        items[index] = item


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Return ``run(host, method, **options)``: one process's run, made once while its method is on.

    A run is four copies of a model: those of fourteen methods with all their options fill 12 GB.
    """
    made: dict[Any, Run] = {}
    on: list[tuple[str, str]] = []

    def make(host: Host, method: str, **options: Any) -> Run:
        if on != [(host.name, method)]:
            on[:] = [(host.name, method)]
            made.clear()
        key = tuple((name, str(value)) for name, value in sorted(options.items()))
        if key not in made:
            (made[key],) = host.run(tmp_path_factory.mktemp(host.name), method, **options)
        return made[key]

    return make
