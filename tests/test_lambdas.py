"""λ: as written, through every way in which a module is built, cast, copied, saved and loaded."""

from __future__ import annotations

import copy
import io
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import checkpoint

from augself_loss import AugSelfLoss, LoadedWeightsWarning, Record, RegressionEncoder
from augself_loss import heads as heads_module
from augself_loss.lambdas import Lambdas

WEIGHTS = {"crop": 2.0, "flip": 3.0}
BATCH, DIM = 4, 8


def build(weights: dict[str, float] | None = None, **options: Any) -> AugSelfLoss:
    torch.manual_seed(0)
    return AugSelfLoss(DIM, weights or WEIGHTS, hidden_dim=16, **options)


def records() -> list[Record]:
    box = torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.1, 0.2, 0.5, 0.5]]).repeat(2, 1)
    flips = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
    return [{"crop": box, "flip": flips}, {"crop": box.flip(0), "flip": torch.zeros(BATCH, 1)}]


def features(dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [
        torch.randn(BATCH, DIM, generator=generator).to(dtype).requires_grad_() for _ in range(2)
    ]


def reset(module: nn.Module) -> None:
    for each in module.modules():
        if hasattr(each, "reset_parameters"):
            each.reset_parameters()


@pytest.mark.parametrize("resets", [True, False])
def test_built_on_meta(resets: bool) -> None:
    with torch.device("meta"):
        augself = build(check_values="never")
    augself.to_empty(device="cpu")
    if resets:
        reset(augself)
    assert augself.weights == WEIGHTS
    out = augself(features(), records())
    expected = 2.0 * out.terms["crop"] + 3.0 * out.terms["flip"]
    torch.testing.assert_close(out.total, expected, equal_nan=True)


def test_parameters_materialized_one_by_one() -> None:
    """As FSDP1 and Accelerate do, which see parameters and buffers alone."""
    with torch.device("meta"):
        augself = build()
    for module in augself.modules():
        if list(module.parameters(recurse=False)):
            module.to_empty(device="cpu", recurse=False)
            module.reset_parameters()  # type: ignore[operator]
    out = augself(features(), records())
    torch.testing.assert_close(out.total, 2.0 * out.terms["crop"] + 3.0 * out.terms["flip"])


def test_reset_parameters_restores_what_was_written() -> None:
    augself = build()
    augself.set_weights({"flip": 0.5})
    augself.reset_parameters()
    assert augself.weights == WEIGHTS
    out = augself(features(), records())
    torch.testing.assert_close(out.total, 2.0 * out.terms["crop"] + 3.0 * out.terms["flip"])


CASTS: dict[str, Callable[[AugSelfLoss], AugSelfLoss]] = {
    "half": lambda a: a.half(),
    "bfloat16": lambda a: a.bfloat16(),
    "double": lambda a: a.double(),
    "to": lambda a: a.to(torch.bfloat16),
    "twice": lambda a: a.bfloat16().float(),
}


@pytest.mark.parametrize("cast", CASTS.values(), ids=list(CASTS))
def test_a_schedule_keeps_its_small_steps_under_every_precision(
    cast: Callable[[AugSelfLoss], AugSelfLoss],
) -> None:
    augself = cast(build({"flip": 1.0}))
    for _ in range(100):
        augself.set_weights({"flip": augself.weights["flip"] + 0.001})
    assert augself.weights["flip"] == pytest.approx(1.1, abs=1e-5)
    dtype = augself.heads["flip"][0].weight.dtype
    out = augself(features(dtype), records())
    assert float((out.total / out.terms["flip"]).detach()) == pytest.approx(1.1, abs=1e-5)


class Zoom(RegressionEncoder):
    name = "zoom"
    columns = ("factor",)
    identity = (1.0,)


class Tilt(RegressionEncoder):
    name = "tilt"
    columns = ("degrees",)
    identity = (0.0,)


def saved(augself: AugSelfLoss) -> dict[str, Any]:
    file = io.BytesIO()
    torch.save(augself.state_dict(), file)
    file.seek(0)
    state: dict[str, Any] = torch.load(file, weights_only=True)
    return state


def test_types_in_another_order_keep_theirs() -> None:
    weights = {"zoom": 1.0, "tilt": 2.0}
    old = build(weights, encoders=[Zoom((0.5, 2.0)), Tilt((-9.0, 9.0))])
    old.set_weights({"zoom": 0.25, "tilt": 0.5})
    new = build(weights, encoders=[Tilt((-9.0, 9.0)), Zoom((0.5, 2.0))])
    assert new.types != old.types
    new.load_state_dict(saved(old))
    assert new.weights == {"tilt": 0.5, "zoom": 0.25}


def test_a_resumed_schedule_goes_on_without_a_word() -> None:
    old, new = build(), build()
    old.set_weights({"flip": 0.5})
    new.load_state_dict(saved(old))
    assert new.weights == {"crop": 2.0, "flip": 0.5}
    new.reset_parameters()
    assert new.weights == WEIGHTS


def test_what_is_written_now_holds_and_the_difference_is_said_once() -> None:
    old, new = build(), build({"crop": 0.5, "flip": 3.0})
    old.set_weights({"flip": 1.0})
    with pytest.warns(LoadedWeightsWarning) as caught:
        new.load_state_dict(saved(old))
    new.load_state_dict(saved(old))
    (warning,) = caught
    text = str(warning.message)
    assert "{'crop': 2.0}" in text
    assert "{'crop': 0.5}" in text
    assert "set_weights({'crop': 2.0})" in text
    assert new.weights == {"crop": 0.5, "flip": 1.0}, "flip was written alike: it is resumed"


def positional(augself: AugSelfLoss, values: Iterable[float]) -> dict[str, Any]:
    """Make the state of a version that kept λ as one tensor."""
    state = {k: v for k, v in augself.state_dict().items() if not k.startswith("lambdas.")}
    return {"weight": torch.tensor(list(values)), **state}


def test_old_checkpoints_load_by_position() -> None:
    new = build()
    assert new.load_state_dict(positional(new, [2.0, 3.0])).missing_keys == []
    assert new.weights == WEIGHTS
    with pytest.warns(LoadedWeightsWarning, match=r"its λ are used.*set_weights\({'flip': 3.0}"):
        new.load_state_dict(positional(new, [2.0, 0.5]))
    assert new.weights == {"crop": 2.0, "flip": 0.5}
    inside = nn.ModuleDict({"augself": build()})
    state = {f"augself.{k}": v for k, v in positional(new, [2.0, 3.0]).items()}
    inside.load_state_dict(state)


def test_wrong_states_are_refused() -> None:
    augself = build()
    wrong: tuple[Any, ...] = (torch.tensor([float("nan"), 1.0]), torch.ones(3), "1", [1.0])
    for value in wrong:
        with pytest.raises(RuntimeError, match="λ of 'flip' expected"):
            augself.load_state_dict({**augself.state_dict(), "lambdas.flip": value})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*lambdas\.blur"):
        augself.load_state_dict({**augself.state_dict(), "lambdas.blur": torch.ones(2)})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*weight"):
        augself.load_state_dict({**augself.state_dict(), "weight": torch.ones(5)})
    assert augself.weights == WEIGHTS


@pytest.mark.parametrize("use_buffers", [True, False])
def test_averaged_copies_keep_their_own(use_buffers: bool) -> None:
    augself = build()
    average = AveragedModel(augself, use_buffers=use_buffers)
    augself.set_weights({"flip": 0.5})
    for _ in range(2):
        average.update_parameters(augself)
    out = average(features(), records())
    assert average.module.weights == WEIGHTS
    torch.testing.assert_close(out.total, 2.0 * out.terms["crop"] + 3.0 * out.terms["flip"])
    assert copy.deepcopy(augself).weights["flip"] == 0.5


class Syncs(TorchDispatchMode):
    """Notes the operations that would wait for a device."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        if "_local_scalar" in name or "_to_copy" in name or "aten.copy_" in name:
            self.seen.append(name)
        return func(*args, **(kwargs or {}))


def test_setting_and_reading_wait_for_no_device() -> None:
    augself = build()
    with Syncs() as syncs:
        augself.set_weights({"flip": 0.5})
        assert augself.weights["flip"] == 0.5
        augself(features(), records())  # values are looked at once
        syncs.seen.clear()
        augself.set_weights({"flip": 0.0})
        augself(features(), records())
    assert not [name for name in syncs.seen if "_local_scalar" in name]


@pytest.fixture(params=[False, True], ids=["separate", "grouped"])
def grouped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(heads_module, "launches_cost", lambda _: request.param)
    chosen: bool = request.param
    return chosen


BLURRED = {"crop": 2.0, "blur": 3.0}


def blurred() -> list[Record]:
    return [{**record, "blur": torch.ones(BATCH, 1)} for record in records()]


def nan_record(_: AugSelfLoss, given: list[Record]) -> None:
    given[0]["blur"] = torch.full((BATCH, 1), float("nan"))


def nan_head(augself: AugSelfLoss, _: list[Record]) -> None:
    with torch.no_grad():
        for parameter in augself.heads["blur"].parameters():
            parameter.fill_(float("nan"))


@pytest.mark.usefixtures("grouped")
@pytest.mark.parametrize("broken", [nan_record, nan_head])
def test_a_type_of_weight_0_adds_no_nan(broken: Callable[..., None]) -> None:
    augself, given, views = build(BLURRED, check_values="never"), blurred(), features()
    augself.set_weights({"blur": 0.0})
    broken(augself, given)
    out = augself(views, given)
    assert not out.terms["blur"].isfinite()
    torch.testing.assert_close(out.total, 2.0 * out.terms["crop"])
    out.total.backward()
    alone, same = build(BLURRED, check_values="never"), features()
    (2.0 * alone(same, given, types=["crop"]).terms["crop"]).backward()
    for view, expected in zip(views, same, strict=True):
        torch.testing.assert_close(view.grad, expected.grad)
    for parameter in augself.heads["blur"].parameters():
        assert parameter.grad is not None, "DDP waits for it"
        assert not parameter.grad.any()


def test_a_diverged_head_of_weight_0_is_not_refused() -> None:
    augself = build(BLURRED)
    augself.set_weights({"blur": 0.0})
    nan_head(augself, [])
    assert augself(features(), blurred()).total.isfinite()


@pytest.mark.slow
def test_a_type_of_weight_0_adds_no_nan_compiled() -> None:
    torch._dynamo.reset()
    augself, given, views = build(BLURRED, check_values="never"), blurred(), features()
    compiled = torch.compile(augself, fullgraph=True, backend="aot_eager")
    nan_record(augself, given)
    for weight in (1.0, 0.0):
        augself.set_weights({"blur": weight})
        out = compiled(views, given)
        assert bool(out.total.isnan()) == (weight > 0)
    out.total.backward()
    assert all(view.grad is not None and bool(view.grad.isfinite().all()) for view in views)


def test_all_weights_0_leave_the_features_in_the_graph() -> None:
    augself, views = build(), features()
    augself.set_weights({"crop": 0.0, "flip": 0.0})
    augself(views, records()).total.backward()
    assert all(view.grad is not None and not view.grad.any() for view in views)


def test_a_silent_type_under_checkpointing_and_with_hooks() -> None:
    augself, views = build(), features()
    augself.set_weights({"flip": 0.0})
    augself.heads["flip"][3].register_forward_hook(lambda *_: None)
    total = checkpoint(lambda *v: augself(list(v), records()).total, *views, use_reentrant=False)
    total.backward()
    assert all(view.grad is not None and view.grad.any() for view in views)
    assert not augself.heads["flip"][6].weight.grad.any()


def test_states_pass_without_a_warning_between_equal_losses() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build().load_state_dict({k: v.bfloat16() for k, v in build().state_dict().items()})


@pytest.mark.parametrize("weight", [0.4, 1e-3, 0.1, 12.5, 0, 1 / 3, 3.4028234663852886e38, 1e-45])
def test_lambdas_read_as_they_were_written(weight: float) -> None:
    """In float32's precision, which is what the device computes with, and in no more digits."""
    lambdas = Lambdas({"flip": weight})
    (read,) = lambdas.read().values()
    assert torch.tensor(read) == torch.tensor(float(weight))
    assert weight not in (0.4, 1e-3, 0.1, 12.5, 0) or read == weight
    again = Lambdas({"flip": weight})
    again.load_state_dict(lambdas.state_dict())  # the same λ: nothing is said
    assert again.read() == lambdas.read()
