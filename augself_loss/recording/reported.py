"""Runs a callable that says nothing of what it did, by a function that does."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from torch import nn

from augself_loss.encoders import Encoder
from augself_loss.encoders.base import Columns, Step
from augself_loss.errors import PipelineError
from augself_loss.recording.names import name_of
from augself_loss.recording.notes import note
from augself_loss.recording.reports import Entries, Reports

Apply: TypeAlias = Callable[[Any, Any], "tuple[Any, Columns | Entries | None]"]
"""``apply(transform, image) → (view, columns)``: its encoder's columns, or several entries by name;
``None`` where nothing was applied."""
Size: TypeAlias = "tuple[int, int]"
"""Height and width in pixels."""

TWO_VIEWS = (
    "A record describes one view. Let the wrapper make one view, or use ViewsRecorder(transform) "
    "for an object that makes several, or MultiViewRecorder(TorchvisionRecorder(pipeline), "
    "views=2)."
)


def check_register(register: Any) -> dict[Any, tuple[Encoder, Apply]]:
    """Look at the form of what a user registers.

    Args:
        register: callable or class → ``(encoder, apply)``; ``None`` for nothing.

    Raises:
        PipelineError: it is of another form.
    """
    given = {} if register is None else register
    if not isinstance(given, Mapping):
        raise PipelineError(
            "register expected a dict from a callable or its class to (encoder, apply), found a "
            f"{type(given).__name__}. Write register={{MyBlur: (BlurEncoder(), apply)}}."
        )
    for key, pair in given.items():
        listed = isinstance(pair, (tuple, list)) and len(pair) == 2
        if not (listed and isinstance(pair[0], Encoder) and callable(pair[1])):
            kinds = map(_kind, pair) if isinstance(pair, (tuple, list)) else [_kind(pair)]
            raise PipelineError(
                f"register expected an encoder and a function for '{name_of(key)}', found "
                f"{' and '.join(kinds) or 'nothing'}. Write {{{name_of(key)}: (encoder, apply)}}: "
                "an encoder such as BlurEncoder(), and apply(callable, image), which returns the "
                "view and the encoder's columns."
            )
    return {key: tuple(pair) for key, pair in given.items()}


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__


def run_reporting(apply: Apply, transform: Any, image: Any) -> tuple[Any, Columns | Entries | None]:
    """Run a callable by the function that is known for it.

    Args:
        apply: the function.
        transform: the callable.
        image: what it is given; of albumentations the data.

    Returns:
        The view, and what the function reports.

    Raises:
        PipelineError: it takes other arguments, takes them in another order, or returns no pair.
    """
    try:
        pair = apply(transform, image)
    except (TypeError, AttributeError) as error:
        if _is_deep(error):
            raise
        raise PipelineError(
            f"The function registered for '{name_of(transform)}' failed, {type(error).__name__}: "
            f"{textwrap.shorten(str(error), 100)}. It is called as apply(callable, image), the "
            "callable first."
        ) from error
    if not (isinstance(pair, tuple) and len(pair) == 2):
        found = f"a tuple of {len(pair)}" if isinstance(pair, tuple) else _kind(pair)
        raise PipelineError(
            f"The function registered for '{name_of(transform)}' expected to return two things, "
            f"the view and its encoder's columns, found {found}. Write return view, (value,), or "
            "return view, None where nothing was applied."
        )
    return pair


def _is_deep(error: Exception) -> bool:
    """Whether an error came from something that the called function called in its turn."""
    own = error.__traceback__
    called = None if own is None else own.tb_next
    return called is not None and called.tb_next is not None


class Reported(nn.Module):
    """A callable, run by the function that is known for it.

    Args:
        transform: the callable.
        encoders: those of the record entries that it writes.
        apply: runs it and reports columns, those of the first encoder where no names say whose.
        size_of: reads the size of what it is given.
    """

    def __init__(
        self,
        transform: Any,
        encoders: Sequence[Encoder],
        apply: Apply,
        size_of: Callable[[Any], Size],
    ) -> None:
        super().__init__()
        self.transform, self.apply_to, self.size_of = transform, apply, size_of
        self._reports = Reports(encoders)

    def forward(self, *images: Any) -> Any:
        """Run the callable and note what it reports.

        Raises:
            PipelineError: the function or what it reports is of another form than it should be.
        """
        image = as_given(images)
        size = self.size_of(image)
        view, told = run_reporting(self.apply_to, self.transform, image)
        name = name_of(self.transform)
        if told is not None:
            note(Step(name, {}, {}, size), self._reports.read(name, told))
        return check_one_view(view, image, name)


def as_given(images: tuple[Any, ...]) -> Any:
    """Return the one image that a callable was given, or what a sample consists of, as a tuple."""
    return images if len(images) > 1 else images[0]


def check_one_view(view: Any, image: Any, name: str) -> Any:
    """Pass a view on, and refuse several.

    Raises:
        PipelineError: a list or tuple of views, where one image was given.
    """
    if isinstance(view, (list, tuple)) and not isinstance(image, (list, tuple)):
        raise PipelineError(
            f"Expected '{name}' to return one view, found a {type(view).__name__} of {len(view)}. "
            f"{TWO_VIEWS}"
        )
    return view
