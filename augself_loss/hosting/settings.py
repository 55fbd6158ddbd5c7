"""Builds the term from a mapping, as a host's config file has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from augself_loss.encoders import Encoder
from augself_loss.errors import LossError
from augself_loss.hosting.depth_taps import Taps
from augself_loss.hosting.pairing import Views
from augself_loss.loss import AugSelfLoss
from augself_loss.pooling import Grid, Patches

S = TypeVar("S", bound="Settings")

KEYS: Mapping[str, str] = {
    "weights": "type name → λ",
    "taps": "dotted names of the submodules that return features, by depth where there are several",
    "views": "which views are paired: global (default), all, or a list of indices",
    "feature_dim": "width of the features; of several depths, name → width",
    "depths": "type name → the depth that it reads, or several; default the last one named",
    "hidden_dim": "width of the heads' hidden layers, default 512",
    "preset": "default or paper",
    "pool": "of maps or tokens: mean, mean_channels_last, cls, or 2 for 2×2 places",
    "pairs": "of more than two views all (default), first, or a list",
    "symmetric": "whether both orders of a pair are compared, default true",
    "detach_second": "whether the second features of a pair get no gradient, default false",
    "encoders": "encoders of your own",
    "check_values": "when values are looked at: first (default), always or never",
}
"""What a config may say: where features are taken, what is paired, and options of the loss."""


@dataclass(frozen=True)
class Settings:
    """What a config says of the term.

    Args:
        options: of :class:`~augself_loss.loss.AugSelfLoss`.
        taps: names of the submodules that return features, by depth where there are several;
            ``None`` leaves them to the adapter.
        views: which views are paired.
    """

    options: Mapping[str, Any]
    taps: Taps | None = None
    views: Views = "global"

    @classmethod
    def read(cls: type[S], node: Mapping[str, Any], **defaults: Any) -> S:
        """Read a config's node.

        Args:
            node: ``taps``, ``views`` and options of the loss, by name; ``pool: {prefix: 1}``
                stands for ``Patches(prefix=1)``, ``{side: 2, prefix: 1}`` for a grid.
            **defaults: for what the node leaves out.

        Raises:
            LossError: a key that is none of these.

        Example:
            >>> settings = Settings.read({"weights": {"crop": 1.0}, "views": "all"}, feature_dim=8)
            >>> settings.views, settings.loss().types
            ('all', ('crop',))
        """
        unknown = [key for key in node if key not in KEYS]
        if unknown:
            known = "; ".join(f"'{key}': {meaning}" for key, meaning in KEYS.items())
            raise LossError(
                f"AugSelf expected other settings, found {unknown}. Use these: {known}."
            )
        given = {**defaults, **node}
        if "pool" in given:
            given["pool"] = _pool(given["pool"])
        taps, views = given.pop("taps", None), given.pop("views", "global")
        return cls(given, taps, views)

    def loss(self, encoders: Iterable[Encoder] = (), **options: Any) -> AugSelfLoss:
        """Build the loss, its heads included; the host's random state stays as it is.

        Args:
            encoders: the recorder's; the config's own replace those of their names.
            **options: go before the config's.

        Raises:
            LossError: wrong weights or dimensions, or none: frameworks that are run by configs wrap
                the heads in DDP, and give them to optimizers, before there are features.
        """
        known = [*encoders, *self.options.get("encoders", ())]
        given = {**self.options, "encoders": known, **options}
        dims = given.get("feature_dim")
        if dims is None or (isinstance(dims, Mapping) and None in dims.values()):
            raise LossError(
                "AugSelf expected feature_dim, the width of what the tap returns, found none. Set "
                "it in the config, e.g. feature_dim=2048 for a ResNet-50's backbone."
            )
        return AugSelfLoss(**given)


def _pool(node: Any) -> Any:
    """Read a way of pooling, or one per depth."""
    if not isinstance(node, Mapping):
        return node
    if set(node) == {"prefix"}:
        return Patches(node["prefix"])
    if "side" in node and set(node) <= {"side", "prefix", "channels_last"}:
        return Grid(**node)
    return {depth: _pool(one) for depth, one in node.items()}
