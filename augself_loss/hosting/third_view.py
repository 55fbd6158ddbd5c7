"""A view that only the objective sees: taken off the batch, and run through the host's network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from augself_loss.errors import LossError
from augself_loss.hosting.depth_taps import DepthTaps, Taps, listed
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.output import Output
from augself_loss.parameters import Record
from augself_loss.views import Features


@dataclass
class ThirdView:
    """Which view it is, and what it is run through.

    Args:
        number: its index among the recorder's views.
        through: name of the submodule that is called with its images.

    Attributes:
        images: of the step that runs.
    """

    number: int
    through: str
    images: list[Tensor] = field(default_factory=list)

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
            through: the submodule that is called with its images; default the first tap.
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
                    f"{name} expected a view of its own besides those that the module trains on, "
                    f"{wanted}: give the recorder one more view and say which, third=2. Where the "
                    "host's adapter takes none, call the objective yourself, third=features."
                )
            return None
        if wanted is None:
            raise LossError(
                f"third={third} expected an objective that wants a third view, found {name}."
            )
        number = third + count if -count <= third < 0 else third
        if isinstance(third, bool) or number not in range(count) or count < 3:
            raise LossError(
                f"third expected one of the recorder's views, of three at least, found {third!r} "
                f"of {count}."
            )
        called = listed(taps)[0] if through is None else through
        if called not in dict(root.named_modules(remove_duplicate=False)):
            raise LossError(
                f"through expected the name of a submodule of {type(root).__name__}, found "
                f"{through!r}: the one that is called with images, e.g. 'backbone'."
            )
        return cls(number, called)

    def take(self, views: list[Tensor], records: list[Record]) -> None:
        """Take the view and its record off those of the step."""
        self.images = [views.pop(self.number)]
        records.pop(self.number)

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
            taps: where features are taken.
            run: what is called for the loss, where something is wrapped around it.
        """
        third: Features | None = None
        if not objective.silent:
            images = [objective.prepare(self.images[0])]
            with taps.watch(root, images):
                root.get_submodule(self.through)(images[0])
            (third,) = taps.features([0])
        self.images = []
        out: Output = (run or objective)(features, records, third=third)
        return out
