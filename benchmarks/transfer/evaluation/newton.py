"""Many multinomial logistic regressions at once, by Newton's method, on a CPU or a GPU.

What scikit-learn fits one after the other differs in the strength of regularization, or in the few
pictures of an episode. Here these are a batch, which a GPU computes in the time of one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import log_softmax, one_hot

SOLVES = 200
"""Steps of conjugate gradients within a Newton step, at most."""
SHORTEST = 2.0**-20
"""Part of a Newton step below which none is taken."""


class Fitted(NamedTuple):
    """Weights of P regressions.

    Args:
        weights: ``(P, D, C)``.
        biases: ``(P, C)``.
        unconverged: how many were cut short.
    """

    weights: Tensor
    biases: Tensor
    unconverged: int

    def logits(self, x: Tensor) -> Tensor:
        """Map rows ``(N, D)``, or ``(P, N, D)``, to logits ``(P, N, C)``."""
        return x @ self.weights + self.biases[:, None]


def fit(
    x: Tensor, labels: Tensor, decays: Tensor, classes: int, *, tolerance: float, iterations: int
) -> Fitted:
    """Minimize Σ cross-entropy + decay · Σ weight² for every problem, biases free.

    This is scikit-learn's objective with C = 1 / (2 decay), also where there are two classes: it
    then has one weight vector, whose halves are the two here.

    Args:
        x: rows ``(P, N, D)``, or ``(1, N, D)`` for all problems, float64.
        labels: int64 ``(P, N)`` or ``(1, N)``, from 0 to ``classes`` - 1.
        decays: weight decays ``(P,)``.
        classes: how many.
        tolerance: a problem is solved when the largest gradient of its mean loss is below it.
        iterations: Newton steps, at most.

    Returns:
        Weights and biases, and how many problems were not solved.
    """
    problem = _Problem.of(x, labels, decays * (2.0 if classes == 2 else 1.0), classes)
    weights = x.new_zeros(len(decays), x.shape[2] + 1, classes)
    rows, w = torch.arange(len(decays), device=x.device), weights.clone()
    value, probabilities = problem.value(w)
    for _ in range(iterations):
        gradient = problem.gradient(w, probabilities)
        unsolved = gradient.abs().amax((1, 2)) >= tolerance
        if not bool(unsolved.all()):  # what is solved costs no more
            weights[rows] = w
            problem, rows = problem.narrowed(unsolved), rows[unsolved]
            w, value, probabilities, gradient = (
                each[unsolved] for each in (w, value, probabilities, gradient)
            )
        if not len(rows):
            break
        step = problem.newton_step(gradient, probabilities)
        w, value, probabilities = _searched(problem, w, value, probabilities, step, gradient)
    weights[rows] = w
    return Fitted(weights[:, :-1], weights[:, -1], len(rows))


@dataclass
class _Problem:
    """Mean losses of P regressions, their gradients and curvatures; a last column is the bias."""

    x: Tensor
    hot: Tensor
    decay: Tensor

    @classmethod
    def of(cls, x: Tensor, labels: Tensor, decays: Tensor, classes: int) -> _Problem:
        decay = (2 * decays / x.shape[1])[:, None, None] * x.new_ones(x.shape[2] + 1, 1)
        decay[:, -1] = 0
        with_one = torch.cat([x, x.new_ones(*x.shape[:2], 1)], dim=2)
        return cls(with_one, one_hot(labels, classes).to(x.dtype), decay)

    @property
    def count(self) -> int:
        return self.x.shape[1]

    def narrowed(self, kept: Tensor) -> _Problem:
        """Some of the problems; rows that all share stay."""
        x, hot = (each if len(each) == 1 else each[kept] for each in (self.x, self.hot))
        return _Problem(x, hot, self.decay[kept])

    def value(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Losses ``(P,)``, and probabilities ``(P, N, C)``."""
        logs = log_softmax(self.x @ w, dim=2)
        fitted = -(logs * self.hot).sum((1, 2)) / self.count
        return fitted + (self.decay * w.square()).sum((1, 2)) / 2, logs.exp()

    def gradient(self, w: Tensor, probabilities: Tensor) -> Tensor:
        return self.x.mT @ (probabilities - self.hot) / self.count + self.decay * w

    def curvature(self, v: Tensor, probabilities: Tensor) -> Tensor:
        """The Hessian times ``v``."""
        weighted = probabilities * (self.x @ v)
        weighted = weighted - probabilities * weighted.sum(2, keepdim=True)
        return self.x.mT @ weighted / self.count + self.decay * v

    def newton_step(self, gradient: Tensor, probabilities: Tensor) -> Tensor:
        """Solve H step = -gradient by conjugate gradients, preconditioned by H's diagonal."""
        spread = probabilities * (1 - probabilities)
        diagonal = self.x.square().mT @ spread / self.count + self.decay
        inverse = 1 / diagonal.clamp_min(diagonal.amax((1, 2), keepdim=True) * 1e-12)
        size = _norm(gradient)
        enough = torch.minimum(size.sqrt(), torch.full_like(size, 0.1)) * size
        step, rest = torch.zeros_like(gradient), -gradient
        scaled = inverse * rest
        along, product = scaled, _dot(rest, scaled)
        for number in range(SOLVES):
            going = _norm(rest) > enough
            if number % 5 == 0 and not bool(going.any()):  # to ask makes the host wait
                break
            bent = self.curvature(along, probabilities)
            curved = _dot(along, bent)
            length = torch.where(going & (curved > 0), product / curved, 0.0)
            step, rest = step + length * along, rest - length * bent
            scaled = inverse * rest
            following = _dot(rest, scaled)
            along = scaled + torch.where(going, following / product, 0.0) * along
            product = following
        return step


def _searched(
    problem: _Problem,
    w: Tensor,
    value: Tensor,
    probabilities: Tensor,
    step: Tensor,
    gradient: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Go along the step, half as far where the loss does not fall as it should."""
    slope = _dot(gradient, step).flatten()
    length = torch.ones_like(value)
    while True:
        new = w + length[:, None, None] * step
        found, known = problem.value(new)
        # Near the minimum the loss falls by less than it is rounded to.
        enough = found <= value + 1e-4 * length * slope + 1e-12 * value.abs()
        if bool(enough.all()) or float(length.min()) < SHORTEST:
            break
        length = torch.where(enough, length, length / 2)
    taken = enough[:, None, None]
    return (
        torch.where(taken, new, w),
        torch.where(enough, found, value),
        torch.where(taken, known, probabilities),
    )


def _dot(one: Tensor, other: Tensor) -> Tensor:
    return (one * other).sum((1, 2), keepdim=True)


def _norm(values: Tensor) -> Tensor:
    return values.square().sum((1, 2), keepdim=True).sqrt()
