"""The node ``AUGSELF`` of a VISSL config: what it may hold, and what is built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from augself_loss.adapters.vissl.device import pipeline_of
from augself_loss.adapters.vissl.transform import AugSelfViews
from augself_loss.encoders import Encoder
from augself_loss.errors import LossError, PipelineError
from augself_loss.hosting.pairing import check_views
from augself_loss.hosting.settings import Settings as TermSettings
from augself_loss.parameters import Layout
from augself_loss.recording.kornia import KorniaRecorder

HEADS_INPUT = "trunk"
"""The tap that needs no FEATURE_DIM: what VISSL's own heads get."""

KEYS: Mapping[str, str] = {
    "WEIGHTS": "type name → weight; null adds no term, so that KORNIA augments a plain run",
    "TAP": "dotted name of the model's submodule that returns the features, default trunk",
    "FEATURE_DIM": "width of the features; needed for another TAP than trunk",
    "HIDDEN_DIM": "width of the heads' hidden layers, default 512",
    "PRESET": "default or paper",
    "POOL": "mean or cls, for taps that return maps or tokens",
    "VIEWS": "which views are paired: global (default), all, or a list of indices",
    "IGNORE": "names of transforms whose randomness shall not be recorded",
    "KORNIA": "list of Kornia's augmentations, name and arguments, to run on the device",
    "LOG": "whether to log the terms, default true",
}
OWN = ("IGNORE", "KORNIA", "LOG")
"""Keys that say nothing of the term itself."""


@dataclass(frozen=True)
class Settings:
    """What the node ``AUGSELF`` says, and what else of the config the term needs."""

    term: TermSettings
    ignore: tuple[str, ...]
    kornia: tuple[Mapping[str, Any], ...]
    log: bool
    transforms: tuple[Mapping[str, Any], ...]
    """``DATA.TRAIN.TRANSFORMS`` as the user wrote it."""

    @classmethod
    def read(cls, node: object, transforms: Sequence[Mapping[str, Any]]) -> Settings:
        """Read the node.

        Args:
            node: the value of ``config.AUGSELF``.
            transforms: the value of ``config.DATA.TRAIN.TRANSFORMS``.

        Raises:
            LossError: no node, an unknown key, or a value of another kind.
        """
        if not isinstance(node, Mapping):
            raise LossError(
                "The config expected a node AUGSELF, e.g. AUGSELF: {WEIGHTS: {crop: 1.0, color: "
                f"1.0}}, found {node!r}. On the command line: +config.AUGSELF.WEIGHTS.crop=1.0. "
                "Plain VISSL starts with its own launcher."
            )
        unknown = [key for key in node if key not in KEYS]
        if unknown:
            known = "; ".join(f"{key}: {meaning}" for key, meaning in KEYS.items())
            raise LossError(f"AUGSELF expected some of these keys: {known}. Found {unknown}.")
        weights = node.get("WEIGHTS")
        if "WEIGHTS" not in node or (weights is None and not node.get("KORNIA")):
            raise LossError(
                "AUGSELF.WEIGHTS expected type name → weight, e.g. {crop: 1.0, color: 1.0}, found "
                f"{weights!r}. Only with KORNIA may it be null: then a plain run is augmented."
            )
        ours = {key: value for key, value in node.items() if key not in OWN}
        named = {"taps" if key == "TAP" else key.lower(): value for key, value in ours.items()}
        return cls(
            TermSettings.read(named, taps=HEADS_INPUT),
            ignore=_listed("IGNORE", node.get("IGNORE")),
            kornia=_listed("KORNIA", node.get("KORNIA")),
            log=node.get("LOG", True),
            transforms=tuple(transforms),
        )

    @property
    def weights(self) -> Mapping[str, float] | None:
        """Types and their λ; ``None`` where only :attr:`kornia` is wanted."""
        return self.term.options["weights"]  # type: ignore[no-any-return]

    @property
    def tap(self) -> Any:
        """The submodule that returns the features."""
        return self.term.taps

    @property
    def feature_dim(self) -> int | None:
        """Their width, where it cannot be read off VISSL's own heads."""
        return self.term.options.get("feature_dim")

    @property
    def on_device(self) -> bool:
        """Whether Kornia augments on the device, instead of VISSL's transforms in workers."""
        return bool(self.kornia)

    def recorded(self) -> Recorded:
        """Say what the records will hold, and how many views there are.

        Raises:
            PipelineError: a random transform that is not known, or two places that augment.
        """
        if not self.on_device:
            recorder = AugSelfViews(self.transforms, self.ignore).recorder
            return Recorded(recorder.layout, recorder.encoders, len(recorder.recorders))
        views = AugSelfViews.count(self.transforms, self.ignore)
        device = KorniaRecorder(pipeline_of(self.kornia))
        if not device.layout:
            raise PipelineError("AUGSELF.KORNIA expected augmentations at random, found none.")
        return Recorded(device.layout, device.encoders, views)

    def check(self) -> Recorded:
        """Refuse what cannot be trained, before anything is built.

        Raises:
            LossError: wrong weights, dimensions or views, or a tap without its width.
            RecordError: a type that is not recorded.
            PipelineError: transforms that cannot be recorded.
        """
        recorded = self.recorded()
        check_views(self.term.views, recorded.count)
        if self.tap != HEADS_INPUT and self.feature_dim is None:
            raise LossError(
                f"AUGSELF.FEATURE_DIM expected the width of what '{self.tap}' returns, found "
                f"none. Only for TAP: {HEADS_INPUT} is it read off VISSL's own heads."
            )
        dim = 1 if self.feature_dim is None else self.feature_dim
        if self.weights is not None:
            self.term.loss(recorded.encoders, feature_dim=dim).check_recorder(recorded)
        return recorded


@dataclass
class Recorded:
    """What the records of a run hold."""

    layout: Layout
    encoders: tuple[Encoder, ...]
    count: int
    """Number of views."""


def _listed(key: str, value: Any) -> tuple[Any, ...]:
    if value is None:
        return ()
    if not isinstance(value, (list, tuple)):
        raise LossError(f"AUGSELF.{key} expected a list, found {value!r}.")
    return tuple(value)
