"""What is noted of a step at its taps: which images led to which call, and what it returned."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from augself_loss.hosting.marks import Images

MOST = 32
"""As many times a step's views may pass its taps: more are those of another step, or of validation
after a step whose term was never asked for."""


@dataclass
class Seen(Images):
    """Images that a module was given, and what is known of them.

    Args:
        images: ``(N, …)``.
        views: the view whose own tensor they are; several where one tensor is several views.
        written: how often something had been written into them, see :func:`version`.
        made: what a module beside a tap returned for them.
    """

    views: tuple[int, ...]
    written: int | None
    made: Tensor | None = None

    @property
    def changed(self) -> bool:
        """Whether something was written into the images since."""
        return version(self.images) != self.written


@dataclass
class Frame:
    """One run of a module that holds taps: its images, and how often each tap ran in it."""

    seen: list[Seen]
    runs: dict[str, int] = field(default_factory=dict)


@dataclass
class Call:
    """One call of a tapped submodule.

    Args:
        tap: the submodule's name.
        module: the submodule.
        output: what it returned.
        sources: images that may be those of the output's rows, from its own input outwards, each
            with the run of the module around it that was given them.
        entrance: name of the innermost module around it, or itself, that was given images.
    """

    tap: str
    module: nn.Module
    output: Tensor
    sources: list[tuple[Seen, Frame | None]]
    entrance: str | None = None

    def __post_init__(self) -> None:
        # The next layer may write into the output: relu_(), or f /= f.norm().
        self._copy, self._version = self.output.clone(), version(self.output)

    @property
    def feature(self) -> Tensor:
        """What the submodule returned, whatever was written into it since."""
        same = self._version is not None and version(self.output) == self._version
        return self.output if same else self._copy

    def source(self, keeps_order: Callable[[str, Tensor, Tensor], bool]) -> Seen | None:
        """Find the images of the output's rows: the farthest out that still has them in order.

        Args:
            keeps_order: says of a tap, nearer images and farther ones whether the nearer are the
                farther in their order.

        Returns:
            ``None`` where the images were given to several calls, so that none can say which of
            their rows are this one's.
        """
        found: Seen | None = None
        for seen, frame in self.sources:
            again = frame is not None and frame.runs[self.tap] > 1
            if again or (found is not None and (found.changed or seen.changed)):
                break
            if found is not None and not keeps_order(self.tap, found.images, seen.images):
                break
            found = seen
            if found.views:
                break
        return found


class Watch:
    """What the hooks share: the views of the step that runs, and the calls in it."""

    def __init__(self) -> None:
        self.active = self.open = self.training = False
        self.clear()

    def clear(self) -> None:
        """Forget the step."""
        self.root: nn.Module | None = None
        self.views: Sequence[Tensor] = []
        self.calls: list[Call] = []
        self.rows = 0
        self._versions: dict[int, int | None] = {}
        self._frames: dict[str, Frame] = {}
        self._entered: dict[str, list[Seen]] = {}
        self._beside: dict[str, list[Seen]] = {}

    def start(self, root: nn.Module, views: Sequence[Tensor]) -> None:
        """Begin a step of a host's module."""
        self.clear()
        self.root, self.views, self.training = root, views, root.training
        self.active = self.open = True
        for number in range(len(views)):
            self.is_changed(number)

    def is_changed(self, number: int) -> bool:
        """Whether something was written into a view since it was first looked at."""
        now = version(self.views[number])
        return self._versions.setdefault(number, now) != now

    def enter(self, name: str, given: Iterable[Any]) -> None:
        """Note what a module that holds taps, or is one, was given."""
        self._frames[name] = Frame(self._seen(given))
        self._beside.pop(name, None)

    def enter_beside(self, name: str, given: Iterable[Any]) -> None:
        """Note what a module that runs before a tap, beside it, was given."""
        self._entered[name] = self._seen(given)

    def leave_beside(self, name: str, made: Tensor | None) -> None:
        """Note what it made of that."""
        for seen in self._entered.pop(name, []):
            seen.made = made
            self._beside.setdefault(name.rpartition(".")[0], []).append(seen)

    def leave(self, name: str) -> Frame:
        """Note that a module that holds taps, or is one, returned."""
        return self._frames.pop(name, None) or Frame([])

    def returned(self, tap: str, module: nn.Module, own: Frame, output: Tensor) -> None:
        """Write down a call, with the images that it was given, or that led to it."""
        levels: list[tuple[list[Seen], Frame | None]] = [(own.seen, None)]
        entrance = tap if own.seen else None
        around = tap
        while around:
            inmost, around = around == tap, around.rpartition(".")[0]
            beside = self._beside.get(around, [])
            if output.grad_fn is not None:
                beside = _leading_to(output, beside)
            else:  # nothing tells what led here but that it was the last, in the same network
                self._beside.pop(around, None)
                beside = beside if inmost and around else []
            levels.append((beside, None))
            frame = self._frames.get(around)
            if frame is not None:
                frame.runs[tap] = frame.runs.get(tap, 0) + 1
                levels.append((frame.seen, frame))
                entrance = around if frame.seen and entrance is None else entrance
        sources = []
        for seen, run in levels:
            if seen:
                chosen = _chosen(seen, len(output))
                if chosen is None:
                    break
                sources.append((chosen, run))
        self.calls.append(Call(tap, module, output, sources, entrance))
        self.rows += len(output)
        if self.overrun:  # else they would take memory until the next step, epochs later perhaps
            self.calls.clear()
            self.active = False

    @property
    def overrun(self) -> bool:
        """Whether so many images passed that they cannot be one step's."""
        most = MOST * sum(map(len, self.views))
        return self.rows > most > 0  # a host may name its views while its step runs

    def _seen(self, given: Iterable[Any]) -> list[Seen]:
        found: dict[int, Seen] = {}
        for value in given:
            if isinstance(value, Tensor) and any(is_alike(value, view) for view in self.views):
                found[id(value)] = Seen(value, self._known(value), version(value))
        return list(found.values())

    def _known(self, given: Tensor) -> tuple[int, ...]:
        numbers = (i for i, view in enumerate(self.views) if _same(given, view))
        return tuple(i for i in numbers if not self.is_changed(i))

    def __getstate__(self) -> dict[str, Any]:
        """Copy and pickle as silent: a copied module is not the one that is watched."""
        return vars(Watch())


