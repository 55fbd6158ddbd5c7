"""What VISSL's config is refused for, before anything is trained."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("vissl.config")  # examples/vissl is no package of it
from contract import TERM
from vissl_host import VisslHost, node, quiet, refused
from vissl_options import ALIKE, KORNIA, MULTI, TWO

from augself_loss import FeatureError, LossError, RecordError

pytestmark = pytest.mark.host

with quiet():
    adapter: Any = importlib.import_module("augself_loss.adapters.vissl")
    settings: Any = importlib.import_module("augself_loss.adapters.vissl.settings")
    parts: Any = importlib.import_module("vissl_parts")

JITTER = {"name": "ColorJitter", "brightness": 0.4, "contrast": 0.4}


def on_device(*kornia: Any, transforms: Any = ALIKE, **more: Any) -> dict[str, Any]:
    """Write the options of a run that augments on the device."""
    return {"DATA.TRAIN.TRANSFORMS": transforms, "AUGSELF": node(TERM, KORNIA=[*kornia], **more)}


REFUSED: Mapping[str, tuple[dict[str, Any], str]] = {
    "no weights": ({"AUGSELF": {"HIDDEN_DIM": 16}}, "LossError: AUGSELF.WEIGHTS expected"),
    "null weights": ({"AUGSELF": {"WEIGHTS": None}}, "It may be null only with KORNIA"),
    "no node": ({"AUGSELF": None}, "LossError: The config expected a node AUGSELF"),
    "unknown key": ({"AUGSELF": {**node(TERM), "WEIGHT": 1}}, "found ['WEIGHT']"),
    "unknown type": ({"AUGSELF": node({"shear": 1.0})}, "found 'shear'"),
    "negative weight": ({"AUGSELF": node({"crop": -1.0})}, "expected a finite number >= 0"),
    "type that never varies": (
        {"AUGSELF": node({"solarize": 1.0})},
        "RecordError: The loss expected pipelines that augment 'solarize'",
    ),
    "hidden width": ({"AUGSELF": node(TERM, HIDDEN_DIM=0)}, "hidden_dim expected"),
    "feature width": ({"AUGSELF": node(TERM, FEATURE_DIM=0)}, "feature_dim expected"),
    "preset": ({"AUGSELF": node(TERM, PRESET="papers")}, "preset expected"),
    "pool": ({"AUGSELF": node(TERM, POOL="max")}, "pool expected"),
    "tap without width": (
        {"AUGSELF": node(TERM, TAP="trunk.stem")},
        "AUGSELF.FEATURE_DIM expected the width of what 'trunk.stem' returns",
    ),
    "one view paired": ({"AUGSELF": node(TERM, VIEWS=[0])}, "views expected 'global', 'all'"),
    "views that are not there": ({"AUGSELF": node(TERM, VIEWS=[0, 2])}, "found [0, 2]"),
    "ignored by a word": ({"AUGSELF": node(TERM, IGNORE="RandAugment")}, "expected a list"),
    "one view": (
        {"DATA.TRAIN.TRANSFORMS": TWO[1:], "AUGSELF": node(TERM)},
        "PipelineError: DATA.TRAIN.TRANSFORMS expected at least two views",
    ),
    "mixed images": (
        {"DATA.TRAIN.COLLATE_FUNCTION": "cutmixup_collator", "AUGSELF": node(TERM)},
        "PipelineError: AugSelf expected a collator that does not mix images",
    ),
    "SLURM": ({"SLURM.USE_SLURM": True, "AUGSELF": node(TERM)}, "found ['SLURM.USE_SLURM']"),
    "FSDP": (
        {"MODEL.FSDP_CONFIG.AUTO_SETUP_FSDP": True, "AUGSELF": node(TERM)},
        "TRAINER.TASK_NAME: self_supervision_fsdp_task",
    ),
    "evaluation": (
        {"MODEL.FEATURE_EVAL_SETTINGS.EVAL_MODE_ON": True, "AUGSELF": node(TERM)},
        "EVAL_MODE_ON",
    ),
    "views among others": (
        {
            "DATA.TRAIN.TRANSFORMS": [{"name": "AugSelfViews", "transforms": TWO}, TWO[-1]],
            "AUGSELF": node(TERM),
        },
        "'AugSelfViews' to be the only entry",
    ),
    "augmented twice": (
        on_device(*KORNIA, transforms=TWO),
        "PipelineError: AUGSELF.KORNIA expected TRANSFORMS that only copy the image",
    ),
    "not Kornia's": (on_device({"name": "RandomMystery"}), "found 'RandomMystery'"),
    "not Kornia's argument": (
        on_device({**JITTER, "bright": 1}),
        "arguments that 'ColorJitter' takes, found",
    ),
    "not readable": (on_device({"name": "RandomMixUpV2"}), "PipelineError: KorniaRecorder"),
    "nothing at random": (on_device({"name": "Normalize", "mean": [0.5], "std": [0.5]}), "none"),
    "not recorded on the device": (
        on_device(JITTER),
        "RecordError: The loss expected pipelines that augment 'crop'",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_wrong_config_is_refused(name: str, tmp_path: Path) -> None:
    options, text = REFUSED[name]
    assert text in refused(tmp_path / "run", "SimCLR", options)


def test_an_unknown_tap_is_refused_before_the_first_batch(tmp_path: Path) -> None:
    tap = node(TERM, TAP="trunk.steam", FEATURE_DIM=8)
    with pytest.raises(
        LossError, match=r"found 'trunk.steam'. The trunk is 'trunk'; for its .*stem"
    ):
        VisslHost().run(tmp_path / "run", "SimCLR", AUGSELF=tap)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"TAP": "trunk.stem", "FEATURE_DIM": 9, "POOL": "mean"}, r"expected \(B, 9, \.\.\.\)"),
        ({"TAP": "trunk.stem", "FEATURE_DIM": 8}, "pool='mean' for maps"),
        ({"TAP": "heads.1.clf", "FEATURE_DIM": 8, "VIEWS": "all"}, None),
        ({"TAP": "augself", "FEATURE_DIM": 16}, r"expected features of 2 views with 4 samples"),
    ],
    ids=["another width", "maps", "the projection, if one wants it", "not run"],
)
def test_features_that_do_not_fit(
    options: dict[str, Any], text: str | None, tmp_path: Path
) -> None:
    tap = node(TERM, **options)
    if text is None:
        (run,) = VisslHost().run(tmp_path / "run", "SimCLR", AUGSELF=tap)
        assert run.terms
        return
    with pytest.raises(FeatureError, match=text):
        VisslHost().run(tmp_path / "run", "SimCLR", AUGSELF=tap)


def test_a_frozen_trunk_is_refused(tmp_path: Path) -> None:
    names = [f"trunk.{name}" for name in ("stem.0.weight", "stem.1.weight", "stem.1.bias")]
    frozen = {"MODEL.NON_TRAINABLE_PARAMS": [*names, "trunk.layer.weight", "trunk.layer.bias"]}
    with pytest.raises(FeatureError, match="the trunk is frozen"):
        VisslHost().run(tmp_path / "run", "SimCLR", **frozen)


def test_heads_that_no_optimizer_holds_are_refused(tmp_path: Path) -> None:
    with quiet():
        prepared = parts.config(tmp_path / "run", "SimCLR", {"AUGSELF": node(TERM)})
        (name, *_) = [n for n, _ in heads(prepared)]
    frozen = {"MODEL.NON_TRAINABLE_PARAMS": [name]}
    with pytest.raises(LossError, match=r"found 1 missing \(first: .* would never learn"):
        VisslHost().run(tmp_path / "run", "SimCLR", **frozen)


def heads(prepared: Any) -> list[tuple[str, Any]]:
    """List the heads' parameters by the names that VISSL's model gives them."""
    models: Any = importlib.import_module("vissl.models")
    model = models.build_model(prepared.MODEL, prepared.OPTIMIZER)
    return [(name, p) for name, p in model.named_parameters() if name.startswith("augself.")]


def test_batches_without_records_are_refused(tmp_path: Path) -> None:
    with quiet():
        prepared = parts.config(tmp_path / "run", "SimCLR", {"AUGSELF": node(TERM)})
        prepared.DATA.TRAIN.TRANSFORMS = prepared.MODEL.AUGSELF.TRANSFORMS
        launched = parts.watched(tmp_path / "run", plain=False, on_device=False)
        with pytest.raises(RecordError, match="expected samples with their records"):
            parts.launch(prepared, launched)
        prepared.DATA.TRAIN.COLLATE_FUNCTION = "simclr_collator"
        prepared.DATA.TRAIN.COLLATE_FUNCTION_PARAMS = {}
        with pytest.raises(RecordError, match="expected the views' records in the batch"):
            parts.launch(prepared, launched)


def test_a_config_that_was_not_prepared_is_refused(tmp_path: Path) -> None:
    with quiet():
        plain = parts.config(tmp_path / "run", "SimCLR", {})
    with pytest.raises(LossError, match="expected a config prepared by enable"):
        adapter.augself_hooks(plain)


def test_a_users_own_views_in_the_config(tmp_path: Path) -> None:
    written = [{"name": "AugSelfViews", "transforms": MULTI, "ignore": ["ToTensor"]}]
    with quiet():
        options = {"DATA.TRAIN.TRANSFORMS": written, "AUGSELF": node(TERM)}
        prepared = parts.config(tmp_path / "run", "SwAV", options)
    assert written == prepared.DATA.TRAIN.TRANSFORMS
    assert prepared.MODEL.AUGSELF.TRANSFORMS == MULTI


RECIPES = (
    "barlow_twins/barlow_twins_4node_resnet",
    "deepcluster_v2/deepclusterv2_2crops_resnet",
    "dino/dino_16gpus_deits16",
    "dino/dino_16gpus_xcit_small_12_p16",
    "moco/moco_1node_resnet",
    "simclr/simclr_8node_resnet",
    "swav/swav_8node_resnet",
    "vision_transformer/moco/vit_b16",
    "vision_transformer/simclr/vit_b16",
)


@pytest.mark.parametrize("recipe", RECIPES)
def test_vissls_own_recipes_take_the_node_as_they_are(recipe: str, tmp_path: Path) -> None:
    line = [
        f"config=pretrain/{recipe}",
        f"config.CHECKPOINT.DIR={tmp_path}",
        "+config.AUGSELF.WEIGHTS.crop=1.0",
        "+config.AUGSELF.WEIGHTS.color=1.0",
    ]
    with quiet():
        hydra: Any = importlib.import_module("vissl.utils.hydra_config")
        _, prepared = hydra.convert_to_attrdict(hydra.compose_hydra_configuration(line))
        adapter.enable(prepared)
        again = adapter.enable(prepared)
    assert again.MODEL.BASE_MODEL_NAME == "augself_model"
    assert again.MODEL.AUGSELF.BASE_MODEL_NAME == "multi_input_output_model"


def test_a_node_says_all_that_a_config_can_say_of_the_term_and_null_is_the_default() -> None:
    said = {"TAP": None, "KORNIA": None, "PAIRS": "first", "SYMMETRIC": False, "LOG": None}
    read = settings.Settings.of(node(TERM, **said), TWO)
    assert (read.taps, list(read.kornia), read.log) == ("trunk", [], True)
    assert read.options.items() >= {"pairs": "first", "symmetric": False}.items()


def test_building_the_heads_draws_nothing(tmp_path: Path) -> None:
    after = []
    for options in ({}, {"AUGSELF": node(TERM)}):
        with quiet():
            prepared = parts.config(tmp_path / "run", "SimCLR", options)
            models: Any = importlib.import_module("vissl.models")
            torch.manual_seed(0)
            models.build_model(prepared.MODEL, prepared.OPTIMIZER)
        after.append(torch.rand(1))
    assert torch.equal(*after)


def test_the_launcher_asks_for_the_node(tmp_path: Path) -> None:
    line = [
        "config=test/integration_test/quick_simclr_synthetic",
        "config.MACHINE.DEVICE=cpu",
        "config.OPTIMIZER.use_larc=False",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "augself_loss.adapters.vissl", *line],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode != 0
    assert "LossError: The config expected a node AUGSELF" in done.stderr
    assert "+config.AUGSELF.WEIGHTS.crop=1.0" in done.stderr
