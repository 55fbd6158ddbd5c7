"""Views for data sets that hold a list of pipelines, run each on the image and return all views."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from augself_loss.errors import PipelineError
from augself_loss.recording.multiview import MultiViewRecorder


def one_by_one(recorder: MultiViewRecorder) -> list[Callable[[Any], Any]]:
    """List what makes a recorder's views one by one and, last, what gives their packed records.

    It takes the place of a list of pipelines, as SwAV's data set holds one: what the data set
    returns is then what the recorder would have returned.

    Args:
        recorder: makes one view per pipeline of the list.

    Returns:
        A callable per view, and one more; to be called in this order on one image.

    Example:
        >>> from torchvision.transforms import v2
        >>> from augself_loss.recording.torchvision import TorchvisionRecorder
        >>> pipelines = [v2.RandomHorizontalFlip(), v2.RandomVerticalFlip()]  # dataset.trans
        >>> recorder = MultiViewRecorder([TorchvisionRecorder(one) for one in pipelines])
        >>> pipelines = one_by_one(recorder)
        >>> image = torch.rand(3, 8, 8)
        >>> view1, view2, packed = [one(image) for one in pipelines]
        >>> packed.shape
        torch.Size([2, 3])
    """
    return [_One(recorder, number) for number in range(len(recorder.recorders) + 1)]


class _Pending(threading.local):
    """The image whose views this thread is making."""

    def __init__(self) -> None:
        self.begin(None, None)

    def begin(self, recorder: MultiViewRecorder | None, image: Any) -> None:
        self.recorder, self.image = recorder, image
        self.records: list[Tensor] = []


_pending = _Pending()


class _One:
    """Makes one of the views, or after the last their packed records.

    Args:
        recorder: makes the views.
        number: which one it is.
    """

    def __init__(self, recorder: MultiViewRecorder, number: int) -> None:
        self.recorder, self.number = recorder, number

    def __call__(self, image: Any) -> Any:
        """Make it.

        Raises:
            PipelineError: it is not its turn.
        """
        if self.number == 0:
            _pending.begin(self.recorder, image)
        elif (
            _pending.recorder is not self.recorder
            or _pending.image is not image
            or len(_pending.records) != self.number
        ):
            _pending.begin(None, None)
            raise PipelineError(
                f"one_by_one expected its {len(self.recorder.recorders) + 1} entries to be called "
                f"in order on the same image, found entry {self.number + 1} called out of order, "
                "or on another image. Call all of them in order, or call the recorder itself, "
                "which makes all views at once."
            )
        if self.number == len(self.recorder.recorders):
            packed = torch.stack(_pending.records)
            _pending.begin(None, None)
            return packed
        view, record = self.recorder.bits_of_view(self.number, image)
        _pending.records.append(record)
        return view
