"""Walks a Kornia pipeline before the first image: what it holds, and what no record can tell."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import FunctionType, MethodType
from typing import Any, Literal, NamedTuple

from kornia.augmentation import ImageSequential, MixAugmentationBaseV2
from torch import nn

from augself_loss.encoders.base import Step
from augself_loss.errors import PipelineError
from augself_loss.recording.catalogue import Catalogue
from augself_loss.recording.kornia.known import CONTAINERS, FIXED, is_host, unknown
from augself_loss.recording.kornia.params import config_of
from augself_loss.recording.names import is_listed
from augself_loss.recording.plan import NOTHING, Branch, Leaf, Node, leaves

CALLED = frozenset({"__call__", "__iter__", "__len__", "__getitem__", "__getattr__"})
"""Special methods through which a container finds and runs its children."""
HARMLESS = frozenset({"extra_repr", "train", "eval", "to", "state_dict", "load_state_dict"})
"""What a container's subclass may override without running its children otherwise."""


class Place(NamedTuple):
    """Where in a pipeline a module stands.

    Args:
        drawn: some container around it draws which children to run, or in which order.
        again: some Kornia container around it may run it twice in one call.
        told: the Kornia container around it says what images are, and not their keys.
    """

    drawn: bool = False
    again: bool = False
    told: bool = False


class Wiring:
    """Finds the modules of a pipeline that are recorded, and refuses what is not known.

    Args:
        catalogue: the encoders that read Kornia's augmentations.
        ignore: modules or classes whose randomness shall not be recorded.

    Attributes:
        config: recorded module → how it is built.
        inert: modules that can never change a view, as they are built.
        fixed: modules without randomness.
        containers: containers whose children are read.
        ignored: the outermost modules that are left out of the record.
    """

    def __init__(self, catalogue: Catalogue, ignore: tuple[Any, ...]) -> None:
        self.catalogue = catalogue
        self.ignore = ignore
        self.config: dict[nn.Module, Mapping[str, Any]] = {}
        self.inert: list[nn.Module] = []
        self.fixed: list[nn.Module] = []
        self.containers: list[nn.Module] = []
        self.ignored: list[nn.Module] = []

    def is_ignored(self, module: nn.Module) -> bool:
        """Whether the user wants a module's randomness left out."""
        return is_listed(module, self.ignore)

    def wire(self, module: nn.Module, place: Place = Place()) -> Node:  # noqa: B008 - immutable
        """Walk a module and its children.

        Raises:
            PipelineError: no record can tell what a module does.
        """
        name = type(module).__name__
        if self.is_ignored(module):
            self.ignored.append(module)
            return NOTHING
        # A user's class may bear Kornia's name: only the user's own encoders read it.
        own = self.catalogue.knows(name, own=True)
        if is_host(module) and name in FIXED and not own:
            return self._wire_fixed(module, place)
        if isinstance(module, CONTAINERS) and not own:
            return self._wire_container(module, place)
        if not (own or (is_host(module) and self.catalogue.knows(name))):
            raise unknown(module)
        return self._wire_leaf(module, place)

    def _wire_fixed(self, module: nn.Module, place: Place) -> Node:
        _check_patches(module)
        odds = odds_of(module)
        if not isinstance(module, nn.Identity) and (place.drawn or not odds <= {0.0, 1.0}):
            name = type(module).__name__
            found = "under random_apply" if place.drawn else f"p={min(odds):g}"
            raise PipelineError(
                f"Expected '{name}' to be applied always, found {found}: no encoder records when "
                "it was applied. Set p=1 and move it out of the container with random_apply, or "
                f"leave it out of the record with ignore=[{name}]."
            )
        self.fixed.append(module)
        return NOTHING

    def _wire_container(self, module: Any, place: Place) -> Node:
        _check_patches(module)
        name, other = type(module).__name__, overridden(module)
        if other:
            raise PipelineError(
                f"Expected '{name}' to run its children as Kornia's containers do, found its own "
                f"{', '.join(other[:3])}: KorniaRecorder cannot tell which of them it applied. "
                "Use p= or ImageSequential(..., random_apply=1), pass an encoder that reads it "
                f"(encoders=[MyEncoder()]), or leave it out of the record with ignore=[{name}]."
            )
        if not place.told:
            _check_keys(module)
        repeats = may_repeat(module)
        tracked = isinstance(module, ImageSequential)
        inside = Place(
            drawn=place.drawn or bool(getattr(module, "random_apply", False)),
            again=(place.again or repeats) if tracked else False,
            told=tracked,
        )
        self.containers.append(module)
        children = [self.wire(child, inside) for child in module._modules.values()]
        if place.again and not tracked and any(leaves(child) for child in children):
            raise _run_twice(name)
        return Branch(_kind(module), children * 2 if repeats else children)

    def _wire_leaf(self, module: nn.Module, place: Place) -> Node:
        _check_patches(module)
        name = type(module).__name__
        if module in self.config:
            raise PipelineError(
                f"Expected each '{name}' to be in the pipeline once, found the same object twice: "
                "it keeps the parameters of its last call only. Add a copy instead: "
                "copy.deepcopy(...)."
            )
        config = config_of(module)
        encoder = self.catalogue.encoder(Step(name, {}, config, (0, 0)))
        if encoder is None:
            self.inert.append(module)
            return NOTHING
        if place.again and not hasattr(module, "forward_parameters"):
            raise _run_twice(name)
        self.config[module] = config
        return Leaf(name, encoder)


