"""Everything the tasks draw on, read once from the package archives."""

from __future__ import annotations

from dataclasses import dataclass, field

from glyphs import Emoji, country_key, load_metadata, load_pictures
from photos import Photo, Role, load_photos
from pictures import bucket
from sources import FLUENT, ISO_FLAGS, NOTO, OPENCLIPART, TWEMOJI, Cache, Source

# Drawings of things: no flags, no road signs, no icon themes, no people, no weapons.
_CLIPART = (
    r"/png/(animals|buildings|computer/hardware|containers|education|electronics|food|office"
    r"|geography/astronomy|people/clothing|plants|recreation/(music|party|sports|toys)"
    r"|tools(?!/weapons)|transportation/(boating|vehicles))/"
    # Not a flag, a blank grid, somebody's mascot, a placeholder for a missing picture.
    r"(?!.*(flag|milimetered|domo_kun|duck_yellow_ii_)).*\.png$"
)


@dataclass
class Material:
    """Pictures by source, each sorted by name so that every choice can be repeated."""

    emoji: dict[str, Emoji]
    noto: dict[str, bytes]
    fluent: dict[str, bytes]
    twemoji: dict[str, bytes]
    flags: dict[str, bytes]
    clipart: dict[str, bytes]
    photos: list[Photo]
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def load(cls, cache: Cache, sources: tuple[Source, ...]) -> Material:
        """Read the archives of all sources."""
        flags = cache.read(ISO_FLAGS, r"/[a-z]{2}\.png$")
        clipart = cache.read(OPENCLIPART, _CLIPART)
        names = sorted(clipart, key=lambda path: bucket(path, 1 << 32))
        return cls(
            emoji=load_metadata(cache),
            noto=load_pictures(cache, NOTO),
            fluent=load_pictures(cache, FLUENT),
            twemoji=load_pictures(cache, TWEMOJI),
            flags={country_key(path[-6:-4]): data for path, data in flags.items()},
            clipart={path.split("/png/")[1][:-4]: clipart[path] for path in names},
            photos=load_photos(cache),
            versions={source.package: cache.version(source) for source in sources},
        )

    def photos_for(self, role: Role) -> list[Photo]:
        """The photographs that serve one purpose."""
        return [photo for photo in self.photos if photo.role == role]