def _chosen(seen: list[Seen], rows: int) -> Seen | None:
    """Choose the images of a call among what a module was given: the only ones, or those known."""
    fitting = [one for one in seen if len(one.images) == rows]
    if len(fitting) == 1:
        return fitting[0]
    known = [one for one in fitting if one.views]
    return known[0] if len(known) == 1 else None


def version(tensor: Tensor) -> int | None:
    """Count the writes into a tensor; ``None`` for one of inference mode, which keeps no count."""
    return None if tensor.is_inference() else tensor._version


def is_alike(images: Tensor, view: Tensor) -> bool:
    """Whether images have a view's form, or are such images flattened, whatever their number."""
    if images.is_nested or images.ndim == 0:
        return False
    flat = images.ndim == 2 and images.shape[1] == view.shape[1:].numel()
    return images.shape[1:] == view.shape[1:] or flat


def _same(given: Tensor, view: Tensor) -> bool:
    """Whether this is the view's own tensor, or one over the same memory, perhaps flattened."""
    if given is view:
        return True
    if given.dtype != view.dtype or len(given) != len(view) or given.numel() != view.numel():
        return False
    alike = given.shape == view.shape and given.stride() == view.stride()
    folded = given.is_contiguous() and view.is_contiguous()
    return (alike or folded) and given.data_ptr() == view.data_ptr() != 0


def _leading_to(output: Tensor, beside: list[Seen]) -> list[Seen]:
    """Keep what an output was computed from, by the graph of its gradient.

    Args:
        output: what a tap returned, with a gradient.
        beside: images given to modules that ran before it, with what these made of them.
    """
    wanted: dict[Any, Seen] = {s.made.grad_fn: s for s in beside if s.made is not None}
    wanted.pop(None, None)
    found, nodes, known = [], [output.grad_fn], {output.grad_fn}
    while nodes and wanted:
        node = nodes.pop()
        if node in wanted:
            found.append(wanted.pop(node))
        inner = {each for each, _ in getattr(node, "next_functions", ()) if each is not None}
        nodes += inner - known
        known |= inner
    return found