def _kind(container: Any) -> Literal["sequence", "one_of", "order"]:
    """Say how a container runs its children."""
    chosen = getattr(container, "random_apply", False)
    if not chosen:
        return "sequence"
    return "one_of" if chosen == (1, 2) else "order"


def _check_keys(container: Any) -> None:
    """Refuse a container that is called with images, and wants masks or boxes too."""
    keys = getattr(container, "data_keys", ())
    if keys is None or len(keys) > 1:
        found = None if keys is None else [key.name.lower() for key in keys]
        raise PipelineError(
            f"Expected '{type(container).__name__}' to take images alone, found "
            f"data_keys={found}. Leave data_keys out, and move masks and boxes by the record: "
            "recorder.replay(masks, record, kind='mask')."
        )


def _run_twice(name: str) -> PipelineError:
    return PipelineError(
        f"Expected '{name}' to run once per call, found that random_apply around it may choose it "
        "twice: it keeps the parameters of its last run only. Replace it by a "
        "kornia.augmentation.ImageSequential, or let random_apply choose fewer children."
    )


def odds_of(module: nn.Module) -> set[float]:
    """List the probabilities with which a module is applied, per sample and per batch."""
    return {float(getattr(module, "p", 1.0)), float(getattr(module, "p_batch", 1.0))}


def overridden(container: nn.Module) -> list[str]:
    """List what a container's class does otherwise than Kornia's or PyTorch's own.

    A class that runs all its children, each once and in order, may say so by a true attribute
    ``runs_children_in_order``: an adapter's stand-in for what a host runs.
    """
    if getattr(type(container), "runs_children_in_order", False):
        return []
    base = next(kind for kind in CONTAINERS if isinstance(container, kind))
    names = {
        name
        for kind in type(container).__mro__
        if kind not in base.__mro__
        for name in vars(kind)
        if hasattr(base, name) and name not in HARMLESS
    }
    found = [name for name in names if not name.startswith("__") or name in CALLED]
    return sorted(found, key=lambda name: (name.strip("_") not in {"forward", "call"}, name))


def may_repeat(container: Any) -> bool:
    """Whether ``random_apply`` may choose a child twice: it draws more than there are weights."""
    chosen: Any = getattr(container, "random_apply", False)
    if not chosen or chosen[1] <= 2:  # one child at most
        return False
    # Mixing augmentations take the place of another child, and are not drawn by weight.
    weights = [
        0.0 if isinstance(child, MixAugmentationBaseV2) else float(weight)
        for child, weight in zip(
            container._modules.values(), container.random_apply_weights.tolist(), strict=False
        )
    ]
    return bool(chosen[1] - 1 > min(sum(weights), sum(weight > 0 for weight in weights)))


def _check_patches(module: nn.Module) -> None:
    """Refuse a module of which this one object was made to run otherwise than its class."""
    functions = (FunctionType, MethodType, functools.partial)
    found = [
        f"its own {name}"
        for name, value in vars(module).items()
        if isinstance(value, functions) and hasattr(type(module), name)
        if name != "_compiled_call_impl"
    ]
    if module._forward_hooks or module._forward_pre_hooks:
        found.append("forward hooks")
    if found:
        raise PipelineError(
            f"Expected '{type(module).__name__}' to run as its class does, found "
            f"{' and '.join(found)}, which may change views. Write a module that does the same, "
            "and an encoder that reads it."
        )
