"""What a network was trained to read, kept beside its state: no key and no tensor of its own."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch import nn

KEY = "trained_with"


class LoadedEncodersWarning(UserWarning):
    """A checkpoint was trained with other encoders than those of the loss it was loaded into."""


class TrainedWith(nn.Module):
    """A module whose checkpoints tell which encoders it was trained with.

    They stand in the metadata that PyTorch keeps with a ``state_dict``. Where a host drops these,
    nothing is compared.

    Attributes:
        trained_with: name → description. Equal descriptions mean equal targets.
    """

    trained_with: Mapping[str, str] = {}

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        metadata = getattr(destination, "_metadata", None)
        if metadata is not None:
            metadata[prefix[:-1]][KEY] = dict(self.trained_with)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Mapping[str, Any], *args: Any
    ) -> None:
        before = local_metadata.get(KEY, {})
        differing = [n for n, now in self.trained_with.items() if before.get(n, now) != now]
        if differing:
            name = differing[0]
            warnings.warn(
                f"The checkpoint was trained with {before[name]}, this {type(self).__name__} was "
                f"built with {self.trained_with[name]}: its '{name}' reads and predicts in other "
                "units. Build it with the encoders of that training, encoders=recorder.encoders, "
                "unless you changed the augmentation on purpose.",
                LoadedEncodersWarning,
                stacklevel=2,
            )
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *args)
