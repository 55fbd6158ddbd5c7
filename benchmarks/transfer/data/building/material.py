"""What several sets are made of, each read from its package once."""

from __future__ import annotations

from functools import cached_property

from transfer.data.building import emoji
from transfer.data.building.packages import Archives
from transfer.data.building.stamps import Stamp, read_stamps
from transfer.data.building.textures import Texture, read_textures


class Material:
    """Lazy, shared readings of the packages."""

    def __init__(self, archives: Archives) -> None:
        self.archives = archives
        self._glyphs: dict[emoji.Vendor, emoji.Glyphs] = {}

    def glyphs(self, vendor: emoji.Vendor) -> emoji.Glyphs:
        """A vendor's emoji by code points."""
        if vendor not in self._glyphs:
            self._glyphs[vendor] = emoji.glyphs(self.archives, vendor)
        return self._glyphs[vendor]

    @cached_property
    def meanings(self) -> dict[str, emoji.Meaning]:
        """What Unicode says of the emoji."""
        return emoji.meanings(self.archives)

    @cached_property
    def textures(self) -> list[Texture]:
        """Photo-sourced textures."""
        return read_textures(self.archives)

    @cached_property
    def stamps(self) -> list[Stamp]:
        """Cut-out photographs."""
        return read_stamps(self.archives)
