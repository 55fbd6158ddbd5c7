"""Tiny packages in the formats that Debian and npm ship, with pictures whose truth is known."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

# A conftest cannot be skipped: without the examples' requirements its tests are not collected.
if all(find_spec(name) for name in ("PIL", "rich", "torchvision")):
    from PIL import Image, ImageDraw
    from transfer.data import offline
    from transfer.data.building import locate, views
    from transfer.data.building import patch as patches
else:
    collect_ignore_glob = ["test_*.py"]

Files = dict[str, bytes]
TONES = {
    "1f3fb": (250, 222, 188),
    "1f3fc": (227, 194, 150),
    "1f3fd": (200, 150, 105),
    "1f3fe": (160, 105, 68),
    "1f3ff": (92, 65, 51),
}
GLYPHS = [f"1f4{number:02x}" for number in range(30)]
HANDS = [f"1f44{digit}" for digit in range(10)]
COPYRIGHT = b"""Format: copyright-format/1.0

Files: images/land/*
Copyright: somebody
License: public-domain
 From unsplash.com.

Files: images/land/sea1.jpg
Copyright: somebody else
License: CC-BY-SA-4.0
"""
COUNTRIES = ("ad", "ae", "no", "bv", "xx")


def encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


def noise(seed: int, size: tuple[int, int] = (128, 128), top: int = 256) -> Image.Image:
    """Coloured blocks: no crop of them is flat, no two seeds look alike."""
    blocks = np.random.default_rng(seed).integers(0, top, (size[1] // 8, size[0] // 8, 3))
    return Image.fromarray(blocks.astype(np.uint8)).resize(size, Image.Resampling.NEAREST)


def disc(colour: tuple[int, int, int]) -> bytes:
    image = Image.new("RGBA", (64, 64))
    ImageDraw.Draw(image).ellipse((4, 4, 60, 60), fill=colour)
    return encoded(image)


def stamp(seed: int) -> bytes:
    """A disc of bright blocks, yellow to white, to be found on dark landscapes."""
    image = noise(seed, (64, 64))
    bright = np.asarray(image) // 3 + np.array([170, 170, 0], np.uint8)
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((2, 2, 62, 62), fill=255)
    cut = Image.fromarray(bright).convert("RGBA")
    cut.putalpha(mask)
    return encoded(cut)


def transparent(seed: int) -> bytes:
    """A disc of noise, cut out."""
    image = noise(seed, (64, 64)).convert("RGBA")
    mask = Image.new("L", (64, 64))
    ImageDraw.Draw(mask).ellipse((2, 2, 62, 62), fill=255)
    image.putalpha(mask)
    return encoded(image)


def photographs(folder: str, names: list[str], seed: int) -> Files:
    return {
        f"{folder}/{name}": encoded(noise(seed + number, (320, 240)), "JPEG")
        for number, name in enumerate(names)
    }


def zipped(files: Files) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def textures() -> Files:
    names = [
        f"textures/tex_nature/{kind}{number:02d}"
        for kind in ("grass", "wood")
        for number in range(18)
    ]
    files = {f"{name}.png": encoded(noise(100 + seed)) for seed, name in enumerate(names)}
    files |= {f"textures/tex_misc/box0{n}.png": encoded(noise(200 + n)) for n in range(3)}
    copy = files["textures/tex_nature/grass00.png"]
    normal_map = np.full((128, 128, 3), (128, 128, 255), np.uint8)
    files |= {
        "textures/tex_misc/copy01.png": copy,
        "textures/tex_misc/bump01.png": encoded(Image.fromarray(normal_map)),
        "textures/tex_misc/box01_nm.png": encoded(noise(300)),
        "textures/tex_misc/decal01.png": transparent(301),
    }
    return {"usr/share/ufoai/0textures.pk3": zipped(files)}


def furniture() -> Files:
    catalogue = "icon#1=/scopia/bed.png\ncategory#1=Bedroom\nicon#2=/scopia/lost.png\n"
    content = {
        "PluginFurnitureCatalog.properties": catalogue.encode("latin1"),
        "scopia/bed.png": transparent(400),
    }
    return {"usr/share/sweethome3d/Scopia.sh3f": zipped(content)}


def fashion() -> Files:
    files = {}
    for part, count in {"train": 30, "t10k": 20}.items():
        labels = np.arange(count, dtype=np.uint8) % 10
        # Each picture is as bright as its label.
        grey = np.repeat(labels * 25, 28 * 28).astype(np.uint8)
        folder = "usr/share/datasets/fashion-mnist"
        files[f"{folder}/{part}-images-idx3-ubyte.gz"] = gzip.compress(bytes(16) + grey.tobytes())
        files[f"{folder}/{part}-labels-idx1-ubyte.gz"] = gzip.compress(bytes(8) + labels.tobytes())
    return files


def code_of(country: str) -> str:
    return "-".join(f"{0x1F1E6 + ord(letter) - ord('a'):x}" for letter in country)


def flag(country: str, vendor: int) -> bytes:
    """Norway's and Bouvet Island's are the same; of xx each vendor has an idea of its own."""
    seed = {"bv": 502, "xx": 510 + vendor}.get(country, 500 + COUNTRIES.index(country))
    blocks = np.random.default_rng(seed).integers(0, 2, (3, 4, 3)).astype(np.uint8) * 255
    return encoded(Image.fromarray(blocks).resize((64, 48), Image.Resampling.NEAREST))


def emoji(folder: str, vendor: int) -> Files:
    files = {
        f"{folder}/{code}.png": transparent(1000 * vendor + n) for n, code in enumerate(GLYPHS)
    }
    for hand in HANDS:
        for tone, colour in TONES.items():
            files[f"{folder}/{hand}-{tone}.png"] = disc(colour)
    return files | {f"{folder}/{code_of(c)}.png": flag(c, vendor) for c in COUNTRIES}


def emoji_index() -> bytes:
    animals = [(code, "Animals & Nature", "animal-mammal") for code in GLYPHS[:15]]
    places = [(code, "Travel & Places", "place-building") for code in GLYPHS[15:]]
    keys = ("image", "category", "subcategory", "name")
    flags = [(code_of(country), "Flags", "country-flag") for country in COUNTRIES]
    entries = [
        dict(zip(keys, (f"{code}-fe0f.png", category, kind, code.upper()), strict=True))
        for code, category, kind in animals + places + flags
    ]
    return json.dumps(entries).encode()


def debian_packages() -> dict[str, Files]:
    sky, clips, stamps = "usr/endless-sky/images", "usr/openclipart/png", "usr/tuxpaint/stamps"
    lands = {
        f"{sky}/land/{name}.jpg": encoded(noise(seed, (320, 240), top=90), "JPEG")
        for seed, name in enumerate([f"{word}{n}" for word in ("sea", "valley") for n in range(9)])
    }
    grey = encoded(noise(601, (64, 64)).convert("L").convert("RGB"))
    return {
        "plasma-workspace-wallpapers": photographs(
            "usr/wallpapers/Autumn/contents/images", ["2560x1600.jpg"], 1
        ),
        "mate-backgrounds": photographs("usr/backgrounds/mate/nature", ["Storm.jpg"], 2),
        "lomiri-wallpapers-16.04": photographs("usr/backgrounds", ["Bridge_by_A.jpg"], 3),
        "krank": photographs("usr/krank/unera-backgrounds", ["menu.jpg"], 4),
        "endless-sky-data": lands
        | photographs(f"{sky}/land", ["station0.jpg"], 50)
        | {f"{sky}/ship/raven.png": transparent(51)}
        | {"usr/share/doc/endless-sky-data/copyright": COPYRIGHT},
        "ufoai-textures": textures(),
        "openclipart-png": {
            f"{clips}/animals/birds/{n}.png": transparent(600 + 10 * n) for n in range(9)
        }
        | {
            f"{clips}/animals/grey.png": grey,
            f"{clips}/animals/broken.png": b"no picture",
            f"{clips}/signs_and_symbols/flags/no.png": transparent(602),
            f"{clips}/signs_and_symbols/flags/europe/andorra.png": flag("ad", 5),
            f"{clips}/signs_and_symbols/flags/the_emirates.png": flag("bv", 5),
        },
        "sweethome3d-furniture": furniture(),
        "tuxpaint-stamps-default": {
            f"{stamps}/{folder}/{n}.png": stamp(700 + n + len(folder) * 50)
            for folder in ("animals/birds", "food/fruit")
            for n in range(12)
        },
        "ruby-gemojione": emoji("usr/gemojione/assets/png", 4),
        "iso-flags-png-320x240": {f"usr/flags/{c}.png": flag(c, 1) for c in COUNTRIES},
        "dataset-fashion-mnist": fashion(),
    }


def npm_packages() -> dict[str, Files]:
    fluent = {f"package/assets/{code}.png": transparent(3000 + n) for n, code in enumerate(GLYPHS)}
    return {
        "emoji-datasource-google-16.0.0": emoji("package/img/google/64", 2)
        | {"package/emoji.json": emoji_index()},
        "emoji-datasource-twitter-16.0.0": emoji("package/img/twitter/64", 1),
        "lobehub-fluent-emoji-3d-1.1.0": fluent,
    }


def make_deb(target: Path, name: str, files: Files, scratch: Path) -> Path:
    """A real package, by dpkg-deb."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    tree = scratch / name
    for path, data in {**files, "DEBIAN/control": _control(name)}.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(data)
    target.mkdir(parents=True, exist_ok=True)
    archive = target / f"{name}_1.0-1_all.deb"
    command = ["dpkg-deb", "--build", "--root-owner-group", "-Zgzip", str(tree), str(archive)]
    subprocess.run(command, check=True, capture_output=True)
    return archive


def _control(name: str) -> bytes:
    fields = f"Package: {name}\nVersion: 1.0-1\nArchitecture: all\nMaintainer: nobody <n@n.n>\n"
    return f"{fields}Description: pictures\n".encode()


def make_tgz(target: Path, name: str, files: Files) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tarfile.open(target / f"{name}.tgz", "w:gz") as archive:
        for path, data in files.items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))


@pytest.fixture(scope="session")
def deb() -> Callable[..., Path]:
    """Make a package: target folder, name, files, folder for scratch."""
    return make_deb


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a tiny archive of every package."""
    folder = tmp_path_factory.mktemp("packages")
    for name, files in debian_packages().items():
        make_deb(folder / "deb", name, files, tmp_path_factory.mktemp("tree"))
    for name, files in npm_packages().items():
        make_tgz(folder / "npm", name, files)
    return folder


@pytest.fixture(scope="session")
def built(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder with all sets built from the tiny packages."""
    folder = tmp_path_factory.mktemp("offline")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(locate, "COUNTS", {0: 200, 1: 60})  # of thousands
        patch.setattr(locate, "HALF", 90)
        patch.setattr(patches, "COUNT", 90)
        patch.setattr(views, "COUNT", 60)
        assert offline.fetch_and_build(folder, packages=packages, progress=False)
        yield folder
