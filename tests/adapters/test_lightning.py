"""How Lightning trains a module that has the term: returned losses, precision, compilation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightly.transforms import SimSiamTransform
from lightly_modules import FEATURES, SIZE, SimSiam
from lightning.pytorch.callbacks import EMAWeightAveraging, StochasticWeightAveraging
from pictures import fit, loader, same, seed, trainer, weights
from torch import Tensor, nn

from augself_loss import AugSelfLoss, LossError
from augself_loss.adapters.lightly import LightlyRecorder
from augself_loss.adapters.lightning import AugSelfMixin, KeepRandomState, add_augself
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

pytestmark = pytest.mark.host

Augmented = Callable[..., Any]


def recorder() -> LightlyRecorder:
    return LightlyRecorder(SimSiamTransform(input_size=SIZE))


def term() -> tuple[AugSelfLoss, LightlyRecorder]:
    made = recorder()
    types = {"crop": 1.0, "color": 1.0}
    return AugSelfLoss(FEATURES, types, hidden_dim=16, encoders=made.encoders), made


def augmented(cls: type[Any] = SimSiam, **options: Any) -> Any:
    """Build a module of ``cls`` from one random state, with the term."""
    seed(0)
    module = cls()
    return add_augself(module, *term(), **{"taps": "backbone", **options})


def run(module: Any, *callbacks: Any, **options: Any) -> list[float]:
    return fit(module, loader(recorder()), *callbacks, **options)


class Returning(SimSiam):
    """Returns a dict, as a step may; skips every second batch."""

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        return None if batch_idx % 2 else {"loss": loss, "more": 1}


class Manual(SimSiam):
    """Optimizes by hand, with two optimizers: the backbone's and the other modules'."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def configure_optimizers(self) -> Any:
        own = [*self.projection_head.parameters(), *self.prediction_head.parameters()]
        return [torch.optim.SGD(self.backbone.parameters(), 0.06), torch.optim.SGD(own, 0.06)]

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        loss = super().training_step(batch, batch_idx)
        optimizers: Any = self.optimizers()
        for optimizer in optimizers:
            optimizer.zero_grad()
        self.backward_of(loss)
        for optimizer in optimizers:
            optimizer.step()

    def backward_of(self, loss: Tensor) -> None:
        self.manual_backward(loss)


class Automatic(SimSiam):
    """Does the same with one optimizer."""

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), 0.06)


@pytest.mark.filterwarnings("ignore:.*returned `None`")
def test_a_step_may_return_a_dict_or_nothing() -> None:
    module = augmented(Returning)
    losses = run(module)
    assert len(losses) == 2
    assert losses[0] == run(augmented())[0]


def test_a_step_that_returns_something_else_is_refused() -> None:
    class Odd(SimSiam):
        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return {"objective": super().training_step(batch, batch_idx)}

    with pytest.raises(LossError, match=r"a dict with 'loss', found \['objective'\]"):
        run(augmented(Odd))


def test_manual_optimization_gives_the_same_weights() -> None:
    by_hand, automatic = augmented(Manual), augmented(Automatic)
    run(by_hand)
    run(automatic)
    assert same(weights(by_hand, without="-"), weights(automatic, without="-"))


def test_manual_optimization_past_lightning_is_refused() -> None:
    class Past(Manual):
        def backward_of(self, loss: Tensor) -> None:
            loss.backward()

    with pytest.raises(LossError, match="manual_backward"):
        run(augmented(Past))


def test_accumulated_by_hand_a_divided_weight_gives_the_same_gradients() -> None:
    """As the guide says: the term is added to the divided loss as it is."""
    found = []
    for by_hand in (True, False):
        made = recorder()
        types = {"crop": 0.25 if by_hand else 1.0}
        seed(0)
        augself = AugSelfLoss(FEATURES, types, hidden_dim=16, encoders=made.encoders)
        module = add_augself((ByHand if by_hand else Kept)(), augself, made, taps="backbone")
        run(module, **({} if by_hand else {"accumulate_grad_batches": 4}))
        found.append(module.kept)
    assert found[0].keys() == found[1].keys()
    for name, gradient in found[0].items():
        assert torch.allclose(gradient, found[1][name], rtol=1e-3, atol=1e-6), name


