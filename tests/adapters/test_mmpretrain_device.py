"""KorniaDataPreprocessor: views and records made on the model's device, while training only."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("mmpretrain.registry")  # examples/mmpretrain is no package of it

import torch
from mmpretrain_configs import (
    KORNIA,
    MODELS,
    PREPROCESSOR,
    algorithm,
    pipeline,
    still,
    view,
    with_term,
)
from mmpretrain_pairing import batch, step

from augself_loss.errors import PipelineError, RecordError

pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:Only use 'alpha' for pillow backend"),
]

VIEWS = {"type": "KorniaDataPreprocessor", "transforms": [KORNIA], "num_views": 2}


def test_the_kornia_preprocessor_only_augments_while_training() -> None:
    config = with_term(algorithm("SimCLR"), {"crop": 1.0, "flip": 1.0})
    config["data_preprocessor"] = {**VIEWS, **PREPROCESSOR}
    model = MODELS.build(config)
    data = batch(still())
    plain = {"type": "SelfSupDataPreprocessor", **PREPROCESSOR}
    still_images = model.data_preprocessor(copy.deepcopy(data), False)["inputs"]
    expected = MODELS.build(plain)(copy.deepcopy(data), False)["inputs"]
    assert torch.equal(still_images, expected)
    views = model.data_preprocessor(copy.deepcopy(data), True)["inputs"]
    assert [tuple(v.shape) for v in views[:2]] == [(4, 3, 24, 24)] * 2
    assert not torch.equal(views[0], views[1])
    assert torch.isfinite(step(model, data)[0]["augself/total"])
    for wrong, says in (
        ({"num_views": [1, 1]}, "one number for each of 1 pipelines"),
        ({"transforms": [[{"type": "RandomFog"}]]}, "found type='RandomFog'"),
        ({"transforms": [[{"type": "RandomFisheye", "center_x": torch.tensor([0.0, 0.1]),
          "center_y": torch.tensor([0.0, 0.1]), "gamma": torch.tensor([1.0, 2.0])}]]},
         "RandomFisheye"),
    ):  # fmt: skip
        with pytest.raises(PipelineError, match=says):
            MODELS.build({**VIEWS, **PREPROCESSOR, **wrong})
    with pytest.raises(RecordError, match="one tensor of images"):
        model.data_preprocessor(batch(pipeline([view(), view()], recorded=True)), True)
