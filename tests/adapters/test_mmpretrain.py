"""AugSelf in an MM config: what it builds, logs and saves, and what it refuses."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("mmpretrain.registry")  # examples/mmpretrain is no package of it

import torch
from mmengine.model import ExponentialMovingAverage
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmpretrain_configs import (
    ALGORITHMS,
    KORNIA,
    MODELS,
    PREPROCESSOR,
    Config,
    Runner,
    algorithm,
    pipeline,
    still,
    training,
    view,
    with_term,
)
from mmpretrain_host import prepared, train
from mmpretrain_pairing import ALL, batch, build, check, step
from processes import start

from augself_loss import AugSelfLoss
from augself_loss.adapters.mmpretrain import add_augself
from augself_loss.adapters.mmpretrain.data import recorder_of
from augself_loss.errors import AugSelfError, FeatureError, LossError, PipelineError, RecordError

pytestmark = [
    pytest.mark.host,
    pytest.mark.filterwarnings("ignore:Only use 'alpha' for pillow backend"),
]


@pytest.mark.parametrize("method", ALGORITHMS)
def test_every_feature_is_that_of_its_view(method: str) -> None:
    """SimCLR interleaves views, SwAV concatenates them, MoCo and DenseCL shuffle a batch."""
    check(method)


@pytest.mark.processes
def test_features_come_back_from_other_processes() -> None:
    """With several processes MoCo and DenseCL shuffle the keys over all of them."""
    start("mmpretrain_pairing.py", "MoCo v2", "DenseCL", "SimCLR", processes=2)


@pytest.mark.parametrize("method", ALGORITHMS)
def test_losses_are_the_algorithms_and_the_term(method: str) -> None:
    model, steps = build(method)
    losses, _, _ = step(model, batch(steps))
    assert {"augself/total", "augself/crop", "augself/flip", "augself/color"} <= set(losses)
    total, logged = model.parse_losses(losses)
    base = sum(value for name, value in losses.items() if not name.startswith("augself/"))
    assert torch.equal(logged["augself/base"], base)
    assert torch.equal(total, base + losses["augself/total"])
    assert torch.equal(logged["loss"], total)
    weighted = sum(ALL[name] * losses[f"augself/{name}"] for name in ALL)
    assert torch.allclose(losses["augself/total"], weighted)
    total.backward()
    gradients = [p.grad for name, p in model.named_parameters() if name.startswith("augself.")]
    assert all(gradient is not None and gradient.abs().sum() > 0 for gradient in gradients)


def test_the_model_stays_the_algorithm() -> None:
    """Names, features and tests are the plain model's; the heads are the only addition."""
    model, steps = build("SimCLR")
    plain = MODELS.build(algorithm("SimCLR"))
    state = model.state_dict()
    assert isinstance(model, MODELS.get("SimCLR"))
    assert {name for name in state if not name.startswith("augself.")} == set(plain.state_dict())
    plain.load_state_dict({k: v for k, v in state.items() if not k.startswith("augself.")})
    images = batch(steps)["inputs"][0].float()
    model.eval(), plain.eval()
    assert torch.equal(model.extract_feat(images)[0], plain.extract_feat(images)[0])
    assert torch.equal(model(images, mode="tensor")[0], plain(images, mode="tensor")[0])
    assert model.parse_losses({"loss": torch.ones(())})[1].keys() == {"loss"}


def test_the_heads_leave_the_hosts_random_state_alone() -> None:
    torch.manual_seed(0)
    MODELS.build(algorithm("SimSiam")).init_weights()
    expected = torch.rand(1)
    torch.manual_seed(0)
    # A model's own rule reaches all of its layers, those of the heads too.
    config = with_term(
        algorithm("SimSiam"), ALL, pipeline=pipeline([view(), view()], recorded=True)
    )
    config["init_cfg"] = {"type": "Constant", "layer": "Linear", "val": 7.0}
    model = MODELS.build(config)
    before = {name: p.clone() for name, p in model.augself.named_parameters()}
    model.init_weights()
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(p, before[name]) for name, p in model.augself.named_parameters())
    assert model.neck.fc0.weight.eq(7.0).all()


def test_the_checkpoint_serves_downstream(tmp_path: Path) -> None:
    model, _ = build("BYOL")
    torch.save({"state_dict": model.state_dict(), "meta": {}}, tmp_path / "epoch_1.pth")
    pretrained = {"type": "Pretrained", "checkpoint": str(tmp_path / "epoch_1.pth")}
    backbone = {**algorithm("BYOL")["backbone"], "init_cfg": {**pretrained, "prefix": "backbone."}}
    head = {"type": "LinearClsHead", "num_classes": 3, "in_channels": 32}
    classifier = MODELS.build(
        {"type": "ImageClassifier", "backbone": backbone, "head": head,
         "neck": {"type": "GlobalAveragePooling"}}
    )  # fmt: skip
    classifier.init_weights()
    own = dict(classifier.backbone.named_parameters())
    assert all(torch.equal(p, own[name]) for name, p in model.backbone.named_parameters())


