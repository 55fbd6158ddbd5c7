"""The one place that imports albumentations, and looks whether it is the one that is read."""

from __future__ import annotations

from types import ModuleType

from augself_loss.errors import PipelineError, missing_extra

MODULE = "augself_loss.recording.albumentations"
TESTED = ("2.0.7", "2.0.8")
"""The last versions of albumentations; earlier ones pad otherwise, or lack transforms."""

try:
    import albumentations as A  # noqa: N812 - as albumentations' own documentation writes it
except ImportError as error:
    raise missing_extra(MODULE, "albumentations", "albumentations") from error


def check_library(found: ModuleType) -> None:
    """Refuse what bears the same name and works otherwise: AlbumentationsX, older versions.

    Args:
        found: what was imported as albumentations.

    Raises:
        PipelineError: it is none of the versions that were tested.
    """
    if found.__version__ not in TESTED:
        raise PipelineError(
            f"{MODULE} expected albumentations {' or '.join(TESTED)}, found version "
            f"{found.__version__}, which works differently. Install the last MIT-licensed "
            "version: pip uninstall albumentationsx; pip install 'augself-loss[albumentations]'."
        )


__all__ = ["A", "check_library"]
