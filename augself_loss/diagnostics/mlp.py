"""A small MLP that learns numbers from numbers: seeded, on the CPU, stopped early."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional

from augself_loss.diagnostics.fitting import Scale, fitted_rows

HIDDEN, BATCH, LEARNING_RATE, WEIGHT_DECAY, DROPOUT = 256, 256, 1e-3, 1e-2, 0.5
EPOCHS, PATIENCE = 60, 5
"""At most so many passes, and so many without a better score before it stops."""


def fit_mlp(
    inputs: Tensor, targets: Tensor, *, dropout: float = DROPOUT, seed: int = 0
) -> Callable[[Tensor], Tensor]:
    """Fit an MLP of two hidden layers by mean squared error on standardized columns.

    It stops when its predictions of the last eighth of the rows stop improving; keep a picture's
    rows together. The caller's random state stays as it was.

    Args:
        inputs: ``(N, D)``, N at least 8, on any device.
        targets: ``(N, T)``.
        dropout: rate in the hidden layers.
        seed: for the weights, the order and the dropout.

    Returns:
        A function from inputs ``(M, D)`` to predictions ``(M, T)``, float32 on the CPU.
    """
    known, wanted = Scale.of(inputs, torch.float32), Scale.of(targets, torch.float32)
    with _alone(seed):
        # Made anew in here, so that it can be trained on what came from inference mode, too.
        x, y = known.scaled(inputs), wanted.scaled(targets)
        net = _network(x.shape[1], y.shape[1], dropout)
        _train(net, x, y)

    @torch.no_grad()
    def predict(rows: Tensor) -> Tensor:
        with torch.autocast("cpu", enabled=False):
            return wanted.unscaled(net(known.scaled(rows)))

    return predict


def _network(inputs: int, outputs: int, dropout: float) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, HIDDEN, dtype=torch.float32),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(HIDDEN, HIDDEN, dtype=torch.float32),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(HIDDEN, outputs, dtype=torch.float32),
    )


def _train(net: nn.Sequential, x: Tensor, y: Tensor) -> None:
    """Train until the held-back rows are predicted no better; leave the best weights."""
    train = fitted_rows(len(x))
    optimizer = torch.optim.AdamW(net.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    best, kept, waited = float("inf"), copy.deepcopy(net.state_dict()), 0
    for _ in range(EPOCHS):
        net.train()
        for rows in torch.split(torch.randperm(train), BATCH):
            optimizer.zero_grad()
            functional.mse_loss(net(x[rows]), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimizer.step()
        net.eval()
        with torch.no_grad():
            score = float(functional.mse_loss(net(x[train:]), y[train:]))
        waited = 0 if score < best else waited + 1
        if score < best:
            best, kept = score, copy.deepcopy(net.state_dict())
        if waited >= PATIENCE:
            break
    net.load_state_dict(kept)


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Seed the CPU for a while, where all is made, with gradients whatever the caller's mode."""
    devices: list[int] = []
    with (
        torch.random.fork_rng(devices),
        torch.inference_mode(False),
        torch.enable_grad(),
        torch.autocast("cpu", enabled=False),
        torch.device("cpu"),  # Adam's counters lie on the default device up to PyTorch 2.11
    ):
        torch.default_generator.manual_seed(seed)
        yield
