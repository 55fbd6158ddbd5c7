"""The node ``AUGSELF`` of a VISSL config: what it may hold, and what is built from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from augself_loss.adapters.vissl.device import pipeline_of
from augself_loss.adapters.vissl.transform import AugSelfViews
from augself_loss.errors import LossError, PipelineError
from augself_loss.hosting.pairing import check_views
from augself_loss.hosting.settings import KEYS as TERM_KEYS
from augself_loss.hosting.settings import Settings as TermSettings
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

HEADS_INPUT = "trunk"
"""The tap that needs no FEATURE_DIM: what VISSL's own heads get."""

OWN: Mapping[str, str] = {
    "IGNORE": "names of transforms to leave out of the record",
    "KORNIA": "list of Kornia's augmentations, name and arguments, to run on the device",
    "LOG": "whether to log the terms, default true",
}
"""Keys that say nothing of the term itself."""
KEYS: Mapping[str, str] = {
    **{key.upper(): TERM_KEYS[key] for key in TERM_KEYS if key not in ("taps", "encoders")},
    "WEIGHTS": "type name → λ; null adds no term, so that KORNIA augments a plain run",
    "TAP": "dotted name of the submodule that returns the features, default trunk; by depth where"
    " there are several",
    **OWN,
}
"""Key → what it says."""


@dataclass(frozen=True)
class Settings(TermSettings):
    """What the node ``AUGSELF`` says, and what else of the config the term needs.

    Args:
        options, taps, views: of the term; without ``weights`` only :attr:`kornia` is wanted.
        ignore: names of transforms whose randomness is not recorded.
        kornia: what augments on the device, instead of VISSL's transforms in workers.
        log: whether to log the terms.
        transforms: ``DATA.TRAIN.TRANSFORMS`` as the user wrote it.
    """

    ignore: Sequence[str] = ()
    kornia: Sequence[Mapping[str, Any]] = ()
    log: bool = True
    transforms: Sequence[Mapping[str, Any]] = ()

    @classmethod
    def of(cls, node: object, transforms: Sequence[Mapping[str, Any]]) -> Settings:
        """Read the node, in which null stands for the default.

        Args:
            node: the value of ``config.AUGSELF``.
            transforms: the value of ``config.DATA.TRAIN.TRANSFORMS``.

        Raises:
            LossError: no node, an unknown key, or a value of another kind.
        """
        if not isinstance(node, Mapping):
            raise LossError(
                "The config expected a node AUGSELF, e.g. AUGSELF: {WEIGHTS: {crop: 1.0, color: "
                f"1.0}}}}, found {node!r}. On the command line: +config.AUGSELF.WEIGHTS.crop=1.0. "
                "Start plain VISSL with its own launcher."
            )
        _check(node)
        given = {key.lower(): value for key, value in node.items() if value is not None}
        own = {key.lower(): given.pop(key.lower()) for key in OWN if key.lower() in given}
        taps = given.pop("tap", HEADS_INPUT)
        return replace(cls.read({**given, "taps": taps}), transforms=transforms, **own)

    def recorder(self) -> MultiViewRecorder:
        """Build what makes the records, in the workers or on the device.

        Raises:
            PipelineError: a random transform that is not known, or two places that augment.
        """
        if not self.kornia:
            return AugSelfViews(self.transforms, self.ignore).recorder
        views = AugSelfViews.count(self.transforms, self.ignore)
        device = KorniaRecorder(pipeline_of(self.kornia))
        if not device.layout:
            raise PipelineError("AUGSELF.KORNIA expected random augmentations, found none.")
        return MultiViewRecorder(device, views)

    def check(self) -> None:
        """Refuse what cannot be trained, before anything is built.

        Raises:
            LossError: wrong weights, dimensions or views, or a tap without its width.
            RecordError: a type that is not recorded.
            PipelineError: transforms that cannot be recorded.
        """
        recorder = self.recorder()
        check_views(self.views, len(recorder.recorders))
        if self.taps != HEADS_INPUT and "feature_dim" not in self.options:
            raise LossError(
                f"AUGSELF.FEATURE_DIM expected the width of what {self.taps!r} returns, found "
                f"none. Only TAP: {HEADS_INPUT} takes it from VISSL's own heads."
            )
        dims = self.options.get("feature_dim")
        depths = [set(each) if isinstance(each, Mapping) else None for each in (self.taps, dims)]
        if depths[0] != depths[1]:
            raise LossError(
                "AUGSELF.FEATURE_DIM and AUGSELF.TAP expected the same depths, e.g. FEATURE_DIM: "
                "{layer3: 1024, trunk: 2048}, TAP: {layer3: trunk…, trunk: trunk}, found "
                f"{dims!r} and {self.taps!r}."
            )
        if "weights" in self.options:
            dim = self.options.get("feature_dim", 1)
            self.loss(recorder.encoders, feature_dim=dim).check_recorder(recorder)


def _check(node: Mapping[str, Any]) -> None:
    unknown = [key for key in node if key not in KEYS]
    if unknown:
        known = "; ".join(f"{key}: {meaning}" for key, meaning in KEYS.items())
        raise LossError(f"AUGSELF expected other keys, found {unknown}. Use these: {known}.")
    weights = node.get("WEIGHTS")
    if weights is None and not ("WEIGHTS" in node and node.get("KORNIA")):
        raise LossError(
            "AUGSELF.WEIGHTS expected a mapping from type name to λ, e.g. {crop: 1.0, color: "
            f"1.0}}, found {weights!r}. It may be null only with KORNIA, for a plain run that is "
            "augmented on the device."
        )
    for key in ("IGNORE", "KORNIA"):
        if not isinstance(node.get(key), (list, tuple, type(None))):
            raise LossError(f"AUGSELF.{key} expected a list, found {node[key]!r}.")
