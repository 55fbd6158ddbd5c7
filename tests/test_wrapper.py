"""The wrapped loss: the sum, its parts, and the warning about heads that never learn."""

import copy
import io
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.distributed.fsdp import FullyShardedDataParallel
from torch.nn.parallel import DataParallel, DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from torch.utils.checkpoint import checkpoint

from augself_loss import (
    AugSelfLoss,
    FeatureError,
    HeadsUnchangedWarning,
    LossError,
    WithAugSelf,
    with_augself,
)

BATCH, DIM, PATIENCE = 4, 6, 3
Step = Callable[[], None]


def features() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(BATCH, DIM, generator=generator).requires_grad_() for _ in range(2)]


RECORDS = [{"flip": torch.zeros(BATCH, 1)}, {"flip": torch.ones(BATCH, 1)}]


def build(**options: Any) -> WithAugSelf:
    torch.manual_seed(0)
    augself = AugSelfLoss(DIM, {"flip": 0.5}, hidden_dim=4)
    return with_augself(nn.MSELoss(), augself, **{"patience": PATIENCE, **options})


def call(wrapped: WithAugSelf) -> Tensor:
    one, two = features()
    total: Tensor = wrapped(one, two, features=[one, two], records=RECORDS)
    return total


def train(wrapped: WithAugSelf, step: Step, calls: int, accumulate: int = 1) -> list[Any]:
    """Train for some calls and return the warnings given."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for number in range(calls):
            call(wrapped).backward()
            if (number + 1) % accumulate == 0:
                step()
                wrapped.zero_grad()
    return [w for w in caught if issubclass(w.category, HeadsUnchangedWarning)]


def test_the_sum_and_its_parts() -> None:
    wrapped, (one, two) = build(), features()
    total = wrapped(one, two, features=[one, two], records=RECORDS)
    expected = build().augself([one, two], RECORDS)
    base = nn.functional.mse_loss(one, two)
    torch.testing.assert_close(total, base + expected.total)
    assert wrapped.base is not None
    assert wrapped.augself_output is not None
    torch.testing.assert_close(wrapped.base, base.detach())
    torch.testing.assert_close(wrapped.augself_output.total, 0.5 * expected.terms["flip"].detach())
    parts = (wrapped.base, wrapped.augself_output.total, *wrapped.augself_output.terms.values())
    assert not any(part.requires_grad for part in parts)


def test_both_parts_reach_the_features() -> None:
    wrapped, (one, two) = build(), features()
    wrapped(one, two, features=[one, two], records=RECORDS).backward()
    base, _ = torch.autograd.grad(nn.functional.mse_loss(one, two), [one, two])
    term, _ = torch.autograd.grad(build().augself([one, two], RECORDS).total, [one, two])
    torch.testing.assert_close(one.grad, base + term)


def test_the_wrapped_loss_gets_its_arguments() -> None:
    got: list[Any] = []

    def loss(*args: Any, **kwargs: Any) -> Tensor:
        got.append((args, kwargs))
        return torch.tensor(2.0)

    wrapped = with_augself(loss, AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=4))
    wrapped(1, "two", features=features(), records=RECORDS, temperature=0.1)
    assert got == [((1, "two"), {"temperature": 0.1})]
    assert wrapped.base == 2.0


def test_a_modules_parameters_and_state_are_held() -> None:
    augself = AugSelfLoss(DIM, {"flip": 1.0}, hidden_dim=4)
    wrapped = with_augself(nn.Linear(2, 1), augself)
    names = {name.split(".")[0] for name in wrapped.state_dict()}
    assert names == {"loss", "augself"}
    assert len(list(wrapped.parameters())) == 2 + len(list(augself.parameters()))
    assert {n for n, _ in build().named_parameters()} == {
        f"augself.{n}" for n, _ in augself.named_parameters()
    }


def test_warns_exactly_once_when_the_heads_never_change() -> None:
    wrapped = build()
    backbone = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1)
    caught = train(wrapped, backbone.step, calls=4 * PATIENCE)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "unchanged after 3 gradients" in str(caught[0].message)
    assert "check_optimizer" in str(caught[0].message)


def old_style(parameters: Iterable[nn.Parameter]) -> Step:
    """Write to ``.data``, as optimizers did that torch cannot see at work."""
    held = list(parameters)

    def step() -> None:
        for parameter in held:
            assert parameter.grad is not None
            parameter.data.add_(parameter.grad, alpha=-0.1)

    return step


OPTIMIZERS: dict[str, Callable[[Any], Step]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1).step,
    "sgd without learning rate": lambda p: torch.optim.SGD(p, lr=0.0).step,
    "adam": lambda p: torch.optim.Adam(p, lr=0.1).step,
    "adam foreach": lambda p: torch.optim.Adam(p, lr=0.1, foreach=True).step,
    "adamw fused": lambda p: torch.optim.AdamW(p, lr=0.1, fused=True).step,
    "sgd fused": lambda p: torch.optim.SGD(p, lr=0.1, fused=True).step,
    "old style": old_style,
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=list(OPTIMIZERS))
def test_no_warning_when_an_optimizer_holds_the_heads(optimizer: Callable[[Any], Step]) -> None:
    wrapped = build()
    assert not train(wrapped, optimizer(wrapped.parameters()), calls=4 * PATIENCE)


def test_no_warning_below_patience() -> None:
    wrapped = build(patience=8)
    step = torch.optim.SGD(wrapped.parameters(), lr=0.1).step
    assert not train(wrapped, step, calls=24, accumulate=6)


def nothing() -> None:
    """Step with nothing."""


def test_no_warning_without_training() -> None:
    wrapped = build()
    with torch.no_grad():
        for _ in range(4 * PATIENCE):
            call(wrapped)
    assert not train(wrapped.eval(), nothing, calls=4 * PATIENCE)
    for _ in range(4 * PATIENCE):  # in train mode, but no backward
        call(wrapped.train())


def test_no_warning_when_the_heads_are_frozen() -> None:
    wrapped = build()
    wrapped.augself.requires_grad_(False)
    assert not train(wrapped, nothing, calls=4 * PATIENCE)


def test_warns_also_after_a_move_to_another_precision() -> None:
    wrapped = build()
    assert not train(wrapped, nothing, calls=PATIENCE)
    assert len(train(wrapped.double(), nothing, calls=PATIENCE)) == 1


def test_copies_and_files() -> None:
    wrapped = build()
    call(wrapped).backward()
    twin, file = copy.deepcopy(wrapped), io.BytesIO()
    torch.save(wrapped, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)
    assert call(twin).equal(call(wrapped))
    assert call(loaded).equal(call(wrapped))
    assert len(train(wrapped, nothing, calls=4 * PATIENCE)) == 1


class Counted(nn.Module):
    """Any wrapper that keeps what it wraps as ``module``, and sees its calls."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module, self.calls = module, 0

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        return self.module(*args, **kwargs)


