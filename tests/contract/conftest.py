"""Chooses the hosts that the contract suite runs over, and remembers their runs."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pytest
from contract import HOSTS, Host, Run, load_host


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


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Return ``run(host, method, **options)``: one process's run, made once."""
    made: dict[Any, Run] = {}

    def make(host: Host, method: str, **options: Any) -> Run:
        key = (host.name, method, *((k, str(v)) for k, v in sorted(options.items())))
        if key not in made:
            (made[key],) = host.run(tmp_path_factory.mktemp(host.name), method, **options)
        return made[key]

    return make