def test_copies_and_pickles_are_silent_and_go_on() -> None:
    model, steps = build("SimSiam")
    averaged = ExponentialMovingAverage(model)
    saved = io.BytesIO()
    torch.save(model, saved)
    loaded = torch.load(io.BytesIO(saved.getvalue()), weights_only=False)
    data = batch(steps)
    for other in (averaged.module, loaded, copy.deepcopy(model)):
        torch.manual_seed(0)
        assert torch.isfinite(step(other, copy.deepcopy(data))[0]["augself/total"])
        assert type(other).__name__ == "SimSiam"
    averaged.update_parameters(model)


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch's, where a graph breaks
def test_a_compiled_forward_gives_the_same_losses() -> None:
    model, steps = build("SimCLR")
    data = batch(steps)
    plain, _, _ = step(model, copy.deepcopy(data))
    model.forward = torch.compile(model.forward, backend="eager")
    compiled, _, _ = step(model, copy.deepcopy(data))
    assert torch.allclose(compiled["augself/total"], plain["augself/total"], atol=1e-5)


def test_features_in_half_precision_find_their_heads() -> None:
    model, steps = build("SimCLR")
    with torch.autocast("cpu", torch.bfloat16):
        losses, features, _ = step(model, batch(steps))
    assert features[0].dtype == torch.bfloat16
    assert torch.isfinite(losses["augself/total"])


def test_the_pipeline_is_read_for_ranges_and_width() -> None:
    model, _ = build("SimSiam", hidden_dim=8, preset="paper", feature_dim=32)
    assert model.augself.encoders["color"].ranges[3] == (-0.2, 0.2)
    assert model.augself.encoders["color"].preset == "paper"
    assert model.augself.feature_dim == 32
    whole = algorithm("SimSiam")
    steps = pipeline([view(), view()], recorded=True)
    nested = MODELS.build(
        {"type": "AugSelf", "algorithm": whole, "augself": {"pipeline": steps},
         "data_preprocessor": {"type": "SelfSupDataPreprocessor", **PREPROCESSOR}}
    )  # fmt: skip
    assert nested.augself.types == ("crop", "color")
    assert nested.data_preprocessor.mean is not None


def test_a_file_inherits_its_base(tmp_path: Path) -> None:
    """Few lines over a file of MMPretrain's own, and the Runner's log has every term."""
    model, steps = prepared("SimCLR", None, "CPU")
    base = training(tmp_path / "run", model, steps, 1)
    Config(base).dump(tmp_path / "base.py")
    (tmp_path / "augself.py").write_text(
        """
_base_ = "base.py"
custom_imports = dict(imports=["augself_loss.adapters.mmpretrain"])
multi_view = _base_.train_dataloader.dataset.pipeline[1]
pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="RecordedMultiView", num_views=[1, 1], transforms=multi_view.transforms),
    dict(type="PackInputs", algorithm_keys=("aug_params",)),
]
model = dict(
    type="AugSelf",
    algorithm="SimCLR",
    augself=dict(weights=dict(crop=1.0, color=1.0), hidden_dim=16, pipeline=pipeline),
)
train_dataloader = dict(dataset=dict(pipeline=pipeline))
"""
    )
    runner = train(Config.fromfile(tmp_path / "augself.py"))
    scalars = next((tmp_path / "run").rglob("vis_data/scalars.json")).read_text()
    assert all(f'"augself/{name}"' in scalars for name in ("total", "base", "crop", "color"))
    assert runner.model.augself.types == ("crop", "color")


def test_forgotten_heads_are_refused_at_the_first_step() -> None:
    model, steps = build("SimSiam")
    data = batch(steps)

    def wrapper(parameters: Any) -> OptimWrapper:
        return OptimWrapper(torch.optim.SGD(parameters, lr=0.1))

    with pytest.raises(LossError, match=r"AugSelf's heads, found 24 missing"):
        model.train_step(copy.deepcopy(data), wrapper(model.backbone.parameters()))
    several = OptimWrapperDict(
        host=wrapper(model.backbone.parameters()), heads=wrapper(model.augself.parameters())
    )
    model.augself.check_optimizer(*(each.optimizer for each in several.values()))
    logged = model.train_step(copy.deepcopy(data), wrapper(model.parameters()))
    assert logged["augself/total"] > 0


RECORDED = pipeline([view(), view()], recorded=True)
PLAIN = pipeline([view(), view()], recorded=False)
UNPACKED = [*RECORDED[:2], {"type": "PackInputs"}]
OTHER = pipeline([view(), view(magnitude_range=(0.1, 3.0))], recorded=True)
KORNIA_VIEWS = {"type": "KorniaDataPreprocessor", "transforms": [KORNIA], "num_views": 2}


