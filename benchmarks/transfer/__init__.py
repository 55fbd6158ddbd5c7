"""The paper's comparison, redone by one command: ``python -m transfer`` in this folder's parent."""

import sys
from pathlib import Path

# The pictures that come with the examples, and their small network, are used here too.
sys.path.append(str(Path(__file__).parents[2] / "examples"))
