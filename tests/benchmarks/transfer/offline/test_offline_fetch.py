"""Archives come from apt-get and npm, only what is missing; failures say what to do."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from transfer.data import offline
from transfer.data.building.fetch import FetchError, fetch, missing
from transfer.data.building.packages import FLUENT, KRANK, Archives, Package, PackageError

DEMO = Package("augself-demo-pictures")


@pytest.fixture
def repository(tmp_path: Path, deb: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian repository on the disk with one package, and apt told to know no other."""
    if shutil.which("apt-get") is None:
        pytest.skip("apt-get is not installed")
    pool = tmp_path / "pool"
    archive = deb(pool, DEMO.name, {"usr/a.jpg": b"a", "usr/b.txt": b"b"}, tmp_path / "tree")
    data = archive.read_bytes()
    (pool / "Packages").write_text(
        f"Package: {DEMO.name}\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody <n@n.n>\n"
        f"Filename: ./{archive.name}\nSize: {len(data)}\n"
        f"SHA256: {hashlib.sha256(data).hexdigest()}\nDescription: pictures\n"
    )
    for folder in ("state/lists/partial", "cache/archives/partial", "etc"):
        (tmp_path / "apt" / folder).mkdir(parents=True)
    (tmp_path / "apt/status").touch()
    (tmp_path / "apt/etc/sources.list").write_text(f"deb [trusted=yes] file:{pool} ./\n")
    config = tmp_path / "apt.conf"
    config.write_text(
        f'Dir::State "{tmp_path}/apt/state";\nDir::State::status "{tmp_path}/apt/status";\n'
        f'Dir::Cache "{tmp_path}/apt/cache";\nDir::Etc "{tmp_path}/apt/etc";\n'
        f'Dir::Etc::sourcelist "sources.list";\nDir::Etc::sourceparts "-";\n'
        f'APT::Sandbox::User "root";\n'
    )
    monkeypatch.setenv("APT_CONFIG", str(config))
    return pool


def test_apt_downloads_what_is_missing_and_renews_its_lists(
    repository: Path, tmp_path: Path
) -> None:
    folder, done = tmp_path / "packages", list[str]()

    fetch(folder, [DEMO], done.append)

    assert done == [DEMO.name]
    assert [path.name for path in (folder / "deb").iterdir()] == [f"{DEMO.name}_1.0-1_all.deb"]
    assert list(Archives(folder).members(DEMO, r"\.jpg$")) == [("./usr/a.jpg", b"a")]
    shutil.rmtree(repository)
    fetch(folder, [DEMO], done.append)  # nothing left to download
    assert done == [DEMO.name]


@pytest.mark.usefixtures("repository")
def test_apt_failing_is_told_with_its_own_words(tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=r"(?s)Downloading krank failed .*Unable to locate"):
        fetch(tmp_path / "packages", [KRANK])
    assert not list((tmp_path / "packages/deb").iterdir())


@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_npm_failing_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    monkeypatch.setenv("npm_config_fetch_retries", "0")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "cache"))
    with pytest.raises(FetchError, match=r"fluent-emoji-3d failed \(npm pack"):
        fetch(tmp_path / "packages", [FLUENT])


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (KRANK, r"needs apt-get to download krank, .*Debian 12, or put the archives into .*deb"),
        (FLUENT, r"needs npm to download @lobehub/fluent-emoji-3d@1\.1\.0, .*npm yourself"),
    ],
)
def test_without_the_tool_the_packages_are_named(
    package: Package, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match=message):
        fetch(tmp_path / "packages", [package])


def test_building_fetches_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FetchError, match="dataset-fashion-mnist"):
        offline.fetch_and_build(tmp_path, ["fashion"], progress=False)


def test_two_versions_of_a_package_are_refused(tmp_path: Path) -> None:
    (tmp_path / "deb").mkdir()
    for version in ("1", "2"):
        (tmp_path / f"deb/krank_{version}_all.deb").touch()
    with pytest.raises(PackageError, match=r"one archive of krank, found krank_1.*krank_2"):
        missing(tmp_path, [KRANK])


@pytest.mark.parametrize("keep", [0.0, 0.5, 0.98])
def test_a_cut_off_package_is_refused_by_name(
    keep: float, tmp_path: Path, deb: Callable[..., Path]
) -> None:
    content = {f"usr/{n}.jpg": os.urandom(9000) for n in range(9)}
    archive = deb(tmp_path / "deb", DEMO.name, content, tmp_path / "tree")
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(PackageError, match=rf"(?s){DEMO.name}.*cannot be read.*fetch it again"):
        list(Archives(tmp_path).members(DEMO, r"\.jpg$"))


def test_an_absent_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"No krank_\*\.deb in .*fetch it first"):
        list(Archives(tmp_path).members(KRANK, "."))