def sharded(module: nn.Module, **options: Any) -> FullyShardedDataParallel:
    return FullyShardedDataParallel(module, device_id=torch.device("cpu"), **options)


WRAPPERS: dict[str, Callable[[nn.Module], Any]] = {
    "compiled": lambda m: torch.compile(m, backend="eager"),
    "DDP": DistributedDataParallel,
    "compiled DDP": lambda m: torch.compile(DistributedDataParallel(m), backend="eager"),
    "DataParallel": DataParallel,
    "Fabric": lambda m: Fabric(accelerator="cpu", devices=1).setup_module(m),
    "average": AveragedModel,
    "FSDP1": lambda m: FullyShardedDataParallel(
        m, device_id=torch.device("cpu"), use_orig_params=True
    ),
    "FSDP1, flat": sharded,
    "another": Counted,
}


@pytest.mark.usefixtures("one_process")
@pytest.mark.filterwarnings("ignore:FSDP is switching:UserWarning")
@pytest.mark.filterwarnings("ignore:.*FSDP.*:FutureWarning")
@pytest.mark.parametrize("wrap", WRAPPERS.values(), ids=list(WRAPPERS))
def test_a_wrapped_term_works_and_is_called_through_its_wrapper(
    wrap: Callable[[nn.Module], Any],
) -> None:
    torch._dynamo.reset()
    plain = build()
    torch.manual_seed(0)
    outer = wrap(AugSelfLoss(DIM, {"flip": 0.5}, hidden_dim=4))
    wrapped, calls = with_augself(nn.MSELoss(), outer), []
    outer.register_forward_hook(lambda *_: calls.append(1))
    torch.testing.assert_close(call(wrapped), call(plain))
    assert calls == [1]
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    wrapped.check_optimizer(optimizer)
    with pytest.raises(LossError, match="of AugSelf's heads"):
        wrapped.check_optimizer(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1))
    wrapped.set_weights({"flip": 0.0})
    torch.testing.assert_close(call(wrapped), nn.functional.mse_loss(*features()))


