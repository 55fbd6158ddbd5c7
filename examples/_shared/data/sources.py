"""Where the pack's pictures come from: which packages, under which licence, and how to read them.

Every source is an ordinary Debian or npm package, so that the pack can be rebuilt years from now
from archives that keep old versions, and so that each picture's licence is the one its package
states.
"""

from __future__ import annotations

import fnmatch
import re
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal


@dataclass(frozen=True)
class Source:
    """One package, with what the attribution has to say about it."""

    package: str
    kind: Literal["deb", "npm"]
    licence: str
    authors: str
    homepage: str
    taken: str
    version: str = ""

    @property
    def archive_pattern(self) -> str:
        """Glob of the archive's name: npm drops the scope's "@" and turns "/" into "-"."""
        if self.kind == "deb":
            return f"{self.package}_*.deb"
        return f"{self.package.lstrip('@').replace('/', '-')}-{self.version}.tgz"


KRANK = Source(
    package="krank",
    kind="deb",
    licence="Public domain",
    authors="Slava Anishenko",
    homepage="https://sourceforge.net/projects/krank/",
    taken="underwater photographs",
)
ENDLESS_SKY = Source(
    package="endless-sky-data",
    kind="deb",
    licence="Public domain",
    authors="photographers of Unsplash and Morguefile, NASA, USGS (listed by file below)",
    homepage="https://github.com/endless-sky/endless-sky",
    taken="landscape and space-flight photographs, only those its copyright file gives as public"
    " domain",
)
OPENCLIPART = Source(
    package="openclipart-png",
    kind="deb",
    licence="Public domain (Creative Commons Public Domain Dedication)",
    authors="contributors of the Open Clip Art Library (often named in the file names)",
    homepage="https://openclipart.org",
    taken="colourful drawings",
)
ISO_FLAGS = Source(
    package="iso-flags-png-320x240",
    kind="deb",
    licence="Public domain",
    authors="Brett Roper; packaged by Linux Mint",
    homepage="https://github.com/linuxmint/flags",
    taken="country flags",
)
NOTO = Source(
    package="emoji-datasource-google",
    kind="npm",
    version="16.0.0",
    licence="Apache-2.0",
    authors="Google LLC and the Noto Emoji authors",
    homepage="https://github.com/googlefonts/noto-emoji",
    taken="emoji pictures of 64 px, without people and flags; names and categories of the emoji"
    " (the package's own data, MIT, Copyright (c) 2013 Cal Henderson)",
)
FLUENT = Source(
    package="@lobehub/fluent-emoji-3d",
    kind="npm",
    version="1.1.0",
    licence="MIT",
    authors="Microsoft Corporation (Fluent Emoji); packaged by LobeHub",
    homepage="https://github.com/microsoft/fluentui-emoji",
    taken="emoji pictures of 256 px, without people and flags",
)
TWEMOJI = Source(
    package="emoji-datasource-twitter",
    kind="npm",
    version="16.0.0",
    licence="CC-BY-4.0",
    authors="Twitter, Inc., X Corp. and other contributors",
    homepage="https://github.com/jdecked/twemoji",
    taken="emoji pictures of 64 px: people and hands in five skin tones, flags, things",
)
SOURCES = (KRANK, ENDLESS_SKY, OPENCLIPART, ISO_FLAGS, NOTO, FLUENT, TWEMOJI)


class Cache:
    """A folder of package archives, filled on demand."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)

    def find(self, source: Source) -> Path | None:
        """The source's archive, or None if it has not been fetched."""
        return max(self.folder.glob(source.archive_pattern), default=None)

    def archive(self, source: Source) -> Path:
        """The source's archive, which must be there."""
        path = self.find(source)
        if path is None:
            raise FileNotFoundError(f"no {source.archive_pattern} in {self.folder}")
        return path

    def fetch(self, sources: tuple[Source, ...] = SOURCES) -> None:
        """Download the archives that are missing, with the system's own package tools."""
        missing = [source for source in sources if self.find(source) is None]
        debs = [source.package for source in missing if source.kind == "deb"]
        npms = [f"{source.package}@{source.version}" for source in missing if source.kind == "npm"]
        if debs:
            subprocess.run(["apt-get", "download", "-qq", *debs], cwd=self.folder, check=True)
        if npms:
            subprocess.run(["npm", "pack", "--silent", *npms], cwd=self.folder, check=True)

    def version(self, source: Source) -> str:
        """The pinned version, or the one in the name of the Debian archive."""
        return source.version or self.archive(source).name.split("_")[1].replace("%3a", ":")

    def read(self, source: Source, pattern: str) -> dict[str, bytes]:
        """Contents of the members whose path matches the pattern, by path, in sorted order."""
        found: dict[str, bytes] = {}
        wanted = re.compile(pattern)
        if source.kind == "npm":
            with tarfile.open(self.archive(source), "r|gz") as tar:
                found.update(_members(tar, wanted))
        else:
            command = ["dpkg-deb", "--fsys-tarfile", str(self.archive(source))]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
                stream: IO[bytes] | None = process.stdout
                with tarfile.open(fileobj=stream, mode="r|") as tar:
                    found.update(_members(tar, wanted))
        return dict(sorted(found.items()))


def _members(tar: tarfile.TarFile, wanted: re.Pattern[str]) -> Iterator[tuple[str, bytes]]:
    for member in tar:
        if member.isreg() and wanted.search(member.name):
            handle = tar.extractfile(member)
            if handle is not None:
                yield member.name, handle.read()


@dataclass(frozen=True)
class Stanza:
    """One "Files:" paragraph of a Debian copyright file."""

    globs: tuple[str, ...]
    holder: str
    licence: str
    note: str


def parse_copyright(text: str) -> list[Stanza]:
    """The paragraphs about files of a machine-readable copyright file, in their order."""
    stanzas = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        for name, body in re.findall(r"^([A-Z][\w-]*):(.*(?:\n[ \t].*)*)", paragraph, re.M):
            fields[name] = body.strip()
        if "Files" in fields and "License" in fields:
            licence, _, note = fields["License"].partition("\n")
            stanzas.append(
                Stanza(
                    tuple(line.strip() for line in fields["Files"].splitlines()),
                    fields.get("Copyright", "").replace("\n", ","),
                    licence.strip(),
                    " ".join(note.split()),
                )
            )
    return stanzas


def public_domain_credit(path: str, stanzas: list[Stanza]) -> str | None:
    """Who is to be thanked for a public-domain file; None if the file is not clearly one.

    The format lets the last matching paragraph win, but its globs are loose ("snow1*" also covers
    "snow10-somebody.jpg"), so a file counts only if every paragraph about its folder agrees.
    """
    folder = path.rsplit("/", 1)[0] + "/"
    matching = [
        stanza
        for stanza in stanzas
        if any(glob.startswith(folder) and fnmatch.fnmatch(path, glob) for glob in stanza.globs)
    ]
    if not matching or any(stanza.licence != "public-domain" for stanza in matching):
        return None
    last = matching[-1]
    site = re.search(r"unsplash\.com|morgue-?file\.com", last.note)
    return f"photographers of {site.group()}" if site else last.holder