def built(weights: Any = None, preprocessor: Any = None, **term: Any) -> Any:
    config = with_term(algorithm("SimSiam"), weights or {"crop": 1.0}, **term)
    return MODELS.build({**config, "data_preprocessor": dict(preprocessor or {})})


@pytest.mark.parametrize(
    ("make", "error", "says"),
    [
        (built, LossError, "pipeline=train_pipeline.*found neither"),
        (lambda: MODELS.build({"type": "AugSelf", "algorithm": algorithm("BYOL")}), LossError,
         "found neither"),
        (lambda: built(pipeline=PLAIN), LossError, "RecordedMultiView.*found .*'MultiView'"),
        (lambda: built(pipeline=UNPACKED), PipelineError, r"algorithm_keys=\('aug_params',\)"),
        (lambda: built(pipeline=RECORDED, preprocessor=KORNIA_VIEWS), LossError, "found both"),
        (lambda: built({"fog": 1.0}, pipeline=RECORDED), LossError, "found 'fog'"),
        (lambda: built({"rotation": 1.0}, pipeline=RECORDED), RecordError, "'rotation'"),
        (lambda: built(pipeline=RECORDED, taps="trunk"), LossError, "found 'trunk'"),
        (lambda: built(pipeline=RECORDED, taps=()), LossError, "at least one submodule"),
        (lambda: built(pipeline=RECORDED, views=[0, 2]), LossError, r"0\.\.1, found \[0, 2\]"),
        (lambda: built(pipeline=RECORDED, feature_dim=None), LossError, "feature_dim"),
        (lambda: add_augself(build("SimSiam")[0], *parts()), LossError, "without a term"),
        (lambda: add_augself(torch.nn.Identity(), *parts()), LossError, "found Identity"),
    ],
)  # fmt: skip
def test_a_wrong_config_is_refused_before_training(
    make: Callable[[], Any], error: type[AugSelfError], says: str
) -> None:
    with pytest.raises(error, match=says):
        make()


def parts() -> tuple[Any, Any]:
    recorder = recorder_of(RECORDED)
    return AugSelfLoss(32, hidden_dim=8, encoders=recorder.encoders), recorder


@pytest.mark.parametrize(
    ("taps", "steps", "error", "says"),
    [
        ("backbone", PLAIN, RecordError, "'aug_params' in every data sample.*RecordedMultiView"),
        ("backbone", UNPACKED, RecordError, r"algorithm_keys=\('aug_params',\)"),
        ("backbone", OTHER, RecordError, "another pipeline"),
        ("backbone", still(), RecordError, "a list of views, found Tensor"),
        ("neck", RECORDED, FeatureError, r"expected width 32 \(feature_dim\), found 16"),
        ("head.predictor.bn0", RECORDED, FeatureError, "expected width 32"),
    ],
)
def test_a_wrong_batch_is_refused_by_name(
    taps: str, steps: Any, error: type[AugSelfError], says: str
) -> None:
    model, _ = build("SimSiam", RECORDED, taps=taps)
    with pytest.raises(error, match=says):
        step(model, batch(steps))


def test_moco_without_its_momentum_copy_is_refused() -> None:
    model, steps = build("MoCo v2", taps="backbone")
    with pytest.raises(FeatureError, match=r"none for \[1\].*tap it too"):
        step(model, batch(steps))


@pytest.mark.parametrize("method", ["SimSiam", "SimCLR"])
def test_a_stage_is_tapped_as_well_as_the_whole_backbone(method: str) -> None:
    (model, steps), (staged, _) = (build(method, taps=t) for t in ("backbone", "backbone.layer4"))
    staged.load_state_dict(model.state_dict())
    data = batch(steps)
    found = [step(each, copy.deepcopy(data))[1] for each in (model, staged)]
    assert all(map(torch.equal, *found))


def test_a_recorder_with_other_ranges_is_refused() -> None:
    augself, recorder = parts()
    narrow = AugSelfLoss(32, hidden_dim=8)
    plain = MODELS.build(algorithm("SimCLR"))
    with pytest.raises(AugSelfError, match="'color' expected values in"):
        add_augself(plain, narrow, recorder)
    assert add_augself(plain, augself, recorder).augself is augself


def test_the_runner_refuses_an_unknown_transform_in_the_data_set(tmp_path: Path) -> None:
    steps = pipeline([[*view(), {"type": "Lighting", "eigval": [1.0], "eigvec": [[1.0]]}], view()],
                     recorded=True)  # fmt: skip
    plain = algorithm("SimCLR")
    runner = Runner.from_cfg(Config(training(tmp_path, plain, steps, 1)))
    with pytest.raises(PipelineError, match="'Lighting'"):
        runner.train()
