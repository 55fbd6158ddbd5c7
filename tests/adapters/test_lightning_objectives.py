"""What every objective keeps in the real Lightning, as the adapters' contract has it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import lightning.pytorch as pl
import pytest
import torch
from conditioned_modules import METHODS as CONDITIONED
from contract import SILENT, Run
from lightly_modules import FEATURES
from lightning_modules import SimSiam, batches, device, worker
from objective_host import OWN, ObjectiveHost
from pictures import loader, trainer
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from augself_loss import AugSelfLoss, FlipEncoder, LossError, RecordError
from augself_loss.adapters.lightning import add_augself, add_objective
from augself_loss.objectives import ESSL, EquiMod
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.torchvision import TorchvisionRecorder

HOST = ObjectiveHost()
TERMS = [name for name in OWN if name != "CASSLE"]
Runs = Callable[..., Run]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    made: dict[Any, Run] = {}

    def make(method: str, **options: Any) -> Run:
        key = (method, str(options))
        if key not in made:
            (made[key],) = HOST.run(tmp_path_factory.mktemp("run"), method, **options)
        return made[key]

    return make


def own(of: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in of.items() if name.startswith("objective.")}


def others(of: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in of.items() if not name.startswith("objective.")}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(a[name].equal(b[name]) for name in a)


@pytest.mark.parametrize("name", TERMS)
def test_the_first_base_loss_is_the_plain_runs(run: Runs, name: str) -> None:
    plain, added = run(name, weights=None), run(name)
    assert added.base[0] == plain.base[0], "to the last bit"
    assert added.base[1] != plain.base[1]
    assert all(0 < term < 20 for term in added.terms)


@pytest.mark.parametrize("name", TERMS)
def test_with_all_weights_zero_the_run_is_the_plain_one(run: Runs, name: str) -> None:
    plain, silent = run(name, weights=None), run(name, weights=SILENT)
    assert silent.base == plain.base
    assert equal(others(silent.final), plain.final)
    assert not any(silent.terms)


@pytest.mark.parametrize("name", TERMS)
def test_its_networks_learn_and_are_saved(run: Runs, name: str) -> None:
    plain, added = run(name, weights=None), run(name)
    networks = own(added.final)
    assert bool(networks) == (name != "CARE"), "it has none"
    assert set(networks) <= set(added.optimized)
    assert all(gradient.abs().sum() > 0 for gradient in own(added.gradients).values())
    assert not any(networks[n].equal(value) for n, value in own(added.initial).items())
    assert equal({n: added.saved[n] for n in networks}, networks)
    same = [n for n, g in plain.gradients.items() if g.equal(added.gradients[n])]
    reached = set(plain.gradients) - set(same)
    assert reached
    assert all(n.startswith("backbone.") for n in reached), "and nothing else of the host"


@pytest.mark.parametrize("name", OWN)
def test_a_resumed_run_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    (whole,) = HOST.run(tmp_path / "whole", name, epochs=2)
    (first,) = HOST.run(tmp_path / "parts", name, epochs=1)
    (rest,) = HOST.run(tmp_path / "parts", name, epochs=2, resume=True)
    assert first.base + rest.base == whole.base
    assert first.terms + rest.terms == whole.terms
    assert equal(rest.final, whole.final)


def test_the_conditioned_projector_learns(run: Runs) -> None:
    run_ = run("CASSLE")
    made = {n for n in run_.final if n.startswith("projection_head.condition_mlp.")}
    assert made
    assert made <= set(run_.optimized)
    # The bias of a last norm cannot matter in front of another norm, see CASSLE's equation.
    assert all(run_.gradients[n].abs().sum() > 0 for n in made if n.endswith(".0.weight"))
    assert not run_.terms


@pytest.mark.processes
@pytest.mark.parametrize("name", ["EquiMod", "E-SSL", "CASSLE"])
def test_two_processes_stay_in_sync(name: str, tmp_path: Path) -> None:
    rank0, rank1 = HOST.run(tmp_path, name, processes=2)
    assert rank0.base != rank1.base, "each has its own batches"
    assert equal(rank0.final, rank1.final)


def recorder(views: int = 2) -> MultiViewRecorder:
    return MultiViewRecorder(KorniaRecorder(device()), views=views)


def equimod() -> EquiMod:
    return EquiMod(FEATURES, EquiMod.describe(recorder().encoders), embedding_dim=8)


@pytest.mark.parametrize(
    ("objective", "options", "expected"),
    [
        (equimod, {}, "expected a view of its own .*, the images without augmentation.*third=2"),
        (
            equimod,
            {"third": 2, "views": 2},
            "third expected .* beside at least 1 of your step's, found 2 of 2",
        ),
        (equimod, {"third": 3, "views": 3}, "third expected .* found 3 of 3"),
        (equimod, {"third": 2, "views": 3, "through": "net"}, "through expected .* found 'net'"),
        (
            lambda: torch.nn.Linear(2, 2),
            {},
            "expected an AugSelfLoss or another objective, found Linear",
        ),
    ],
)
def test_what_does_not_fit_is_refused(objective: Any, options: Any, expected: str) -> None:
    made = recorder(options.pop("views", 2))
    with pytest.raises(LossError, match=expected):
        add_objective(SimSiam(), objective(), made, taps="backbone", **options)


def test_errors_name_the_function_that_was_called() -> None:
    essl, own = ESSL(FEATURES), recorder(3)
    with pytest.raises(LossError, match=r"add_objective expected a LightningModule.*use PlainStep"):
        add_objective(torch.nn.Linear(2, 2), essl, own, taps="backbone", third=2)
    alone: Any = own.recorders[0]
    with pytest.raises(LossError, match="add_objective expected the MultiViewRecorder"):
        add_objective(SimSiam(), essl, alone, taps="backbone", third=2)


def test_one_call_adds_all() -> None:
    module = add_objective(SimSiam(), equimod(), recorder(3), taps="backbone", third=2)
    with pytest.raises(LossError, match=r"expected .* a term, found one .* one Objectives"):
        add_objective(module, ESSL(FEATURES), recorder(3), taps="backbone", third=2)
    with pytest.raises(LossError, match="For other objectives use add_objective"):
        add_augself(SimSiam(), equimod(), recorder(), taps="backbone")  # type: ignore[arg-type]
    only_flips = EquiMod(FEATURES, EquiMod.describe([FlipEncoder()]))
    two = MultiViewRecorder(KorniaRecorder(torch.nn.Sequential(device()[2])), views=3)
    with pytest.raises(RecordError, match="expected the entry 'flip'"):
        add_objective(SimSiam(), only_flips, two, taps="backbone", third=2)


class Named(SimSiam):
    """Calls something of its own ``objective``, as a setting."""

    def __init__(self) -> None:
        super().__init__()
        self.objective: Any = "simsiam"


class Layered(Named):
    def __init__(self) -> None:
        super().__init__()
        self.objective = nn.MSELoss()


class Method(SimSiam):
    def objective(self) -> None: ...


@pytest.mark.parametrize(("kind", "found"), [(Named, "str"), (Layered, "MSELoss"),
                                             (Method, "method")])  # fmt: skip
def test_the_modules_own_objective_is_not_overwritten(kind: Any, found: str) -> None:
    module = kind()
    with pytest.raises(LossError, match=rf"as 'objective', .*found its own: {found}\. Rename it"):
        add_objective(module, equimod(), recorder(3), taps="backbone", third=2)
    assert type(module.objective).__name__ == found
    add_augself(module, AugSelfLoss(FEATURES, {"flip": 1.0}), recorder(), taps="backbone")


def test_the_modules_own_objective_is_no_term() -> None:
    """Where a conditioned projector is all that is added."""
    made = recorder()
    module = CONDITIONED["SimSiam"](made.encoders)
    module.objective = "simsiam"
    add_objective(module, None, made, taps=module.taps, on_device=True)
    trainer().fit(module, batches())
    assert module.objective == "simsiam"


class Validated(SimSiam):
    def validation_step(self, batch: Any, batch_idx: int) -> None:
        self.log("validation", self.training_step(batch, batch_idx), batch_size=len(batch[1]))


def test_validation_does_not_see_the_third_view() -> None:
    made = MultiViewRecorder(TorchvisionRecorder(worker()), views=3)
    objective = ESSL(FEATURES, hidden_dims=[8])
    module = add_objective(Validated(), objective, made, taps="backbone", third=2)
    host = trainer()
    host.fit(module, loader(made), loader(made, shuffle=False))
    assert "validation" in host.callback_metrics


class Supervised(pl.LightningModule):
    """One view per image, and a network whose classifier follows the features inside of it."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.net.append(nn.Linear(8, 2))

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:  # noqa: ARG002
        ((view,), labels) = batch
        return nn.functional.cross_entropy(self.net(view), labels)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


@pytest.mark.parametrize("name", ["EquiMod", "E-SSL"])
def test_one_labelled_view_is_enough(name: str) -> None:
    own = KorniaRecorder(K.Resize((8, 8)))
    made = MultiViewRecorder([KorniaRecorder(K.RandomResizedCrop((8, 8))), own])
    objective: Any = ESSL(8, hidden_dims=[8], pool="mean")
    if name == "EquiMod":
        described = EquiMod.describe(made.encoders)
        objective = EquiMod(8, described, hidden_dim=8, embedding_dim=4, pool="mean")
    module = add_objective(Supervised(), objective, made, taps="net.0", third=1, on_device=True)
    before = [p.clone() for p in module.parameters()]
    host = trainer()
    data = TensorDataset(torch.rand(8, 3, 12, 12), torch.arange(8) % 2)
    host.fit(module, DataLoader(data, batch_size=4))
    changed = [not p.equal(b) for p, b in zip(module.parameters(), before, strict=True)]
    assert sum(changed) > len(changed) // 2
    assert host.logged_metrics["objective/total"] > 0
