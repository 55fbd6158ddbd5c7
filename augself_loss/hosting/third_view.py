"""A view that only the objective sees: taken off the batch, and run through the host's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from augself_loss.errors import LossError
from augself_loss.hosting.depth_taps import DepthTaps, Taps, listed
from augself_loss.hosting.pairing import check_views
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.output import Output
from augself_loss.parameters import Record
from augself_loss.views import Features


@dataclass
class ThirdView:
    """Which view it is, and what it is run through.

    Args:
        number: its index among the recorder's views.
        through: name of the submodule that is called with its images, as the user said; ``None``:
            the one that the host's step called with its own.
        tap: name of the first tap, for a step that called none.

    Attributes:
        images: of the step that runs.
        record: theirs.
        checked: whether a record of it was looked at.
    """

    number: int
    through: str | None
    tap: str
    images: list[Tensor] = field(default_factory=list)
    record: Record = field(default_factory=dict)
    checked: bool = False

    @classmethod
    def beside(
        cls,
        root: nn.Module,
        objective: Any,
        taps: Taps,
        third: int | None,
        through: str | None,
        *,
        count: int,
    ) -> ThirdView | None:
        """Check that an objective gets the third view that it wants, and no other does.

        Args:
            root: the host's module.
            objective: the loss, or ``None``.
            taps: where features are taken.
            third: index of the third view.
            through: the submodule that is called with its images; default what the host's step
                calls with its own.
            count: how many views the recorder makes.

        Raises:
            LossError: no third view where one is wanted, one that nothing wants, one that is none
                of the recorder's, or a submodule that is not there.
        """
        wanted = getattr(objective, "third_view", None)
        name = type(objective).__name__
        if third is None:
            if wanted is not None:
                raise LossError(
                    f"{name} expected a view of its own beside those that your step sees, "
                    f"{wanted}; found no third=. Make it in the recorder too, "
                    "MultiViewRecorder([view, view, its_own]), and pass its index, third=2."
                )
            return None
        if wanted is None:
            raise LossError(
                f"third={third} expected an objective with a third view, found {name}. Leave "
                "third out."
            )
        number = third + count if -count <= third < 0 else third
        least = _least_views(objective) + 1
        if isinstance(third, bool) or number not in range(count) or count < least:
            raise LossError(
                f"third expected the index of a view that is {name}'s alone, beside at least "
                f"{least - 1} of your step's, found {third!r} of {count} views. Make it in the "
                "recorder too: MultiViewRecorder([view, view, its_own]), third=2."
            )
        if through is not None and through not in dict(root.named_modules(remove_duplicate=False)):
            raise LossError(
                f"through expected the name of a submodule of {type(root).__name__} that is "
                f"called with images, e.g. 'backbone', found {through!r}."
            )
        return cls(number, through, listed(taps)[0])

    def take(self, views: list[Tensor], records: list[Record]) -> None:
        """Take the view and its record off those of the step."""
        self.images, self.record = [views.pop(self.number)], records.pop(self.number)

    def compute(
        self,
        objective: Any,
        features: Sequence[Features],
        records: Sequence[Record],
        root: nn.Module,
        taps: FeatureTaps | DepthTaps,
        run: Callable[..., Output] | None = None,
    ) -> Output:
        """Run the view through the network, and compute the term; with λ = 0 it does not run.

        Args:
            objective: the loss.
            features: of the views that it compares.
            records: theirs.
            root: the host's module.
            taps: where features are taken, those of the step that has run.
            run: what is called for the loss, where something is wrapped around it.

        Raises:
            RecordError: a view made otherwise than the objective wants.
            FeatureError: nothing tells what the host calls with images.
        """
        third: Features | None = None
        if not objective.silent:
            if not self.checked:
                objective.check_third(self.record)
                self.checked = True
            called = self._called(taps)
            images = [objective.prepare(self.images[0])]
            with taps.watch(root, images):
                root.get_submodule(called)(images[0])
            (third,) = taps.features([0])
        self.images, self.record = [], {}
        out: Output = (run or objective)(features, records, third=third)
        return out

    def _called(self, taps: FeatureTaps | DepthTaps) -> str:
        """Name the submodule to call: the user's; else what the step called with images."""
        if self.through is not None:
            return self.through
        assert isinstance(taps, FeatureTaps)  # an objective with a third view has one depth
        called = taps.entrance()
        return self.tap if called is None else called


def check_compared(views: object, objective: Any, third: ThirdView | None, *, count: int) -> None:
    """Refuse a choice of views to compare that the step, or the objective, does not have.

    Args:
        views: the user's choice.
        objective: the loss, or ``None``.
        third: the objective's own view, which the step does not see.
        count: how many views the recorder makes.

    Raises:
        LossError: see :func:`~augself_loss.hosting.pairing.check_views`.
    """
    check_views(views, count if third is None else count - 1, _least_views(objective))


def _least_views(objective: Any) -> int:
    """Say how many views an objective compares at least, beside its own."""
    least: int = getattr(objective, "least_views", 2)
    return least