class Kept(Automatic):
    """Keeps the gradients of its last step."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[str, Tensor] = {}

    def on_before_optimizer_step(self, *_: Any) -> None:
        named = self.named_parameters()
        self.kept = {name: p.grad.clone() for name, p in named if p.grad is not None}


class ByHand(Kept):
    """Accumulates as Lightning's documentation of manual optimization does."""

    def __init__(self) -> None:
        super().__init__()
        self.automatic_optimization = False

    def training_step(self, batch: Any, batch_idx: int) -> Any:
        self.manual_backward(super().training_step(batch, batch_idx) / 4)
        if batch_idx % 4 == 3:
            self.optimizers().step()  # type: ignore[union-attr]


def test_gradients_accumulate() -> None:
    module, single = augmented(), augmented()
    before = weights(single, without="-")
    losses = run(module, accumulate_grad_batches=4, limit_train_batches=4)
    assert len(losses) == 4
    assert run(single, limit_train_batches=1)[0] == losses[0] * 4
    moved = {k for k, v in weights(module, without="-").items() if not torch.equal(v, before[k])}
    assert {name for name, _ in module.named_parameters()} <= moved


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "64-true"])
def test_records_keep_their_precision(precision: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    forward = AugSelfLoss.forward

    def noting(self: AugSelfLoss, features: Any, records: Any) -> Any:
        seen.extend(records)
        return forward(self, features, records)

    plain = augmented()
    run(plain, limit_train_batches=1)
    monkeypatch.setattr(AugSelfLoss, "forward", noting)
    run(augmented(), limit_train_batches=1)
    losses = run(augmented(), precision=precision, limit_train_batches=1)
    assert torch.tensor(losses).isfinite().all()
    full, reduced = seen[:2], seen[2:]
    for a, b in zip(full, reduced, strict=True):
        assert all(b[name].dtype == torch.float32 for name in b)
        assert same(a, b)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor")  # dynamo's, at graph breaks
@pytest.mark.parametrize("form", ["whole", "child", "in place", "child before"])
def test_compiled_modules_give_the_same_losses(form: str) -> None:
    torch.compiler.reset()
    expected = run(augmented())
    if form == "child before":

        class Compiled(SimSiam):
            def __init__(self) -> None:
                super().__init__()
                self.backbone: Any = torch.compile(self.backbone, backend="aot_eager")

        module = augmented(Compiled)
    else:
        module = augmented()
    trained: Any = module
    if form == "whole":
        trained = torch.compile(module, backend="aot_eager")
    elif form == "child":
        module.backbone = torch.compile(module.backbone, backend="aot_eager")
    elif form == "in place":
        module.backbone.compile(backend="aot_eager")
    assert run(trained) == pytest.approx(expected, rel=1e-4)


def test_validation_sees_views_alone() -> None:
    class Validated(SimSiam):
        def validation_step(self, batch: Any, batch_idx: int) -> None:  # noqa: ARG002
            (view0, view1), labels, _ = batch
            self.criterion(self.features(view0), self.features(view1))
            assert len(labels) == len(view0)

    module = augmented(Validated)
    for transform in (recorder(), SimSiamTransform(input_size=SIZE)):
        trainer().validate(module, loader(transform, shuffle=False), verbose=False)


class Validated(SimSiam):
    """Validates by its training step, as many do; tests by its validation step."""

    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("validation", self.training_step(batch, batch_idx), batch_size=len(batch[1]))

    def test_step(self, batch: Any, batch_idx: int) -> None:
        self.validation_step(batch, batch_idx)


@pytest.mark.parametrize("recorded", [True, False])
def test_a_validation_step_may_call_the_training_step(recorded: bool) -> None:
    module = augmented(Validated)
    transform = recorder() if recorded else SimSiamTransform(input_size=SIZE)
    host, data = trainer(), loader(transform, shuffle=False)
    (found,) = host.validate(module, data, verbose=False)
    assert list(found) == ["validation"], "no term, and nothing of it is logged"
    assert host.test(module, data, verbose=False)[0].keys() == {"validation"}
    seed(1)
    host = trainer(num_sanity_val_steps=1)
    host.fit(module, loader(recorder()), data)
    assert host.callback_metrics.keys() >= {"validation", "augself/total"}


def test_a_module_in_eval_mode_has_the_term() -> None:
    module = augmented().eval()
    before = [p.clone() for p in module.augself.parameters()]
    run(module)
    assert not any(map(torch.equal, before, module.augself.parameters()))


def test_averaged_weights_hold_the_heads() -> None:
    module = augmented()
    start = {k: v.clone() for k, v in module.augself.state_dict().items()}
    run(module, EMAWeightAveraging(decay=0.5), max_epochs=2)
    assert any(not torch.equal(v, start[k]) for k, v in module.augself.state_dict().items())
    again = augmented()
    run(again, StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1), max_epochs=3)


