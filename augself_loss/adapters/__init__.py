"""Where a checkout's adapters lie: beside this package, in `adapters/`.

An installed package has that folder in this place, and not this file.
"""

from pathlib import Path

__path__ = [str(Path(__file__).parents[2] / "adapters")]
