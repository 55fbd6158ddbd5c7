"""Records all views of an object that makes them of pipelines which it holds.

``TwoCropsTransform``, ``TrainTransform`` and ``DataAugmentationDINO`` of public scripts are such
objects. The object's own code makes the views; each is found again by being the very object that a
call of a pipeline returned.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from PIL.Image import Image
from torch import Tensor
from torchvision.transforms import Compose

from augself_loss.encoders import Encoder
from augself_loss.errors import PipelineError
from augself_loss.recording.cast import GIVE_PIPELINES, Cast, on_stage
from augself_loss.recording.follow import REMAKE
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.names import check_ignore
from augself_loss.recording.notes import Note, logged
from augself_loss.recording.rehearsal import Script, rehearse
from augself_loss.recording.reported import Apply, check_one_view
from augself_loss.recording.rows import Row
from augself_loss.recording.torchvision.recorder import TorchvisionRecorder


class ViewsRecorder(MultiViewRecorder):
    """Runs an object that makes several views, and returns them and, last, their packed records.

    It stands in the object's place: ``ViewsRecorder(TwoCropsTransform(pipeline))``. The object is
    known by what it does: it runs pipelines that its attributes hold (alone, in lists, tuples or
    mappings) and returns their views as they are, as a list or tuple. Its own code runs, on a twin
    of it that shares its attributes, and the views are bit for bit its own under the same seeds.
    How many views there are, and of which pipelines, is found out when the recorder is made, with
    no image and without drawing; for every image it is then compared.

    Args:
        transform: the object.
        encoders, register, ignore, wrappers, types, still: for all its pipelines, see
            :class:`~augself_loss.recording.torchvision.TorchvisionRecorder`.

    Attributes:
        layout: entries that every view's record holds: those of all pipelines together.
        encoders: encoders of the recorded types, their ranges united over the pipelines.
        recorders: per view the recorder of its pipeline, or of several that it went through.

    Raises:
        PipelineError: the object holds no pipelines, draws at random itself, does more with images
            and views than passing them on, or returns no list of at least two; or a pipeline cannot
            be recorded.

    Example:
        >>> from torchvision.transforms import v2
        >>> class TwoCropsTransform:
        ...     def __init__(self, base_transform):
        ...         self.base_transform = base_transform
        ...     def __call__(self, image):
        ...         return [self.base_transform(image), self.base_transform(image)]
        >>> two_crops = ViewsRecorder(TwoCropsTransform(v2.RandomHorizontalFlip(p=1.0)))
        >>> view1, view2, packed = two_crops(torch.rand(3, 8, 8))
        >>> packed.shape
        torch.Size([2, 2])
    """

    def __init__(
        self,
        transform: Any,
        *,
        encoders: Iterable[Encoder] = (),
        register: Mapping[Any, tuple[Encoder, Apply]] | None = None,
        ignore: Iterable[Any] = (),
        wrappers: Mapping[type, str] | None = None,
        types: Iterable[str] = (),
        still: Iterable[Any] = (),
    ) -> None:
        self._cast = Cast(transform)
        self._script = rehearse(self._cast)
        self._twin = self._cast.twin()
        self._players: dict[int, _Player] = {}
        options: dict[str, Any] = {
            "encoders": tuple(encoders), "register": register, "ignore": check_ignore(ignore),
            "wrappers": wrappers, "types": tuple(types), "still": tuple(still),
        }  # fmt: skip
        made: dict[tuple[int, ...], TorchvisionRecorder] = {}
        chains = [self._pipelines(view) for view in self._script.views]
        for chain in chains:
            if chain not in made:
                made[chain] = self._recorder(chain, options)
        self._of_views = [made[chain] for chain in chains]
        super().__init__(self._of_views)
        assert self.form is not None  # all of them write rows, of the same types

    def __call__(self, image: Any) -> list[Any]:
        """Make all views of an image, and the tensor with their records.

        Args:
            image: what the object takes: a PIL image, or a tensor ``(C, H, W)``.

        Returns:
            ``[view 1, …, view N, packed]`` with ``packed`` ``(N, P)`` int32.

        Raises:
            ImageError: it is no image for the pipelines.
            PipelineError: the object did other than when the recorder was made: other pipelines,
                another order, views that it changed.
        """
        return super().__call__(image)

    def fill(self, row: Row, image: Any) -> list[Any]:
        """Make all views of an image, and write their records into a row."""
        assert self.form is not None
        self._of_views[0].check(image)
        self.follow()
        performance = _Performance(self._script, self._players, self._cast, image)
        with on_stage(performance.run):
            returned = self._twin(image)
        views = performance.views(returned)
        made = zip(self._of_views, self._script.views, self.form.starts, strict=True)
        for recorder, call, starts in made:
            recorder.write(performance.notes(call), row, starts)
        return views

    def follow(self) -> None:
        """Look whether the object holds the pipelines that it held."""
        for watch in self._cast.watches:
            watch.check({})

    def _pipelines(self, call: int) -> tuple[int, ...]:
        """List the pipelines, by number, that an image goes through on the way to a view."""
        return tuple(self._script.calls[one].pipeline for one in self._script.chain(call))

    def _recorder(self, chain: tuple[int, ...], options: Mapping[str, Any]) -> TorchvisionRecorder:
        """Make the recorder of a view's pipelines, whose parts the object will call one by one."""
        pipelines = [self._cast.pipelines[number] for number in chain]
        if len(chain) == 1:
            recorder = TorchvisionRecorder(pipelines[0], **options)
            parts = [recorder.transform]
        else:
            recorder = TorchvisionRecorder(Compose(pipelines), **options)
            parts = recorder.transform.transforms
        for number, part in zip(chain, parts, strict=True):
            self._players.setdefault(number, _Player(part, recorder))
        return recorder


