"""Where MMPretrain's batches hold the records, and its backbones' outputs the features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from augself_loss.adapters.mmpretrain.data import KEY
from augself_loss.eager import eager
from augself_loss.errors import RecordError
from augself_loss.hosting.term import Term, detached

LOG = "augself/"
"""In front of every logged name."""


@dataclass
class Step(Term):
    """What an algorithm's ``loss`` is wrapped in.

    Args:
        mark: of the layout in which the pipeline shall have made the records; ``None`` where the
            data preprocessor makes them.
    """

    mark: int | None = None

    @eager
    def separate(self, inputs: Any, samples: Any) -> list[Tensor]:
        """Find the views in a batch, and keep their records.

        Args:
            inputs: what the data preprocessor returned.
            samples: the batch's ``DataSample`` objects.

        Raises:
            RecordError: no list of views, or no records, or those of another pipeline.
        """
        if not isinstance(inputs, (list, tuple)):
            raise RecordError(
                f"AugSelf expected a list of views, found {type(inputs).__name__}. Use "
                "RecordedMultiView in the data set's pipeline."
            )
        if self.mark is None:
            return self.take(inputs)
        packed = _packed(samples, self.mark).to(inputs[0].device, non_blocking=True)
        return self.take([*inputs, packed])

    @eager
    def term(self, augself: Any) -> dict[str, Tensor]:
        """Compute ``augself/total``, to be added to the loss, and what is logged beside it."""
        out = self.compute(augself)
        return {f"{LOG}{name}": v for name, v in {**detached(out), "total": out.total}.items()}


def _packed(samples: Any, mark: int) -> Tensor:
    """Stack the samples' records, ``(B, N, P)`` int32."""
    listed = list(samples or ())
    if not listed or any(KEY not in sample for sample in listed):
        found = sorted(listed[0].all_keys()) if listed else "no data samples"
        raise RecordError(
            f"AugSelf expected the records '{KEY}' in every data sample, found {found}. Use "
            "RecordedMultiView in place of MultiView, and pack the records: "
            f"dict(type='PackInputs', algorithm_keys=('{KEY}',))."
        )
    rows = np.stack([np.asarray(sample.get(KEY)) for sample in listed])
    if (rows[..., -1] != mark).any():
        raise RecordError(
            "AugSelf expected the records of augself.pipeline, found those of another pipeline. "
            "Give the data set and augself=dict(pipeline=…) the same one; a config that replaces "
            "an inherited pipeline must replace both."
        )
    return torch.from_numpy(rows)


def last_map(output: Any) -> Any:
    """Take the last of a backbone's maps: MMPretrain's return one per stage that was asked for."""
    return output[-1] if isinstance(output, (tuple, list)) and output else output
