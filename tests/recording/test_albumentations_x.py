"""AlbumentationsX bears albumentations' name and works otherwise: it is refused by name."""

from __future__ import annotations

from importlib import metadata

import pytest

try:
    VERSION = metadata.version("albumentationsx")
except metadata.PackageNotFoundError:
    pytest.skip("AlbumentationsX is not installed", allow_module_level=True)
import albumentations as A  # noqa: N812

from augself_loss.errors import PipelineError
from augself_loss.recording.albumentations import AlbumentationsRecorder


def test_it_is_refused_by_name() -> None:
    assert A.__version__ == VERSION
    with pytest.raises(PipelineError, match=f"found version {VERSION}.*albumentationsx"):
        AlbumentationsRecorder(A.Compose([A.HorizontalFlip()]))
