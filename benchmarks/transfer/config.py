"""Everything that says what a run does; it is written beside what came out."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from typing_extensions import Self

from transfer.augmentations import Augmentation
from transfer.errors import TransferError

FORMER: dict[str, Any] = {
    "apply": "kornia", "resident": False, "share": None, "objective": "", "options": {}
}  # fmt: skip
"""Settings that runs did not always have, and what they were before."""
NEEDED = ("data", "method", "seed", "augmentation")
"""Settings that every run wrote down."""
METHODS = ("simsiam", "simclr", "moco", "byol", "swav", "supervised")
ARMS: dict[str, tuple[str, bool]] = {
    "plain": ("", False),
    "augself": ("", True),
    "cassle": ("cassle", False),
    "cassle-augself": ("cassle", True),
    "equimod": ("equimod", False),
    "stl": ("stl", False),
    "essl": ("essl", False),
}
"""Arm → the neighbour of AugSelf that it trains with, if any, and whether AugSelf is in it."""


class SettingsError(TransferError, ValueError):
    """Settings that no run of this version can have."""


@dataclass(frozen=True)
class Config:
    """One run.

    Args:
        data: name of the data setting, and of the recipe where it has another than its own: what
            bears the same name is compared.
        method: one of METHODS.
        seed: of the weights, the order of pictures, and the draws of the augmentation.
        types: λ per type of augmentation; empty for the plain method.
        variant: name of an ablation; empty in the main comparison.
        tap: where the term takes features: ``backbone``, ``layer3`` for its third stage, or
            ``depths``, both: see :data:`transfer.pretraining.READS`.
        network: backbone, see :func:`transfer.networks.backbone`.
        width: see there.
        feature_dim: see there.
        picture: side in pixels of the pictures in memory, of which views are cropped.
        view: side in pixels of what the network sees.
        epochs: passes over the pictures.
        batch: pictures a step, over all processes.
        lr: learning rate per 256 pictures a step; SGD with momentum 0.9, cosine decay.
        weight_decay: of all parameters, the heads' included (the paper's recipe).
        warmup: epochs of linear warm-up.
        projector: width of the method's own hidden layers.
        embedding: width of what it compares.
        temperature: of SimCLR, MoCo and SwAV.
        ema: momentum of MoCo's and BYOL's slow encoder at the start; it rises to 1 by a cosine.
        queue: how many keys MoCo holds.
        prototypes: of SwAV.
        head_dim: hidden width of the AugSelf heads.
        precision: as Lightning's Trainer takes it.
        augmentation: what happens to a picture.
        apply: who applies what Kornia drew: ``kornia``, or ``fused``, faster, the same to 1e-5.
        resident: all pictures lie on the device, and batches are taken of them there.
        share: keep every type's gradient at the features at this share of the base loss's, by its
            λ; ``None`` leaves λ as ``types`` says.
        objective: a neighbour of AugSelf that is trained with, see
            :data:`transfer.objectives.OPTIONS`; empty for none.
        options: its λ, and what else it can be set to.
    """

    data: str
    method: str
    seed: int
    types: dict[str, float] = field(default_factory=dict)
    variant: str = ""
    tap: str = "backbone"
    network: str = "small"
    width: int = 16
    feature_dim: int | None = None
    picture: int = 40
    view: int = 32
    epochs: int = 15
    batch: int = 256
    lr: float = 0.06
    weight_decay: float = 5e-4
    warmup: int = 1
    projector: int = 512
    embedding: int = 128
    temperature: float = 0.2
    ema: float = 0.99
    queue: int = 4096
    prototypes: int = 256
    head_dim: int = 512
    precision: str = "bf16-mixed"
    augmentation: Augmentation = field(default_factory=Augmentation)
    apply: Literal["kornia", "fused"] = "kornia"
    resident: bool = False
    share: float | None = None
    objective: str = ""
    options: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Make the settings again that :meth:`as_dict` wrote, also through JSON.

        Raises:
            SettingsError: settings that this version does not have, or a run's that are missing.
        """
        missing = [name for name in NEEDED if name not in settings]
        if missing:
            raise SettingsError(f"Expected the settings of a run, found no {', '.join(missing)}.")
        given = {name: value for name, value in settings.items() if name != "arm"}
        unknown = sorted(set(given) - {field.name for field in dataclasses.fields(cls)})
        if unknown:
            raise SettingsError(f"Expected settings of this version, found {', '.join(unknown)}.")
        augmentation = {name: _frozen(value) for name, value in given["augmentation"].items()}
        given["augmentation"] = Augmentation(**augmentation)
        return cls(**{name: _frozen(value) for name, value in given.items()})

    @property
    def arm(self) -> str:
        """One of :data:`ARMS`."""
        return "-".join(filter(None, [self.objective, "augself" if self.types else ""])) or "plain"

    @property
    def name(self) -> str:
        """Name of the run's folder."""
        arm = "" if self.arm == "plain" else self.arm
        return "-".join(filter(None, [self.method, arm, self.variant, f"s{self.seed}"]))

    def as_dict(self) -> dict[str, Any]:
        """Say everything in plain numbers and words, for JSON."""
        settings = {**dataclasses.asdict(self), "arm": self.arm}
        # Runs from before there was a choice do not name it.
        return {n: v for n, v in settings.items() if n not in FORMER or v != FORMER[n]}


def _frozen(value: Any) -> Any:
    """Take a list, of which JSON makes whatever was a tuple, as the tuple that it was."""
    return tuple(value) if isinstance(value, list) else value
