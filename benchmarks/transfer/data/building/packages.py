"""The packages whose pictures are used, and how to read what is in them."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from transfer.errors import TransferError

Member = tuple[str, bytes]


class PackageError(TransferError, RuntimeError):
    """A package is missing or cannot be read."""


@dataclass(frozen=True)
class Package:
    """A package of a registry; Debian's have the version of the release, npm's are pinned."""

    name: str
    registry: Literal["debian", "npm"] = "debian"
    version: str = ""

    @property
    def subfolder(self) -> str:
        """Where its archive lies in the folder of packages."""
        return "deb" if self.registry == "debian" else "npm"

    @property
    def pattern(self) -> str:
        """Glob of its archive's name; npm drops a scope's "@" and turns "/" into "-"."""
        if self.registry == "debian":
            return f"{self.name}_*.deb"
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"

    def find(self, folder: Path) -> Path | None:
        """Its archive below ``folder``, None if it is not there.

        Raises:
            PackageError: if there are several.
        """
        found = sorted((folder / self.subfolder).glob(self.pattern))
        if len(found) > 1:
            names = ", ".join(path.name for path in found)
            raise PackageError(f"Expected one archive of {self.name}, found {names}: keep one.")
        return found[0] if found else None

    def version_in(self, folder: Path) -> str:
        """The version of its archive, which must be below ``folder``."""
        path = self.find(folder)
        assert path is not None
        return self.version or path.name.split("_")[1].replace("%3a", ":")


ENDLESS_SKY = Package("endless-sky-data")
FASHION_MNIST = Package("dataset-fashion-mnist")
FLAGS = Package("iso-flags-png-320x240")
GEMOJIONE = Package("ruby-gemojione")
KRANK = Package("krank")
LOMIRI = Package("lomiri-wallpapers-16.04")
MATE = Package("mate-backgrounds")
OPENCLIPART = Package("openclipart-png")
PLASMA = Package("plasma-workspace-wallpapers")
STAMPS = Package("tuxpaint-stamps-default")
SWEETHOME = Package("sweethome3d-furniture")
TEXTURES = Package("ufoai-textures")
NOTO = Package("emoji-datasource-google", "npm", "16.0.0")
TWEMOJI = Package("emoji-datasource-twitter", "npm", "16.0.0")
FLUENT = Package("@lobehub/fluent-emoji-3d", "npm", "1.1.0")


class Archives:
    """Reads packages that lie in a folder.

    Args:
        folder: with ``deb/*.deb`` and ``npm/*.tgz``.
        on_read: called with the package's name for every member that is read.
    """

    def __init__(self, folder: Path, on_read: Callable[[str], None] | None = None) -> None:
        self.folder = folder
        self.on_read = on_read

    def members(self, package: Package, pattern: str) -> Iterator[Member]:
        """Path and bytes of the files in a package whose path matches, in the archive's order.

        Raises:
            PackageError: if the package is missing or damaged.
        """
        path = package.find(self.folder)
        if path is None:
            raise PackageError(
                f"No {package.pattern} in {self.folder / package.subfolder}: fetch it first."
            )
        if package.registry == "debian" and shutil.which("dpkg-deb") is None:
            raise PackageError(f"dpkg-deb is needed to read {path}: install dpkg.")
        read = _read_deb if package.registry == "debian" else _read_tgz
        try:
            for member in read(path, re.compile(pattern)):
                if self.on_read:
                    self.on_read(package.name)
                yield member
        except (tarfile.TarError, EOFError, OSError) as error:
            raise PackageError(
                f"{path} cannot be read ({error}): delete it and fetch it again."
            ) from error


def unzipped(data: bytes) -> zipfile.ZipFile:
    """A zip archive (.pk3, .sh3f) that is a member of a package."""
    return zipfile.ZipFile(io.BytesIO(data))


def _read_deb(path: Path, pattern: re.Pattern[str]) -> Iterator[Member]:
    command = ["dpkg-deb", "--fsys-tarfile", str(path)]
    damage = None
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as tar:
                yield from _matching(tar, pattern)
            process.stdout.read()  # the padding: else dpkg-deb complains of a broken pipe
        except tarfile.TarError as error:
            damage = error
        process.stdout.close()
        # A tar cut off between two files looks whole; dpkg-deb knows, and says it more clearly.
        said = process.stderr.read().decode(errors="replace").strip()
    if damage or process.returncode:
        raise tarfile.ReadError(said or str(damage)) from damage


def _read_tgz(path: Path, pattern: re.Pattern[str]) -> Iterator[Member]:
    with tarfile.open(path, "r|gz") as tar:
        yield from _matching(tar, pattern)


def _matching(tar: tarfile.TarFile, pattern: re.Pattern[str]) -> Iterator[Member]:
    for entry in tar:
        if entry.isreg() and pattern.search(entry.name):
            content: IO[bytes] | None = tar.extractfile(entry)
            assert content is not None
            yield entry.name, content.read()
