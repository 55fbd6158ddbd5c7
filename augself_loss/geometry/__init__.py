"""A record as maps: where a view's pixels lie in its source and in another view.

Points are (x, y) in pixels, x to the right and y down. The centre of the top-left pixel is (0, 0),
that of the last one (width − 1, height − 1), as in Kornia's ``transform_matrix``; an image reaches
half a pixel further. All functions work on a batch, wait for no device, and compute in the
record's dtype, whatever autocast and TF32 are set to.
"""

from __future__ import annotations

from augself_loss.geometry.mapping import between, matrix
from augself_loss.geometry.overlapping import Overlap, overlap
from augself_loss.geometry.pixels import Pixels
from augself_loss.geometry.sampling import grid

__all__ = ["Overlap", "Pixels", "between", "grid", "matrix", "overlap"]
