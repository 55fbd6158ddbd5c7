"""When a run has to stop, and how it says that it stopped in time."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass

from transfer.errors import TransferError

EXIT = 75
"""Exit status of a run that stopped in time: not failed, to go on later."""


class TimeUpError(TransferError):
    """Time is up; what is finished is kept, and the same command goes on from there."""


@dataclass(frozen=True)
class Deadline:
    """A time by which a run has stopped.

    Args:
        until: seconds since 1970; all the time there is by default.
    """

    until: float = math.inf

    @classmethod
    def after(cls, minutes: float | None, since: float | None = None) -> Deadline:
        """Set a time so many minutes from now, or since another; ``None`` sets none."""
        if minutes is None:
            return cls()
        return cls((time.time() if since is None else since) + 60 * minutes)

    @property
    def left(self) -> float:
        """Seconds that are left, negative when it is past."""
        return self.until - time.time()

    def check(self) -> None:
        """Stop here if time is up.

        Raises:
            TimeUpError: it is.
        """
        if self.left <= 0:
            raise TimeUpError("Time is up. The same command goes on from here.")


NEVER = Deadline()
