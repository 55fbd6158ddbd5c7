"""λ follow the share of gradients in a Lightning run, in a resumed one, and over batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from lightly_modules import FEATURES
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning_modules import SimSiam, batches, device
from pictures import Losses, same, seed, trainer, weights

from augself_loss import AugSelfLoss, GradientShare, LossError, gradient_ratios
from augself_loss.adapters.lightning import (
    KeepGradientShare,
    KeepRandomState,
    add_augself,
    add_objective,
)
from augself_loss.objectives import CARE, Objectives
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder

pytestmark = pytest.mark.host


class Watch(Callback):
    """Keeps λ of every step, and what each term's gradient came to."""

    def __init__(self) -> None:
        self.lambdas: list[dict[str, float]] = []
        self.shares: list[dict[str, float]] = []

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:  # noqa: ARG002
        def see(_module: Any, given: Any, out: Any) -> None:
            features = [f for f in given[0] if f.requires_grad]
            self.lambdas.append(pl_module.augself.weights)
            parts = {n: self.lambdas[-1][n] * term for n, term in out.terms.items()}
            self.now = parts, features, out.total

        pl_module.augself.register_forward_hook(see)

    def on_before_backward(self, trainer: Any, _: Any, loss: torch.Tensor) -> None:
        parts, features, total = self.now
        base = loss * trainer.accumulate_grad_batches - total
        self.shares.append(gradient_ratios(base, parts, features))


def prepared() -> Any:
    seed(0)
    recorder = MultiViewRecorder(KorniaRecorder(device()))
    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=recorder.encoders)
    return add_augself(SimSiam(), augself, recorder, taps="backbone", on_device=True)


def run(
    folder: Path, epochs: int, resumed: Path | None = None, **options: Any
) -> tuple[Watch, Any, list[float]]:
    module = prepared()
    watch, kept = Watch(), Losses()
    keep = KeepGradientShare(0.5, every=1, smoothing=0.5)
    saved = ModelCheckpoint(folder, filename="{epoch}", save_top_k=-1)
    callbacks = [watch, keep, kept, KeepRandomState(), saved]
    host = trainer(*callbacks, max_epochs=epochs, enable_checkpointing=True, **options)
    seed(5 if resumed is None else 77)
    host.fit(module, batches(), ckpt_path=resumed)
    return watch, module, kept.losses


@pytest.mark.parametrize("accumulated", [1, 2])
def test_lambda_is_what_the_last_steps_gradients_ask_for(tmp_path: Path, accumulated: int) -> None:
    watch, _, _ = run(tmp_path, 1, accumulate_grad_batches=accumulated)
    assert watch.lambdas[0] == {"crop": 1.0, "color": 1.0}
    for name in ("crop", "color"):
        average = None
        for step in range(len(watch.lambdas) - 1):
            new = watch.shares[step][name] / watch.lambdas[step][name]
            average = new if average is None else (average * new) ** 0.5
            assert watch.lambdas[step + 1][name] == pytest.approx(0.5 / average, rel=1e-3)


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path) -> None:
    whole, module, losses = run(tmp_path / "whole", 3)
    run(tmp_path / "first", 1)
    rest, resumed, after = run(tmp_path / "rest", 3, tmp_path / "first" / "epoch=0.ckpt")
    assert rest.lambdas == whole.lambdas[4:]
    assert after == losses[4:]
    assert same(weights(module, without="-"), weights(resumed, without="-"))


def test_among_several_objectives_augselfs_are_set() -> None:
    seed(0)
    recorder = MultiViewRecorder(KorniaRecorder(device()))
    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=recorder.encoders)
    several = Objectives({"a": augself, "b": CARE(weight=1.0, shared=(), pool="mean")})
    module = add_objective(SimSiam(), several, recorder, taps="backbone", on_device=True)
    trainer(KeepGradientShare(0.5, every=1), max_epochs=1).fit(module, batches())
    assert several.weights["b/care"] == 1.0
    assert 1.0 not in augself.weights.values()


def watched(module: Any) -> bool:
    hooks = module.augself._forward_hooks.values()
    return any(isinstance(getattr(hook, "__self__", None), GradientShare) for hook in hooks)


class Breaks(Callback):
    """Ends a fit in its second step, as a full device or a user does."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_before_backward(self, trainer: Any, *_: Any) -> None:
        if trainer.global_step == 1:
            raise self.error


@pytest.mark.parametrize("error", [RuntimeError("out of memory"), KeyboardInterrupt()])
@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("same", [True, False])
def test_a_fit_after_an_interrupted_one(error: BaseException, before: bool, same: bool) -> None:
    module, keep = prepared(), KeepGradientShare(0.5, every=2)
    callbacks = [Breaks(error), keep] if before else [keep, Breaks(error)]
    with pytest.raises((RuntimeError, KeyboardInterrupt, SystemExit)):
        trainer(*callbacks, max_epochs=1).fit(module, batches())
    assert not watched(module)
    again = keep if same else KeepGradientShare(0.5, every=2)
    trainer(again, max_epochs=2).fit(module, batches())
    assert not watched(module)
    assert 1.0 not in module.augself.weights.values()


def test_what_an_earlier_share_left_is_removed() -> None:
    module = prepared()
    GradientShare(module.augself, 0.5, every=1)  # as a killed fit, or a copy, leaves it
    trainer(KeepGradientShare(0.5, every=1), max_epochs=1).fit(module, batches())
    assert not watched(module)


def test_a_module_without_the_term_is_refused() -> None:
    with pytest.raises(LossError, match=r"found SimSiam with 0\. Add one by add_augself or"):
        trainer(KeepGradientShare(), max_epochs=1).fit(SimSiam(), batches())
