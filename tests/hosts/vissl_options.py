"""VISSL's own configs, made tiny: what its command line is given in the tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

VIEWS: list[dict[str, Any]] = [
    {"name": "RandomHorizontalFlip", "p": 0.5},
    {"name": "ImgPilColorDistortion", "strength": 0.5},
    {"name": "ImgPilGaussianBlur", "p": 0.5, "radius_min": 0.1, "radius_max": 2.0},
    {"name": "ToTensor"},
]
TWO: list[dict[str, Any]] = [
    {"name": "ImgReplicatePil", "num_times": 2},
    {"name": "RandomResizedCrop", "size": 16},
    *VIEWS,
]
MULTI: list[dict[str, Any]] = [
    {
        "name": "ImgPilToMultiCrop",
        "total_num_crops": 4,
        "size_crops": [16, 8],
        "num_crops": [2, 2],
        "crop_scales": [[0.14, 1], [0.05, 0.14]],
    },
    *VIEWS,
]
ALIKE: list[dict[str, Any]] = [
    {"name": "ImgReplicatePil", "num_times": 2},
    {"name": "Resize", "size": [20, 20]},
    {"name": "ToTensor"},
]
KORNIA: list[dict[str, Any]] = [
    {"name": "RandomResizedCrop", "size": [16, 16]},
    {"name": "RandomHorizontalFlip"},
    {
        "name": "ColorJitter",
        "brightness": 0.4,
        "contrast": 0.4,
        "saturation": 0.4,
        "hue": 0.1,
        "p": 0.8,
    },
]
MLP: list[Any] = [["mlp", {"dims": [16, 16], "use_relu": True}], ["mlp", {"dims": [16, 8]}]]
SWAV: list[Any] = [["swav_head", {"dims": [16, 16, 8], "use_bn": True, "num_clusters": [12]}]]

TRANSFORMER: Mapping[str, Any] = {
    "MODEL.TRUNK.NAME": "vision_transformer",
    "MODEL.TRUNK.VISION_TRANSFORMERS.IMAGE_SIZE": 16,
    "MODEL.TRUNK.VISION_TRANSFORMERS.PATCH_SIZE": 4,
    "MODEL.TRUNK.VISION_TRANSFORMERS.NUM_LAYERS": 1,
    "MODEL.TRUNK.VISION_TRANSFORMERS.NUM_HEADS": 2,
    "MODEL.TRUNK.VISION_TRANSFORMERS.HIDDEN_DIM": 16,
    "MODEL.TRUNK.VISION_TRANSFORMERS.MLP_DIM": 32,
    "MODEL.TRUNK.VISION_TRANSFORMERS.DROPOUT_RATE": 0,
    "MODEL.TRUNK.VISION_TRANSFORMERS.ATTENTION_DROPOUT_RATE": 0,
    "MODEL.TRUNK.VISION_TRANSFORMERS.CLASSIFIER": "token",
    "MODEL.TRUNK.VISION_TRANSFORMERS.QKV_BIAS": True,
    "MODEL.TRUNK.VISION_TRANSFORMERS.DROP_PATH_RATE": 0,
}
"""VISSL's own transformer, tiny; it has no batch norm."""

METHODS: Mapping[str, tuple[str, list[dict[str, Any]], dict[str, Any]]] = {
    "SimCLR": (
        "quick_simclr",
        TWO,
        {"MODEL.HEAD.PARAMS": MLP, "LOSS.simclr_info_nce_loss.buffer_params.embedding_dim": 8},
    ),
    "Barlow Twins": (
        "quick_barlow_twins",
        TWO,
        {
            "MODEL.HEAD.PARAMS": MLP,
            "LOSS.barlow_twins_loss.embedding_dim": 8,
            "OPTIMIZER.name": "sgd",
        },
    ),
    "SwAV": (
        "quick_swav",
        MULTI,
        {"MODEL.HEAD.PARAMS": SWAV, "MODEL.TEMP_FROZEN_PARAMS_ITER_MAP": []},
    ),
    "MoCo": (
        "quick_moco",
        TWO,
        {
            "MODEL.HEAD.PARAMS": MLP,
            "LOSS.moco_loss.embedding_dim": 8,
            "LOSS.moco_loss.queue_size": 16,
        },
    ),
    "DINO": (
        "quick_dino",
        MULTI,
        {
            "MODEL.HEAD.PARAMS": [
                ["swav_head", {**SWAV[0][1], "use_bn": False, "return_embeddings": False}]
            ],
            "MODEL.TEMP_FROZEN_PARAMS_ITER_MAP": [],
            **TRANSFORMER,
            "LOSS.dino_loss.teacher_temp_warmup_iters": 1,
        },
    ),
}
"""Method → VISSL's own config, its transforms and what makes it tiny."""

CPU: Mapping[str, Any] = {
    "MACHINE.DEVICE": "cpu",
    "DISTRIBUTED.BACKEND": "gloo",
    "HOOKS.PERF_STATS.MONITOR_PERF_STATS": False,
    "HOOKS.LOG_GPU_STATS": False,
    "HOOKS.MEMORY_SUMMARY.PRINT_MEMORY_SUMMARY": False,
    "MODEL.SYNC_BN_CONFIG.CONVERT_BN_TO_SYNC_BN": False,
    "OPTIMIZER.use_larc": False,
    "DATA.PIN_MEMORY": False,
}
SMALL: Mapping[str, Any] = {
    "DATA.NUM_DATALOADER_WORKERS": 0,
    "DATA.TRAIN.DATA_SOURCES": ["disk_folder"],
    "DATA.TRAIN.DATA_LIMIT": -1,
    "DATA.TRAIN.BATCHSIZE_PER_REPLICA": 4,
    "MODEL.TRUNK.NAME": "tiny",
    "OPTIMIZER.param_schedulers.lr.name": "constant",
    "OPTIMIZER.param_schedulers.lr.value": 0.05,
    "OPTIMIZER.param_schedulers.lr.update_interval": "epoch",
    "OPTIMIZER.param_schedulers.lr.auto_lr_scaling.auto_scale": False,
    "CHECKPOINT.OVERWRITE_EXISTING": True,
    "CHECKPOINT.USE_SYMLINK_CHECKPOINT_FOR_RESUME": True,
}


def override(option: tuple[str, Any]) -> str:
    """Write an option as VISSL's command line takes it: set, or added where there is none."""
    name, value = option
    return f"++config.{name}={written(value)}"


def written(value: Any) -> str:
    """Write a value in Hydra's grammar, in which keys have no quotes."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{written(held)}" for key, held in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(written(held) for held in value) + "]"
    return json.dumps(value)
