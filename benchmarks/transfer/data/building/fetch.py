"""Download the packages that pictures are made of, by apt-get and npm."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from transfer.data.building.packages import Package
from transfer.errors import TransferError


class FetchError(TransferError, RuntimeError):
    """Packages cannot be downloaded here."""


def missing(folder: Path, packages: Iterable[Package]) -> list[Package]:
    """Packages whose archives are not in the folder."""
    return [package for package in dict.fromkeys(packages) if package.find(folder) is None]


def fetch(
    folder: Path, packages: Iterable[Package], on_done: Callable[[str], None] | None = None
) -> None:
    """Download archives into ``folder/deb`` and ``folder/npm``, only what is not there.

    Args:
        folder: of the packages.
        packages: to have.
        on_done: called with the name of each package that was downloaded.

    Raises:
        FetchError: if apt-get or npm is not installed or fails; it names the packages.
    """
    wanted = missing(folder, packages)
    for tool, registry in (("apt-get", "debian"), ("npm", "npm")):
        ours = [package for package in wanted if package.registry == registry]
        if ours and shutil.which(tool) is None:
            raise FetchError(_without_tool(tool, ours, folder))
    for package in wanted:
        target = folder / package.subfolder
        target.mkdir(parents=True, exist_ok=True)
        # Beside its place, so that an interrupted download is never taken for an archive.
        with tempfile.TemporaryDirectory(dir=target, prefix=".part-") as part:
            _download(package, Path(part))
            found = list(Path(part).glob(package.pattern))
            if len(found) != 1:
                raise FetchError(f"Downloading {package.name} gave no {package.pattern}.")
            found[0].replace(target / found[0].name)
        if on_done:
            on_done(package.name)


def _without_tool(tool: str, packages: Sequence[Package], folder: Path) -> str:
    names = ", ".join(
        f"{package.name}@{package.version}" if package.version else package.name
        for package in packages
    )
    where = "Debian 12" if tool == "apt-get" else "a machine with Node.js"
    return (
        f"Making the pictures needs {tool} to download {names}, but {tool} is not installed. Run"
        f" this on {where}, or put the archives into {folder / packages[0].subfolder} yourself."
    )


def _download(package: Package, folder: Path) -> None:
    if package.registry == "npm":
        _run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], folder, package)
        return
    command = ["apt-get", "download", "-qq", package.name]
    try:
        _run(command, folder, package)
    except FetchError:
        # The lists may be empty, as in containers, or stale; only root can renew them.
        subprocess.run(["apt-get", "update", "-qq"], capture_output=True, check=False)
        _run(command, folder, package)


def _run(command: list[str], folder: Path, package: Package) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        hint = (
            "Try `apt-get update` as root first." if command[0] == "apt-get" else "Is npm online?"
        )
        raise FetchError(f"Downloading {package.name} failed ({' '.join(command)}): {said} {hint}")
