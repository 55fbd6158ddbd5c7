"""The library's own errors: everything it refuses is one of these, and a ``ValueError``."""

from __future__ import annotations


class AugSelfError(ValueError):
    """Base of every error that augself-loss raises on a user's mistake."""


class EncoderError(AugSelfError):
    """An encoder was built from ranges that cannot carry a target."""


class NothingVariesError(EncoderError):
    """An encoder was built from ranges that hold nothing but one value."""


class RecordError(AugSelfError):
    """A view record does not fit: entries, shapes, values, or the batch it came from."""


class FeatureError(AugSelfError):
    """Features do not fit: rank, width, batch size, device, or values."""


class LossError(AugSelfError):
    """The loss was set up wrongly: types, weights, pairs, optimizer, or heads to load."""


class PipelineError(AugSelfError):
    """An augmentation pipeline cannot be recorded faithfully."""


class ImageError(AugSelfError):
    """Images are not what the pipeline works on: dtype, range, or shape."""


def missing_extra(module: str, needs: str, extra: str) -> ImportError:
    """Make the error of an optional dependency that is not installed.

    Args:
        module: the module that needs it.
        needs: the package that is missing.
        extra: the extra of this library that brings it.
    """
    return missing_package(module, needs, f"pip install 'augself-loss[{extra}]'")


def missing_package(module: str, needs: str, command: str) -> ImportError:
    """Make the error of a package that is not installed and that no extra can bring.

    Args:
        module: the module that needs it.
        needs: the package that is missing.
        command: what installs it.
    """
    return ImportError(f"{module} needs {needs}; run `{command}`.")
