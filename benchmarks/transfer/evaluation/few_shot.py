"""Few-shot episodes: can a handful of labelled pictures of new classes be told apart?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from transfer.evaluation import at_once
from transfer.evaluation.folds import Array, array
from transfer.evaluation.logistic import fit, regression
from transfer.evaluation.settings import EvaluationSettings


class Episode(NamedTuple):
    """Row numbers of one episode: what is learned from, and what is then classified."""

    support: Array
    queries: Array


def few_shot(
    features: Tensor, labels: Tensor, *, settings: EvaluationSettings
) -> dict[str, dict[str, Any]]:
    """Fit a logistic regression (C = 1) to every episode's few pictures, and score its queries.

    With ``settings.standardize`` an episode's features are centred on its support and divided by
    one number, their spread: a network with larger features would else be regularized less.

    Args:
        features: frozen, ``(N, D)``.
        labels: classes, int64 ``(N,)``.
        settings: shots, ways, queries, episodes and their seed.

    Returns:
        Shots → ``mean`` accuracy, ``interval`` (1.96 σ / √episodes), ``episodes``, ``queries``
        (the fewest that any class has), ``classes`` drawn from, ``unconverged``. Shots that fewer
        than ``ways`` classes have the pictures for are left out.

    Raises:
        ValueError: that is so for every number of shots.
    """
    x, y = array(features), array(labels)
    results = {}
    for shots in possible_shots(labels, settings):
        outcomes_of = _outcomes_at_once if settings.solver == "torch" else _outcomes
        outcomes = outcomes_of(x, y, list(episodes(labels, shots, settings)), settings)
        accuracies = np.array([accuracy for accuracy, _ in outcomes])
        sizes = [len(rows) for rows in _rows_per_class(y, shots).values()]
        results[str(shots)] = {
            "mean": float(accuracies.mean()),
            "interval": float(1.96 * accuracies.std() / np.sqrt(len(accuracies))),
            "episodes": len(accuracies),
            "queries": min(settings.queries, min(sizes) - shots),
            "classes": len(sizes),
            "unconverged": sum(cut_short for _, cut_short in outcomes),
        }
    return results


def possible_shots(labels: Tensor, settings: EvaluationSettings) -> list[int]:
    """Which of the settings' shots enough classes have pictures for.

    Raises:
        ValueError: none.
    """
    y = array(labels)
    possible = [s for s in settings.shots if len(_rows_per_class(y, s)) >= settings.ways]
    if not possible:
        largest = np.sort(np.unique(y, return_counts=True)[1])[::-1]
        raise ValueError(
            f"Episodes of {settings.ways} classes expected as many with more than "
            f"{min(settings.shots)} pictures, found {len(_rows_per_class(y, min(settings.shots)))} "
            f"(largest classes: {largest[:5].tolist()}). Set few_shot=False on this task."
        )
    return possible


def episodes(labels: Tensor, shots: int, settings: EvaluationSettings) -> Iterator[Episode]:
    """Draw the episodes: the same for the same labels and seed, whatever the features are."""
    random = np.random.default_rng([settings.seed, shots])
    rows = _rows_per_class(array(labels), shots)
    classes = np.array(list(rows))
    for _ in range(settings.episodes):
        drawn = random.choice(classes, settings.ways, replace=False)
        orders = [random.permutation(rows[c])[: shots + settings.queries] for c in drawn]
        yield Episode(
            np.concatenate([order[:shots] for order in orders]),
            np.concatenate([order[shots:] for order in orders]),
        )


def _rows_per_class(y: Array, shots: int) -> dict[int, Array]:
    """Rows of every class that has a query left."""
    rows = {int(c): np.flatnonzero(y == c) for c in np.unique(y)}
    return {c: r for c, r in rows.items() if len(r) > shots}


def _outcomes(
    x: Array, y: Array, drawn: Sequence[Episode], settings: EvaluationSettings
) -> list[tuple[float, int]]:
    return [_outcome(x, y, episode, settings) for episode in drawn]


def _outcomes_at_once(
    x: Array, y: Array, drawn: Sequence[Episode], settings: EvaluationSettings
) -> list[tuple[float, int]]:
    """Do the same, all episodes at once; those cut short are counted with the first."""
    parts = [_scaled(x, episode, settings) for episode in drawn]
    named = [np.unique(y[episode.support], return_inverse=True) for episode in drawn]
    supports = torch.from_numpy(np.stack([support for support, _ in parts]))
    labels = torch.from_numpy(np.stack([places for _, places in named]))
    weights, biases, cut_short = at_once.episodes(supports, labels, settings)
    slopes, offsets = weights.cpu().numpy(), biases.cpu().numpy()
    outcomes = []
    for number, (episode, (_, queries)) in enumerate(zip(drawn, parts, strict=True)):
        found = named[number][0][(queries @ slopes[number] + offsets[number]).argmax(axis=1)]
        outcomes.append((float((found == y[episode.queries]).mean()), cut_short * (number == 0)))
    return outcomes


def _scaled(x: Array, episode: Episode, settings: EvaluationSettings) -> tuple[Array, Array]:
    """Support and queries, on the support's scale."""
    support, queries = x[episode.support], x[episode.queries]
    if settings.standardize:
        centre = support.mean(axis=0)
        spread = np.sqrt(np.square(support - centre).mean()) or 1.0  # collapsed features have none
        support, queries = (support - centre) / spread, (queries - centre) / spread
    return support, queries


def _outcome(
    x: Array, y: Array, episode: Episode, settings: EvaluationSettings
) -> tuple[float, int]:
    """Accuracy on the queries, and whether the fit was cut short."""
    support, queries = _scaled(x, episode, settings)
    model = regression(settings, settings.ways, 1.0)
    cut_short = fit(model, support, y[episode.support])
    return float((model.predict(queries) == y[episode.queries]).mean()), cut_short