def test_a_copied_backbone_is_silent() -> None:
    class Copying(SimSiam):
        def on_train_start(self) -> None:
            self.momentum = copy.deepcopy(self.backbone)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            with torch.no_grad():
                self.momentum(batch[0][1])
            return super().training_step(batch, batch_idx)

    assert run(augmented(Copying))[0] == run(augmented())[0]


def test_a_copied_module_trains_by_itself() -> None:
    module = augmented()
    twin = copy.deepcopy(module)
    assert type(twin) is type(module)
    assert run(module) == run(twin)
    assert same(weights(module, without="-"), weights(twin, without="-"))


def test_the_mixin_adds_it_in_the_constructor() -> None:
    class Own(AugSelfMixin, SimSiam):
        def __init__(self) -> None:
            super().__init__()
            self.add_augself(*term(), taps="backbone")

    seed(0)
    assert run(Own()) == run(augmented())


def test_lightnings_own_two_packages() -> None:
    import pytorch_lightning  # noqa: PLC0415 - the other package

    class Other(pytorch_lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.backbone = SimSiam().backbone

        def training_step(self, batch: Any, batch_idx: int) -> Any:  # noqa: ARG002
            view0, view1 = batch[0]
            return (self.backbone(view0) - self.backbone(view1)).square().mean()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.01)

    quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    kept = [KeepRandomState()]
    host = pytorch_lightning.Trainer(accelerator="cpu", max_epochs=1, callbacks=kept, **quiet)
    module = augmented(Other)
    host.fit(module, loader(recorder()))
    assert host.logged_metrics["augself/total"] > 0


def test_supervised_training_with_two_views() -> None:
    from torchvision.transforms import v2  # noqa: PLC0415 - for this host only

    class Supervised(pl.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.backbone = SimSiam().backbone
            self.classifier = nn.Linear(FEATURES, 3)

        def training_step(self, batch: Any, batch_idx: int) -> Any:  # noqa: ARG002
            views, labels = batch
            logits = self.classifier(self.backbone(torch.cat(views)).flatten(1))
            return nn.functional.cross_entropy(logits, labels.repeat(len(views)))

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), 0.05)

    pipeline = v2.Compose(
        [
            v2.RandomResizedCrop(SIZE),
            v2.ColorJitter(0.4, 0.4, 0.4, 0.1),
            v2.ToImage(),
            v2.ToDtype(torch.float32, scale=True),
        ]
    )
    made = MultiViewRecorder(TorchvisionRecorder(pipeline, types=["flip"]))

    def pairs_and_labels(samples: list[Any]) -> Any:
        return torch.utils.data.default_collate([(views, label) for views, label, _ in samples])

    augself = AugSelfLoss(FEATURES, hidden_dim=16, encoders=made.encoders)
    module = add_augself(Supervised(), augself, made, taps="backbone")
    losses = fit(module, loader(made, collate_fn=pairs_and_labels), max_epochs=2)
    assert len(losses) == 8
