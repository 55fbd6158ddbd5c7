r"""Adds AugSelf to VISSL 0.1.6 from its YAML config: one node, and this launcher.

Give the config a node ``AUGSELF``, or any of VISSL's own configs one on the command line, and
start it with VISSL's own command line and this module in the place of VISSL's launcher::

    python -m augself_loss.adapters.vissl config=pretrain/simclr/simclr_8node_resnet \
        +config.AUGSELF.WEIGHTS.crop=1.0 +config.AUGSELF.WEIGHTS.color=1.0

In a YAML file::

    config:
      AUGSELF:
        WEIGHTS: {crop: 1.0, color: 1.0}
        TAP: trunk          # the submodule that returns the features; this is the default
        HIDDEN_DIM: 512     # of the heads

The other keys are in :data:`~augself_loss.adapters.vissl.settings.KEYS`. ``DATA.TRAIN.TRANSFORMS``,
the collator, the model, the loss and the optimizer stay as they are. The launcher puts the
transforms into VISSL's transform ``AugSelfViews``, which records them; the heads are the submodule
``augself`` of VISSL's model, in its optimizer (in the group of its heads), its DDP wrapper and its
checkpoints; a hook adds the term to the loss.

VISSL's own launcher does not know the node and passes over it: it then trains without the term.
A launcher of your own calls :func:`enable` and passes :func:`augself_hooks` on.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from operator import attrgetter
from typing import Any

from augself_loss.errors import LossError, missing_package

INSTALL = (
    "pip install -U 'setuptools<82' && pip install --no-deps --no-build-isolation vissl==0.1.6 "
    "classy-vision==0.7.0 fairscale==0.4.6 && pip install fvcore iopath tabulate parameterized "
    "hydra-core scikit-learn 'augself-loss[torchvision]'"
)

try:
    from vissl.config import AttrDict
    from vissl.utils.distributed_launcher import launch_distributed
    from vissl.utils.hydra_config import compose_hydra_configuration, convert_to_attrdict

    from augself_loss.adapters.vissl.collator import COLLATOR, check_collator
    from augself_loss.adapters.vissl.hook import AugSelfHook, augself_hooks
    from augself_loss.adapters.vissl.model import MODEL
    from augself_loss.adapters.vissl.settings import Settings
    from augself_loss.adapters.vissl.transform import NAME, AugSelfViews
except ImportError as error:
    raise missing_package("augself_loss.adapters.vissl", "VISSL 0.1.6", INSTALL) from error

# VISSL's SLURM jobs hold its own hooks only.
NOT_TRAINING = ("SLURM.USE_SLURM", "MODEL.FEATURE_EVAL_SETTINGS.EVAL_MODE_ON", "TEST_ONLY")

__all__ = ["AugSelfHook", "AugSelfViews", "augself_hooks", "enable", "main"]


def enable(config: Any) -> Any:
    """Prepare a config for AugSelf, in place.

    Call it after VISSL's ``convert_to_attrdict``, which checks the collator against the loss, and
    launch with ``hook_generator=augself_hooks``.

    Args:
        config: VISSL's config (its node ``config``) with the node ``AUGSELF``.

    Returns:
        The same config.

    Raises:
        LossError: no node ``AUGSELF``, wrong weights or keys, or a way of training in which the
            heads would not be kept in sync.
        RecordError: a type that the transforms do not vary.
        PipelineError: a transform at random that is not known, by name; a collator that mixes.
    """
    if "AUGSELF" in config.MODEL:
        return config  # prepared already
    train = config.DATA.TRAIN
    transforms, ignore = _unwrapped(train.TRANSFORMS)
    node = config.get("AUGSELF")
    if ignore and isinstance(node, dict):
        node["IGNORE"] = [*(node.get("IGNORE") or ()), *ignore]
    settings = Settings.of(node, transforms)
    _check_training(config)
    check_collator(train.COLLATE_FUNCTION)
    settings.check()
    base = config.MODEL.BASE_MODEL_NAME
    ours = {"NODE": node, "TRANSFORMS": transforms, "BASE_MODEL_NAME": base}
    config.MODEL.AUGSELF = AttrDict(ours)
    if "weights" not in settings.options:
        return config
    config.MODEL.BASE_MODEL_NAME = MODEL
    if not settings.kornia:
        views = {"name": NAME, "transforms": transforms, "ignore": list(settings.ignore)}
        train.TRANSFORMS = [views]
        collator = {"name": train.COLLATE_FUNCTION, "params": dict(train.COLLATE_FUNCTION_PARAMS)}
        train.COLLATE_FUNCTION_PARAMS = AttrDict(collator)
        train.COLLATE_FUNCTION = COLLATOR
    return config


def main(overrides: Sequence[str] | None = None) -> None:
    """Train as VISSL's ``run_distributed_engines`` does, with AugSelf.

    Args:
        overrides: VISSL's command line; default that of this process.
    """
    composed = compose_hydra_configuration(list(sys.argv[1:] if overrides is None else overrides))
    args, config = convert_to_attrdict(composed)
    if args.engine_name != "train":
        raise LossError(
            f"AugSelf's launcher expected engine_name=train, found {args.engine_name}. Extract "
            "features with VISSL's own launcher, which reads AugSelf's checkpoints."
        )
    launch_distributed(enable(config), args.node_id, args.engine_name, augself_hooks)


def _unwrapped(transforms: Sequence[Any]) -> tuple[list[dict[str, Any]], list[str]]:
    """Take the list, and what it ignores, out of an ``AugSelfViews`` that the user wrote."""
    names = [transform["name"] for transform in transforms]
    if NAME not in names:
        return [dict(transform) for transform in transforms], []
    if names != [NAME]:
        raise LossError(
            f"Expected '{NAME}' to be the only entry of DATA.TRAIN.TRANSFORMS, holding all "
            f"others, found it among {names}."
        )
    (views,) = transforms
    return [dict(transform) for transform in views["transforms"]], list(views.get("ignore", ()))


def _check_training(config: Any) -> None:
    """Refuse what would leave the heads untrained, or apart from each other."""
    found = [option for option in NOT_TRAINING if attrgetter(option)(config)]
    if config.TRAINER.TASK_NAME != "self_supervision_task":
        found.append(f"TRAINER.TASK_NAME: {config.TRAINER.TASK_NAME}")
    if found:
        raise LossError(
            "AugSelf expected VISSL's pretraining with self_supervision_task (DDP), found "
            f"{found}. Evaluate with VISSL's own launcher; under SLURM start this launcher with "
            "srun."
        )
