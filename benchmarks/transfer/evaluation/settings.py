"""All that can be chosen about an evaluation; the same for every run that is compared."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class EvaluationSettings:
    """How frozen features are tested. The defaults are the paper's.

    Args:
        values: how many strengths of regularization the linear evaluation tries, evenly spaced in
            the logarithm from ``weakest`` to ``strongest``.
        weakest: smallest weight decay w, of the objective Σ cross-entropy + w·Σ weight², both
            sums, as in the paper's code. scikit-learn's ``C`` is then 1 / 2w, whatever the number
            of rows. (The paper's code also decays the biases; scikit-learn does not.)
        strongest: largest weight decay.
        choose: whether the strength is chosen by the score on the validation part, as in the paper,
            or by the loss there, which a hundred pictures tell apart better than their score.
        standardize: bring features to one scale before a logistic regression, so that neither a
            column nor a network counts for more because its numbers are larger. The statistics are
            those of the rows that are fitted. The paper does not.
        tolerance: L-BFGS stops when the largest gradient of the mean loss is below this over the
            number of classes.
        iterations: L-BFGS stops after so many; fits that needed more are counted in the result.
        shots: labelled pictures per class of an episode, each count a test of its own.
        ways: classes of an episode.
        queries: pictures to classify per class of an episode, fewer where a class has fewer.
        episodes: how many.
        neighbours: how many vote in the in-domain k-nearest-neighbours test.
        pairs: about how many pairs of views parameters are read from.
        fitted: about how many pictures the predictor of a view's features is fitted on.
        ranked: on how many others its predictions are ranked.
        candidates: among how many views of the same picture, 50 in the papers.
        retrieval_queries: at most so many pictures of a task look for their neighbours.
        along: epochs after which the features' knowledge of the augmentations and their in-domain
            accuracy are measured while they train; the last epoch is measured anyway.
        solver: who fits classifiers: ``scikit-learn``, one after the other, or ``torch``, all of a
            fold or all episodes at once, on the GPU where there is one. The same minima, see
            :mod:`transfer.evaluation.newton` and :mod:`transfer.evaluation.ridge`.
        weighed: parts of the training, 0 to 1, in whose epochs the term's gradients are compared
            with the base loss's; 0 is the first epoch after the warm-up.
        seed: of the episodes, the views and the pictures shown, not of the training: where it is
            the same, two runs are tested on the same.

    Raises:
        ValueError: a count below one, or a range that is none.
    """

    values: int = 45
    weakest: float = 1e-6
    strongest: float = 1e5
    choose: Literal["score", "loss"] = "score"
    standardize: bool = False
    tolerance: float = 1e-5
    iterations: int = 5000
    shots: tuple[int, ...] = (1, 5)
    ways: int = 5
    queries: int = 16
    episodes: int = 2000
    neighbours: int = 20
    pairs: int = 10_000
    fitted: int = 4000
    ranked: int = 1000
    candidates: int = 50
    retrieval_queries: int = 2000
    along: tuple[int, ...] = ()
    solver: Literal["scikit-learn", "torch"] = "scikit-learn"
    weighed: tuple[float, ...] = ()
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("values", "iterations", "queries", "episodes", "neighbours", "retrieval_queries")
        least = {**dict.fromkeys((*counts, "ranked"), 1), "ways": 2, "candidates": 2}
        least |= {"pairs": 20, "fitted": 20}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} expected at least {bound}, found {getattr(self, name)}.")
        if not self.shots or min(self.shots) < 1:
            raise ValueError(f"shots expected counts from 1 on, found {self.shots}.")
        if not 0 < self.weakest <= self.strongest:
            raise ValueError(
                "Expected 0 < weakest <= strongest weight decay, found "
                f"{self.weakest} and {self.strongest}."
            )

    @property
    def strengths(self) -> tuple[float, ...]:
        """Values of scikit-learn's ``C``, from strong regularization to weak."""
        decays = np.geomspace(self.strongest, self.weakest, self.values)
        return tuple(float(1 / (2 * decay)) for decay in decays)

    @classmethod
    def paper(cls) -> EvaluationSettings:
        """Choose what the paper did."""
        return cls()

    @classmethod
    def smoke(cls) -> EvaluationSettings:
        """Choose what takes seconds and tells nothing."""
        return dataclasses.replace(
            cls.small(),
            values=2,
            episodes=3,
            iterations=50,
            pairs=60,
            fitted=30,
            ranked=6,
            candidates=4,
            retrieval_queries=10,
            along=(1,),
        )

    def on_a_card(self) -> EvaluationSettings:
        """Choose the same tests, fitted at once, and what is measured along 100 epochs."""
        weighed = (0.0, 0.5, 1.0)
        return dataclasses.replace(self, solver="torch", weighed=weighed, along=(10, 30))

    @classmethod
    def small(cls) -> EvaluationSettings:
        """Choose what fits sets of a few thousand pictures and a minute of one core.

        On an untrained network's standardized features the weight decay that validation chose lay
        between 0.03 and 316 on the offline sets; ``at_edge`` in a result tells of wider ones.
        """
        return cls(
            values=12,
            weakest=1e-2,
            strongest=10**3.5,
            choose="loss",
            standardize=True,
            tolerance=3e-3,
            iterations=1000,
            episodes=400,
            pairs=4000,
            fitted=1500,
            ranked=200,
            along=(5, 15, 30, 60),
        )
