"""The logistic regressions of a fold, or of all episodes, solved at once by Newton's method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from transfer.evaluation import newton
from transfer.evaluation.settings import EvaluationSettings

TIGHTER = 0.3
"""Newton's last steps gain digits at once: they are stopped by less than L-BFGS's tolerance."""


def device() -> torch.device:
    """Where regressions are solved."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


class Path(NamedTuple):
    """Regressions of all strengths on the same rows.

    Args:
        fitted: weights, a problem a strength.
        classes: int64, which class each logit is of.
        unconverged: how many were cut short.
    """

    fitted: newton.Fitted
    classes: Tensor
    unconverged: int

    def predicted(self, x: Tensor) -> Tensor:
        """Classes of rows ``(N, D)``, ``(strengths, N)``, on the CPU."""
        found = self.classes[self.fitted.logits(x.to(device())).argmax(2)]
        return found.cpu()

    def losses(self, x: Tensor, labels: Tensor) -> list[float]:
        """Mean cross-entropies over the rows whose class was fitted; 0 where none was.

        As scikit-learn's ``log_loss`` has them: no row costs more than the smallest probability
        that is told from 0, about 36. One row that is far off would else make the choice alone.
        """
        at = self.classes.cpu()
        known = torch.isin(labels, at)
        if not known.any():
            return [0.0] * len(self.fitted.weights)
        target = torch.searchsorted(at, labels[known]).to(device())
        found = self.fitted.logits(x[known].to(device())).softmax(2)
        least = torch.finfo(found.dtype).eps
        own = found[:, torch.arange(len(target), device=found.device), target]
        losses: list[float] = (-own.clamp(least, 1 - least).log()).mean(1).tolist()
        return losses


def path(
    x: Tensor,
    labels: Tensor,
    strengths: Sequence[float],
    classes: int,
    settings: EvaluationSettings,
) -> Path:
    """Fit one regression a strength.

    Args:
        x: rows ``(N, D)``, float64.
        labels: int64 ``(N,)``.
        strengths: values of scikit-learn's ``C``.
        classes: of the task, by which the tolerance goes.
        settings: tolerance.
    """
    present, places = torch.unique(labels, return_inverse=True)
    decays = torch.tensor([1 / (2 * strength) for strength in strengths], dtype=x.dtype)
    on = device()
    fitted = newton.fit(
        x[None].to(on),
        places[None].to(on),
        decays.to(on),
        len(present),
        tolerance=TIGHTER * settings.tolerance / classes,
        iterations=settings.iterations,
    )
    return Path(fitted, present.to(on), fitted.unconverged)


def episodes(
    supports: Tensor, labels: Tensor, settings: EvaluationSettings
) -> tuple[Tensor, Tensor, int]:
    """Fit a regression with C = 1 to every episode's few rows.

    A weight vector is a combination of the rows that it is fitted on, which are fewer than the
    columns: the problem is solved in their span.

    Args:
        supports: ``(P, N, D)``, float64.
        labels: int64 ``(P, N)``, from 0 to ``settings.ways`` - 1.
        settings: ways and tolerance.

    Returns:
        Weights ``(P, D, ways)``, biases ``(P, ways)``, how many were cut short.
    """
    on = device()
    basis, coordinates = torch.linalg.qr(supports.to(on).mT)
    fitted = newton.fit(
        coordinates.mT.contiguous(),
        labels.to(on),
        torch.full((len(supports),), 0.5, dtype=supports.dtype, device=on),
        settings.ways,
        tolerance=TIGHTER * settings.tolerance / settings.ways,
        iterations=settings.iterations,
    )
    return basis @ fitted.weights, fitted.biases, fitted.unconverged
