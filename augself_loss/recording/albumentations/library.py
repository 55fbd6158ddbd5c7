"""The one place that imports albumentations, and looks whether it is the one that is read."""

from __future__ import annotations

from types import ModuleType

from augself_loss.errors import PipelineError, missing_extra

MODULE = "augself_loss.recording.albumentations"

try:
    import albumentations as A  # noqa: N812 - as albumentations' own documentation writes it
except ImportError as error:
    raise missing_extra(MODULE, "albumentations", "albumentations") from error


def check_library(found: ModuleType) -> None:
    """Refuse AlbumentationsX, which bears the same name and draws and applies otherwise.

    Args:
        found: what was imported as albumentations.

    Raises:
        PipelineError: it is not albumentations 2.0.
    """
    if not found.__version__.startswith("2.0.") or hasattr(
        found.BasicTransform, "sample_parameters"
    ):
        raise PipelineError(
            f"{MODULE} expected albumentations 2.0.8, found version {found.__version__}, which "
            "draws, names and applies in another way. Install the last one of the MIT licence: "
            "pip uninstall albumentationsx; pip install 'augself-loss[albumentations]'."
        )


__all__ = ["A", "check_library"]
