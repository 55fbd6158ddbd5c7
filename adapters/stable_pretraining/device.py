"""Records stable-pretraining's augmentation on the device, whose records its views do not carry.

The host's chains run Kornia's operations one after another on a batch. ``StackedMultiView`` and
``MultiView`` drop what the operations drew, so it is read from the operations themselves, straight
after the chain ran.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from augself_loss.errors import PipelineError, missing_extra
from augself_loss.recording.names import is_listed

try:
    from stable_pretraining.data import gpu_transforms
except ImportError as error:
    module = "augself_loss.adapters.stable_pretraining"
    raise missing_extra(module, "stable-pretraining", "stable-pretraining") from error

host: Any = gpu_transforms
FIXED = (host.ToDevice, host.GPUNormalize)
"""Without randomness, and keeping the view's frame."""


class Chain(nn.Sequential):
    """A host's chain of augmentations as a function of images, and its operations as children.

    Args:
        chain: what runs; Kornia's modules in it are read after it ran.
        source: key of the images in the dict that the chain takes.
        ignore: steps or classes that are not read.

    Raises:
        PipelineError: a step that is not known, by name.
    """

    runs_children_in_order = True
    """For ``KorniaRecorder``, which refuses containers with a ``forward`` of their own."""

    def __init__(self, chain: nn.Module, source: str, ignore: tuple[Any, ...]) -> None:
        super().__init__(*operations(chain, ignore))
        self.held = (chain,)  # no child: the children are the operations alone
        self.source = source

    def forward(self, images: Tensor) -> Tensor:
        """Augment images (B, C, H, W)."""
        views: Tensor = self.held[0]({self.source: images})[self.source]
        return views


def operations(chain: nn.Module, ignore: tuple[Any, ...]) -> Iterator[nn.Module]:
    """List Kornia's modules in a chain, in order.

    Raises:
        PipelineError: a step that is none of the host's.
    """
    if is_listed(chain, ignore) or isinstance(chain, FIXED):
        return
    if isinstance(chain, (host.GPUCompose, nn.Sequential)):
        steps: Any = getattr(chain, "transforms", chain)
        for step in steps:
            yield from operations(step, ignore)
    elif isinstance(chain, host._KorniaWrap):
        yield chain.kornia_op
    else:
        name = type(chain).__name__
        raise PipelineError(
            "StablePretrainingRecorder expected transforms from gpu_transforms on the device, "
            f"found '{name}'. Use one of them, or leave it out of the record with ignore=[{name}]."
        )