class _Player:
    """Runs one pipeline.

    Args:
        pipeline: it, wired.
        recorder: the recorder that wired it, and follows its changes.
    """

    def __init__(self, pipeline: Any, recorder: TorchvisionRecorder) -> None:
        self.pipeline, self.recorder = pipeline, recorder

    def __call__(self, given: Any) -> tuple[Any, list[Note]]:
        self.recorder.follow()
        with logged() as notes:
            view = self.pipeline(given)
        return check_one_view(view, given, "The pipeline"), notes


class _Performance:
    """One call of the object, compared with its script."""

    def __init__(
        self, script: Script, players: Mapping[int, _Player], cast: Cast, image: Any
    ) -> None:
        self.script, self.players, self.cast, self.image = script, players, cast, image
        self.made: list[tuple[Any, Any, list[Note]]] = []
        """Per call its view, the view's stamp, and its notes."""

    def run(self, number: int, given: Any) -> Any:
        """Run a pipeline for the object.

        Raises:
            PipelineError: it is not that one's turn, or it is given something else.
        """
        calls, place = self.script.calls, len(self.made)
        if place == len(calls) or calls[place].pipeline != number:
            raise self._other("its pipelines called in another order or number")
        source = calls[place].source
        if given is not (self.image if source is None else self.made[source][0]):
            raise self._other("a pipeline called on another image than before")
        if number in self.players:
            view, notes = self.players[number](given)
        else:  # no view comes of it
            view, notes = self.cast.pipelines[number](given), []
        self.made.append((view, _stamp(view), notes))
        return view

    def views(self, returned: Any) -> list[Any]:
        """List the views that the object returned.

        Raises:
            PipelineError: they are not those that its pipelines made.
        """
        listed = list(returned) if isinstance(returned, (list, tuple)) else []
        if len(self.made) != len(self.script.calls) or len(listed) != len(self.script.views):
            raise self._other(f"{len(listed)} views from {len(self.made)} calls of its pipelines")
        for view, call in zip(listed, self.script.views, strict=True):
            made, stamp, _ = self.made[call]
            if view is not made or _stamp(view) != stamp:
                raise self._other("views that its pipelines did not make, or in another order")
        return listed

    def notes(self, call: int) -> list[Note]:
        """List the notes of all steps that led to a call's view."""
        return [note for one in self.script.chain(call) for note in self.made[one][2]]

    def _other(self, found: str) -> PipelineError:
        name, views = type(self.cast.holder).__name__, len(self.script.views)
        return PipelineError(
            f"Expected '{name}' to return {views} views, unchanged from its pipelines, as when "
            f"its recorder was made, found {found}. {REMAKE}, after you change the object. "
            f"{GIVE_PIPELINES}"
        )


def _stamp(view: Any) -> Any:
    """Say of a view what differs once it was changed in place."""
    if isinstance(view, Tensor):
        return None if view.is_inference() else view._version
    return view.tobytes() if isinstance(view, Image) else None
