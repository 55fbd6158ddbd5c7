"""The paper's comparison, redone by one command: ``python -m transfer`` in this folder's parent."""

import sys
import time
from pathlib import Path

BEGAN = time.time()
"""When this process began: before it loaded PyTorch and Lightning, which takes seconds."""

# The pictures that come with the examples, and their small network, are used here too.
sys.path.append(str(Path(__file__).parents[2] / "examples"))
