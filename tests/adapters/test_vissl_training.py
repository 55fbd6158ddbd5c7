"""VISSL's own loop with the term: workers, pairing, taps, momentum, logs, checkpoints, Kornia."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("vissl.config")  # examples/vissl is no package of it
from contract import SILENT, TERM, Run
from vissl_host import VisslHost, node, quiet
from vissl_options import ALIKE, MLP, MULTI, SWAV, TRANSFORMER, TWO

from augself_loss import LossError

pytestmark = pytest.mark.host

HOST = VisslHost()


def run(folder: Path, method: str, **options: Any) -> Run:
    (one,) = HOST.run(folder, method, **options)
    return one


def same(a: Run, b: Run) -> bool:
    """Whether two runs' losses, and all of VISSL's own weights, are the same bit for bit."""
    ours, theirs = a.host(a.final), b.host(b.final)
    assert ours.keys() == theirs.keys()
    return a.base == b.base and all(ours[name].equal(theirs[name]) for name in ours)


def test_forkserver_workers_draw_what_they_draw_alone(tmp_path: Path) -> None:
    workers = {"DATA.NUM_DATALOADER_WORKERS": 1, "MULTI_PROCESSING_METHOD": "forkserver"}
    plain = run(tmp_path / "plain", "SimCLR", weights=None, **workers)
    silent = run(tmp_path / "silent", "SimCLR", weights=SILENT, **workers)
    assert same(plain, silent)


@pytest.mark.parametrize("method", HOST.methods)
def test_a_feature_belongs_to_its_view(method: str, tmp_path: Path) -> None:
    run(tmp_path / "run", method, hooks=("PairingCheck",), **TRANSFORMER)


@pytest.mark.processes
def test_mocos_momentum_features_come_back_from_the_shuffle(tmp_path: Path) -> None:
    HOST.run(tmp_path / "run", "MoCo", processes=2, hooks=("PairingCheck",), **TRANSFORMER)


def test_mocos_key_view_gets_no_gradient(tmp_path: Path) -> None:
    augself = run(tmp_path / "run", "MoCo")
    path = tmp_path / "run" / "model_final_checkpoint_phase0.torch"
    loss = torch.load(path, weights_only=False)["loss"]
    encoder = {name.removeprefix("moco_encoder."): held for name, held in loss.items()}
    trunk = [name for name in augself.final if name.startswith("trunk.")]
    moved = [(encoder[name] - augself.initial[name]).abs().max() for name in trunk]
    assert all(0 < way < 0.02 for way in moved), "it follows by momentum 0.999 alone"


def test_another_tap_on_maps(tmp_path: Path) -> None:
    tap = node(TERM, TAP="trunk.stem", FEATURE_DIM=8, POOL="mean", LOG=False)
    plain = run(tmp_path / "plain", "SimCLR", weights=None)
    augself = run(tmp_path / "augself", "SimCLR", AUGSELF=tap)
    assert augself.base[0] == plain.base[0]
    reached = {n for n, g in plain.gradients.items() if not g.equal(augself.gradients[n])}
    assert "augself/total" not in (tmp_path / "augself" / "log.txt").read_text()
    assert reached == {"trunk.stem.0.weight", "trunk.stem.1.weight", "trunk.stem.1.bias"}


def test_global_views_are_paired_or_others(tmp_path: Path) -> None:
    terms = {
        str(views): run(tmp_path / str(n), "SwAV", AUGSELF=node(TERM, VIEWS=views)).terms[0]
        for n, views in enumerate(["global", [0, 1], [2, 3], "all"])
    }
    assert terms["global"] == terms["[0, 1]"]
    assert len(set(terms.values())) == 3


@pytest.mark.parametrize(
    ("stock", "transforms", "options"),
    [
        ("quick_swav_2crops", TWO, {"MODEL.HEAD.PARAMS": SWAV, "LOSS.swav_loss.num_crops": 2}),
        (
            "quick_simclr_multicrop",
            MULTI,
            {
                "MODEL.HEAD.PARAMS": MLP,
                "LOSS.multicrop_simclr_info_nce_loss.buffer_params.embedding_dim": 8,
                "DATA.TRAIN.COLLATE_FUNCTION_PARAMS.create_multidimensional_tensor": True,
            },
        ),
    ],
    ids=["two crops", "multi-crop padded in one tensor"],
)
def test_more_of_vissls_configs(
    stock: str,
    transforms: Any,
    options: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with quiet():
        parts: Any = importlib.import_module("vissl_parts")
    frozen = {"MODEL.TEMP_FROZEN_PARAMS_ITER_MAP": []}
    monkeypatch.setitem(parts.METHODS, stock, (stock, transforms, {**options, **frozen}))
    plain = run(tmp_path / "plain", stock, weights=None)
    silent = run(tmp_path / "silent", stock, weights=SILENT)
    augself = run(tmp_path / "augself", stock)
    assert same(plain, silent)
    assert augself.base[0] == plain.base[0]
    assert all(0 < term < 20 for term in augself.terms)


def test_kornia_alone_augments_a_plain_run(tmp_path: Path) -> None:
    plain = run(tmp_path / "plain", "SimCLR", weights=None, recording="device")
    alone = node(TERM, on_device=True)
    with quiet():
        parts: Any = importlib.import_module("vissl_parts")
        options = {
            "AUGSELF": {**alone, "WEIGHTS": None},
            "DATA.TRAIN.TRANSFORMS": ALIKE,
            "OPTIMIZER.num_epochs": 1,
        }
        prepared = parts.config(tmp_path / "kornia", "SimCLR", options)
        parts.launch(prepared, parts.watched(tmp_path / "kornia", plain=False, on_device=True))
    assert Run.read(tmp_path / "kornia" / "rank0.pt").base == plain.base


@pytest.mark.parametrize("method", ["MoCo", "SwAV"])
def test_kornia_augments_every_form_of_batch(method: str, tmp_path: Path) -> None:
    options = {"COLLATE_FUNCTION": "multicrop_collator"} if method == "SwAV" else {}
    more = {f"DATA.TRAIN.{name}": value for name, value in options.items()}
    if method == "SwAV":
        more["LOSS.swav_loss.num_crops"] = 2
    augself = run(tmp_path / "run", method, recording="device", **more)
    assert all(0 < term < 20 for term in augself.terms)


def test_terms_are_logged_where_vissl_logs(tmp_path: Path) -> None:
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    board = {
        "HOOKS.TENSORBOARD_SETUP.USE_TENSORBOARD": True,
        "HOOKS.TENSORBOARD_SETUP.LOG_DIR": str(tmp_path / "board"),
        "HOOKS.TENSORBOARD_SETUP.LOG_PARAMS": False,
        "HOOKS.TENSORBOARD_SETUP.LOG_PARAMS_GRADIENTS": False,
    }
    augself = run(tmp_path / "run", "SimCLR", **board)
    text = (tmp_path / "run" / "log.txt").read_text()
    assert f"augself/total: {augself.terms[0]:.5f}; augself/base: {augself.base[0]:.5f}" in text
    (folder,) = {file.parent for file in tmp_path.rglob("events.out.tfevents.*")}
    read = events.EventAccumulator(str(folder))
    read.Reload()
    scalars = {name: read.Scalars(name) for name in read.Tags()["scalars"] if "augself" in name}
    assert set(scalars) == {"augself/total", "augself/base", "augself/crop", "augself/color"}
    found = [event.value for event in scalars["augself/total"]]
    assert found == pytest.approx(augself.terms[: len(found)])


def test_test_phases_run_without_the_term(tmp_path: Path) -> None:
    pictures = str(tmp_path / "vissl_pictures")
    test = {
        "TEST_MODEL": True,
        "DATA.TEST.DATA_SOURCES": ["disk_folder"],
        "DATA.TEST.DATASET_NAMES": ["pictures"],
        "DATA.TEST.DATA_PATHS": [pictures],
        "DATA.TEST.LABEL_PATHS": [pictures],
        "DATA.TEST.LABEL_TYPE": "sample_index",
        "DATA.TEST.TRANSFORMS": TWO,
        "DATA.TEST.COLLATE_FUNCTION": "simclr_collator",
        "DATA.TEST.BATCHSIZE_PER_REPLICA": 4,
    }
    augself = run(tmp_path / "run", "SimCLR", epochs=2, **test)
    assert len(augself.final) > len(augself.host(augself.final)) > 0


def test_plain_vissl_reads_the_checkpoints_weights(tmp_path: Path) -> None:
    augself = run(tmp_path / "augself", "SimCLR")
    weights = {
        "MODEL.WEIGHTS_INIT.PARAMS_FILE": str(
            tmp_path / "augself" / "model_final_checkpoint_phase0.torch"
        ),
        "MODEL.WEIGHTS_INIT.STATE_DICT_KEY_NAME": "classy_state_dict",
    }
    plain = run(tmp_path / "plain", "SimCLR", weights=None, **weights)
    assert all(plain.initial[name].equal(augself.final[name]) for name in plain.initial)
    further = run(tmp_path / "further", "SimCLR", **weights)
    assert all(further.initial[name].equal(augself.final[name]) for name in plain.initial)


@pytest.mark.parametrize("method", ["SimCLR", "SwAV"])
def test_resume_keeps_all_but_the_random_state(method: str, tmp_path: Path) -> None:
    seeded: Any = {"hooks": ("SeededSteps",)}
    whole = run(tmp_path / "whole", method, epochs=2, **seeded)
    first = run(tmp_path / "parts", method, epochs=1, **seeded)
    rest = run(tmp_path / "parts", method, epochs=2, resume=True, **seeded)
    assert first.base + rest.base == whole.base
    assert first.terms + rest.terms == whole.terms
    assert all(rest.final[name].equal(whole.final[name]) for name in whole.final)


def test_a_plain_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    run(tmp_path / "run", "SimCLR", weights=None)
    with pytest.raises(AssertionError):  # VISSL logs why and asserts
        run(tmp_path / "run", "SimCLR", epochs=2)
    assert LossError.__name__ in (tmp_path / "run" / "log.txt").read_text()
