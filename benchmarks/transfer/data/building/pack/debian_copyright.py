"""Reads a Debian package's machine-readable copyright file: which files are public domain."""

from __future__ import annotations

import fnmatch
import re
from typing import NamedTuple


class Stanza(NamedTuple):
    """One "Files:" paragraph of a copyright file."""

    globs: list[str]
    holder: str
    licence: str
    note: str


def stanzas(text: str) -> list[Stanza]:
    """The paragraphs about files, in their order."""
    found = []
    for paragraph in re.split(r"\n\s*\n", text):
        named = re.findall(r"^([A-Z][\w-]*):(.*(?:\n[ \t].*)*)", paragraph, re.M)
        fields = {name: body.strip() for name, body in named}
        if "Files" in fields and "License" in fields:
            globs = [line.strip() for line in fields["Files"].splitlines()]
            holder = fields.get("Copyright", "").replace("\n", ",")
            licence, _, note = fields["License"].partition("\n")
            found.append(Stanza(globs, holder, licence.strip(), " ".join(note.split())))
    return found


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
