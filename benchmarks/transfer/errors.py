"""What the user can mend."""

from __future__ import annotations


class TransferError(Exception):
    """Says what was expected, what was found and what to do; commands print it and stop."""