def test_what_wraps_no_term_is_refused() -> None:
    with pytest.raises(LossError, match="expected an AugSelfLoss, found MSELoss"):
        with_augself(nn.MSELoss(), Counted(nn.MSELoss()))


class Gathered(nn.Module):
    """Gives what DataParallel gathers from two devices."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, *args: Any) -> Any:
        out = self.module(*args)
        pair = torch.stack([out.total, 3 * out.total])
        return type(out)(pair, {name: torch.stack([t, 3 * t]) for name, t in out.terms.items()})


def test_what_data_parallel_gathered_is_averaged() -> None:
    plain, wrapped = build(), with_augself(nn.MSELoss(), Gathered(build().augself))
    expected = call(plain)
    total = call(wrapped)
    assert plain.base is not None
    torch.testing.assert_close(total, plain.base + 2 * (expected - plain.base))
    assert wrapped.augself_output is not None
    assert wrapped.augself_output.terms["flip"].ndim == 0


class Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone, self.projector = nn.Linear(3, DIM), nn.Linear(DIM, 2)
        self.kept: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.kept.append(self.backbone(x))
        return self.projector(self.kept[-1])  # type: ignore[no-any-return]

    def views(self) -> list[Tensor]:
        return [torch.randn(BATCH, 3) for _ in range(2)]


def reentrant(encoder: Encoder) -> list[Tensor]:
    return [checkpoint(encoder, x.requires_grad_(), use_reentrant=True) for x in encoder.views()]


def detached(encoder: Encoder) -> list[Tensor]:
    outputs = [encoder(x) for x in encoder.views()]
    encoder.kept = [f.detach() for f in encoder.kept]
    return outputs


def no_grad(encoder: Encoder) -> list[Tensor]:
    for x in encoder.views():
        with torch.no_grad():
            encoder.kept.append(encoder.backbone(x))
    return [encoder.projector(f) for f in encoder.kept]


@pytest.mark.parametrize("run", [reentrant, detached, no_grad])
def test_features_without_a_gradient_are_refused_at_the_first_step(
    run: Callable[[Encoder], list[Tensor]],
) -> None:
    encoder, wrapped = Encoder(), build()
    outputs, kept = run(encoder), encoder.kept[:2]  # the backward pass recomputes some
    reasons = r"detached.*no_grad.*reentrant checkpoint.*frozen_backbone=True"
    with pytest.raises(FeatureError, match=reasons):
        wrapped(*outputs, features=kept, records=RECORDS)
    frozen = build(frozen_backbone=True)
    frozen(*outputs, features=kept, records=RECORDS).backward()
    wrapped.eval()(*outputs, features=kept, records=RECORDS)
    heads_frozen = build()
    heads_frozen.augself.requires_grad_(False)
    heads_frozen(*outputs, features=kept, records=RECORDS)


def test_a_momentum_encoders_features_need_no_gradient() -> None:
    one, two = features()
    total = build()(one, two, features=[one, two.detach()], records=RECORDS)
    total.backward()
    assert one.grad is not None


def test_checkpointed_without_reentrance_is_fine() -> None:
    encoder = Encoder()
    outputs = [checkpoint(encoder, x, use_reentrant=False) for x in encoder.views()]
    build()(*outputs, features=encoder.kept, records=RECORDS).backward()
    assert encoder.backbone.weight.grad is not None


def test_a_step_that_trains_the_heads_alone_is_said_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wrapped, (one, two) = build(), [f.detach() for f in features()]
    build(frozen_backbone=True)(one, two, features=[one, two], records=RECORDS)
    assert not caplog.records
    for _ in range(2):
        wrapped(one, two, features=[one, two], records=RECORDS)
    (said,) = caplog.records
    assert "Only AugSelf's heads get a gradient" in said.getMessage()
