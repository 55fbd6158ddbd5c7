"""Records a host's transform that makes its views by a pipeline each, one recorder per pipeline."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, ClassVar, TypeVar

from augself_loss.encoders import Encoder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.names import check_ignore
from augself_loss.recording.recorder import CallableRecorder
from augself_loss.recording.reported import Apply

R = TypeVar("R")


def per_pipeline(pipelines: Sequence[Any], make: Callable[[Any], R]) -> list[R]:
    """Make a recorder for every view; views of one and the same pipeline share theirs.

    Args:
        pipelines: one per view; the same object may make several.
        make: pipeline → its recorder.

    Returns:
        One recorder per view.

    Example:
        >>> flip, crop = ["flip"], ["crop"]
        >>> first, second, third = per_pipeline([flip, crop, flip], list)
        >>> first is third
        True
    """
    made = {key: make(pipeline) for key, pipeline in {id(p): p for p in pipelines}.items()}
    return [made[id(pipeline)] for pipeline in pipelines]


class PipelinesRecorder(MultiViewRecorder, ABC):
    """What recorders of hosts' multi-view transforms share; a host says where the pipelines are.

    Args:
        transform: the host's.
        encoders, register, ignore, types: of every view's recorder, see
            :class:`~augself_loss.recording.recorder.CallableRecorder`.

    Attributes:
        layout: entries that every view's record holds.
        encoders: encoders of the recorded types, with this transform's ranges.

    Raises:
        PipelineError: fewer than two views, or a random transform that is not known, by name.

    Example:
        >>> from torchvision.transforms import v2
        >>> from augself_loss.recording.torchvision import TorchvisionRecorder
        >>> class Recorder(PipelinesRecorder):
        ...     view_recorder = TorchvisionRecorder
        ...     def pipelines(self, transform):
        ...         return [transform["strong"], transform["weak"]]
        >>> strong = v2.Compose([v2.RandomHorizontalFlip(), v2.RandomInvert()])
        >>> list(Recorder({"strong": strong, "weak": v2.RandomHorizontalFlip()}).layout)
        ['flip', 'invert']
    """

    view_recorder: ClassVar[type[CallableRecorder]]
    """Records one view's pipeline."""

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        types: Iterable[str] = (),
    ) -> None:
        encoders, ignore, types = tuple(encoders), check_ignore(ignore), tuple(types)

        def recorder(pipeline: Any) -> CallableRecorder:
            return self.view_recorder(
                pipeline, encoders=encoders, register=register, ignore=ignore, types=types
            )

        super().__init__(per_pipeline(self.pipelines(transform), recorder))

    @abstractmethod
    def pipelines(self, transform: Any) -> Sequence[Any]:
        """List the pipelines of a transform's views, view by view.

        Raises:
            PipelineError: no such transform.
        """
