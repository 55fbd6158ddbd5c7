"""Adding the term: what is refused by name, optimizers, pickles, and no randomness consumed."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from lightly.transforms import SimCLRTransform
from lightly_modules import FEATURES, SIZE, SimCLR
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from lightning.pytorch.tuner import Tuner
from pictures import fit, loader, same, seed, trainer, weights
from torch import nn

from augself_loss import AugSelfLoss, EncoderError, FeatureError, LossError, RecordError
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import AugSelfMixin, add_augself

pytestmark = pytest.mark.host

RECORDER = LightlyRecorder(SimCLRTransform(input_size=SIZE))


def loss(**options: Any) -> AugSelfLoss:
    given = {"hidden_dim": 16, "encoders": RECORDER.encoders, **options}
    return AugSelfLoss(given.pop("feature_dim", FEATURES), **given)


def add(module: Any = None, augself: Any = None, recorder: Any = RECORDER, **options: Any) -> Any:
    module = SimCLR() if module is None else module
    augself = loss() if augself is None else augself
    return add_augself(module, augself, recorder, **{"taps": "backbone", **options})


def test_adding_it_draws_no_random_number() -> None:
    module, before = SimCLR(), torch.get_rng_state()
    add(module)
    assert torch.equal(before, torch.get_rng_state())


class Named(SimCLR):
    augself = True


class WholeStep(SimCLR):
    def training_step(self, dataloader_iter: Any) -> Any:  # type: ignore[override]
        return next(dataloader_iter)


REFUSED: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "no module": (lambda: add(nn.Linear(1, 1)), LossError, "LightningModule, found Linear"),
    "compiled": (lambda: add(torch.compile(SimCLR())), LossError, "before torch.compile"),
    "no loss": (lambda: add(augself=nn.MSELoss()), LossError, "AugSelfLoss, found MSELoss"),
    "no recorder": (
        lambda: add(recorder=RECORDER.recorders[0]), LossError, r"MultiViewRecorder\(recorder\)",
    ),
    "twice": (lambda: add(add()), LossError, "without a term, found one .*Build it anew"),
    "another augself": (
        lambda: add(Named()), LossError, r"as 'augself', .*Named .*found its own: bool\. Rename",
    ),
    "unknown tap": (lambda: add(taps="encoder"), LossError, "found 'encoder'.*'backbone'"),
    "no tap": (lambda: add(taps=[]), LossError, "at least one"),
    "views": (lambda: add(views=[0, 2]), LossError, r"0\.\.1, found \[0, 2\]"),
    "views by word": (lambda: add(views="local"), LossError, "'global', 'all'.*'local'"),
    "one view": (lambda: add(views=[0, 0]), LossError, "two different"),
    "data loader": (lambda: add(WholeStep()), LossError, "'dataloader_iter'"),
    "type not recorded": (
        lambda: add(augself=loss(weights={"solarize": 1.0})), RecordError, "'solarize'",
    ),
    "narrow ranges": (lambda: add(augself=loss(encoders=())), EncoderError, "recorder.encoders"),
    "mixin": (lambda: AugSelfMixin().add_augself(loss(), RECORDER), LossError, "a base too"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused_before_training(case: str) -> None:
    attempt, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        attempt()


def test_a_batch_without_records_is_refused() -> None:
    with pytest.raises(RecordError, match="Wrap the data set's transform"):
        fit(add(), loader(SimCLRTransform(input_size=SIZE)))


def test_a_batch_without_views_is_refused() -> None:
    with pytest.raises(RecordError, match="list of views and their records at 1"):
        fit(add(images=1), loader(RECORDER))
    with pytest.raises(RecordError, match="images='image'"):
        fit(add(images="views"), loader(RECORDER))


def test_another_recorders_batch_is_refused() -> None:
    other = LightlyRecorder(SimCLRTransform(input_size=SIZE), types=["solarize"])
    with pytest.raises(RecordError, match="another recorder"):
        fit(add(), loader(other))


def test_features_of_the_wrong_width_are_refused() -> None:
    with pytest.raises(FeatureError, match=r"width 7 .* found 16"):
        fit(add(augself=loss(feature_dim=7)), loader(RECORDER))


def test_a_tap_that_is_not_called_is_refused() -> None:
    module = SimCLR()
    module.spare = nn.Linear(2, 2)
    with pytest.raises(FeatureError, match="spare: no call"):
        fit(add(module, taps="spare"), loader(RECORDER))


class Averaging(SimCLR):
    def configure_callbacks(self) -> Any:
        return EMAWeightAveraging(decay=0.5)


WANTING: dict[str, Callable[[Any, Any], Any]] = {
    "EMAWeightAveraging": lambda module, data: fit(module, data, EMAWeightAveraging(decay=0.5)),
    "StochasticWeightAveraging": lambda module, data: fit(
        module, data, StochasticWeightAveraging(swa_lrs=0.01)
    ),
    "LearningRateFinder": lambda module, data: Tuner(trainer()).lr_find(
        module, data, num_training=2, attr_name="rate"
    ),
    "DDPStrategy": lambda module, data: fit(module, data, strategy="ddp"),
}


@pytest.mark.parametrize("name", WANTING)
def test_heads_without_a_shape_are_refused_where_one_is_wanted(name: str) -> None:
    module, data = add(augself=loss(feature_dim=None)), loader(RECORDER)
    module.rate = 0.1
    message = rf"{name} expected heads that have a shape before .*AugSelfLoss\(512"
    with pytest.raises(LossError, match=message):
        WANTING[name](module, data)


def test_they_are_refused_beside_a_callback_of_the_modules_own() -> None:
    with pytest.raises(LossError, match="EMAWeightAveraging expected heads"):
        fit(add(Averaging(), loss(feature_dim=None)), loader(RECORDER))


def test_heads_without_a_shape_learn_it_elsewhere() -> None:
    module = add(augself=loss(feature_dim=None))
    fit(module, loader(RECORDER))
    assert module.augself.feature_dim == FEATURES
    fit(module, loader(RECORDER), EMAWeightAveraging(decay=0.5))


class Optimized(SimCLR):
    """Leaves the heads out, in every form that ``configure_optimizers`` may have."""

    form: str = "plain"

    def configure_optimizers(self) -> Any:
        groups = [
            {"params": list(self.projection_head.parameters()), "lr": 0.1},
            {"params": list(self.backbone.parameters()), "weight_decay": 0.01},
        ]
        optimizer = torch.optim.AdamW(groups, lr=0.01)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 8)
        stepwise = {"scheduler": schedule, "interval": "step"}
        forms: dict[str, Any] = {
            "plain": optimizer,
            "list": [optimizer],
            "pair": ([optimizer], [schedule]),
            "dict": {"optimizer": optimizer, "lr_scheduler": stepwise},
        }
        return forms[self.form]


@pytest.mark.parametrize("form", ["plain", "list", "pair", "dict"])
def test_forgotten_heads_join_the_backbones_group(form: str) -> None:
    module = Optimized()
    module.form = form
    seed(0)
    before = {k: v.clone() for k, v in add(module).augself.state_dict().items()}
    fit(module, loader(RECORDER))
    optimizer: Any = module.trainer.optimizers[0]
    groups = optimizer.param_groups
    assert len(groups) == 2
    held = {id(p) for p in groups[1]["params"]}
    assert held >= {id(p) for p in module.augself.parameters()}
    module.augself.check_optimizer(optimizer)
    heads = module.augself.state_dict()
    assert all(not torch.equal(v, before[k]) for k, v in heads.items() if "weight" in k[6:])


def test_heads_that_the_optimizer_has_are_not_added_again() -> None:
    module = add()
    fit(module, loader(RECORDER))
    (group,) = module.trainer.optimizers[0].param_groups
    assert len(group["params"]) == len(list(module.parameters()))


def test_an_optimizer_without_the_tapped_module_is_refused() -> None:
    class Frozen(SimCLR):
        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.projection_head.parameters(), 0.1)

    with pytest.raises(LossError, match="would never learn"):
        fit(add(Frozen()), loader(RECORDER))


def test_it_pickles_as_the_hosts_class() -> None:
    module = add()
    twin = pickle.loads(pickle.dumps(module))
    assert type(twin) is type(module)
    assert isinstance(twin, SimCLR)
    assert same(weights(module, without="-"), weights(twin, without="-"))
    assert fit(module, loader(RECORDER)) == fit(twin, loader(RECORDER))


class Registered(SimCLR):
    def __init_subclass__(cls, key: str) -> None:
        cls.key = key


class Keyed(Registered, key="mine"):
    pass


def test_a_class_whose_subclasses_are_registered_has_the_term() -> None:
    module = add(Keyed())
    assert len(fit(module, loader(RECORDER))) == 4
    assert module.key == "mine"


def renamed(method: Any) -> Any:
    """Decorate a method as users do who leave functools.wraps away."""

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return method(*args, **kwargs)

    return wrapper


def test_a_decorated_step_has_the_term_too() -> None:
    class Decorated(SimCLR):
        training_step = renamed(SimCLR.training_step)

    plain, decorated = add(), add(Decorated())
    decorated.load_state_dict(plain.state_dict())
    assert fit(decorated, loader(RECORDER)) == fit(plain, loader(RECORDER))


@pytest.mark.parametrize(
    ("adapter", "missing", "line"),
    [
        ("lightning", ("lightning", "pytorch_lightning"), "augself-loss[lightning]"),
        ("lightly", ("lightly",), "augself-loss[lightly]"),
    ],
)
@pytest.mark.slow
def test_a_missing_host_gives_the_pip_line(
    try_import: Callable[..., Any], adapter: str, missing: tuple[str, ...], line: str
) -> None:
    error = try_import(f"augself_loss.adapters.{adapter}", without=missing).error
    assert f"pip install '{line}'" in error
