"""Old names that still work for one minor version, and say which is the new one."""

from __future__ import annotations

import os
import sys
import warnings
from pathlib import Path

import torch

SKIPPED = tuple(
    f"{Path(str(module.__file__)).parent}{os.sep}"
    for module in (sys.modules["augself_loss"], torch)
)
"""Folders whose frames do not count as the caller: this library's and PyTorch's."""


def deprecated(old: str, new: str, *, since: str) -> None:
    """Warn, at the line of user code that used it, that a name was replaced.

    Call it where the old name is still served. It says nothing while ``torch.compile`` traces.

    Args:
        old: the name that was used, as a user writes it.
        new: what to use instead, as a sentence goes on after "Use".
        since: the minor version that replaced it, such as ``"0.2"``. The old name works in all of
            its releases and is gone in the next minor version.

    Example:
        >>> with warnings.catch_warnings(record=True) as caught:
        ...     warnings.simplefilter("always")
        ...     deprecated("loss.weight", "'loss.weights'", since="0.2")
        >>> print(caught[0].message)
        'loss.weight' is deprecated since 0.2 and will be removed in 0.3. Use 'loss.weights'.
    """
    if torch.compiler.is_compiling():
        return
    text = (
        f"'{old}' is deprecated since {since} and will be removed in {removed_in(since)}. Use "
        f"{new}."
    )
    warnings.warn(text, DeprecationWarning, stacklevel=_level_of_caller())


def removed_in(since: str) -> str:
    """Say in which minor version a name is gone that was replaced in ``since``."""
    major, minor = map(int, since.split("."))
    return f"{major}.{minor + 1}"


def _level_of_caller() -> int:
    """Count the frames from :func:`deprecated` to the first of neither this library nor PyTorch.

    Python shows a DeprecationWarning only where ``__main__`` or a test caused it, and a module's
    call has a varying number of PyTorch's frames in between.
    """
    level, frame = 1, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(SKIPPED):
        level, frame = level + 1, frame.f_back
    return level
