"""Features and records of the step that runs, in one place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from augself_loss import FlipEncoder, Record
from augself_loss.hosting.taps import FeatureTaps
from augself_loss.hosting.watching import Watching
from augself_loss.objectives import ESSL, Condition, ConditionedProjector


class Model(nn.Module):
    """A backbone, and a projector that asks whose records its features have."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Flatten(), nn.Linear(12, 8))
        condition = Condition([FlipEncoder()])
        inputs = ConditionedProjector.input_dim(8, condition)
        self.projector = ConditionedProjector(nn.Linear(inputs, 4), condition, 8)

    def forward(self, view: Tensor) -> Tensor:
        projected: Tensor = self.projector(self.backbone(view))
        return projected


def test_features_and_records_of_views_that_come_while_the_step_runs() -> None:
    model = Model()
    watching = Watching(FeatureTaps(model, "backbone"), conditions=True)
    views: list[Tensor] = []
    records: list[Record] = []
    with watching.step(model, views, lambda: records):
        for flipped in (0.0, 1.0):
            views.append(torch.rand(4, 3, 2, 2))
            records.append({"flip": torch.full((4, 1), flipped)})
            found = model(views[-1])
            assert found.equal(model.projector(model.backbone(views[-1]), records[-1]))
    assert model.projector.record_of is None
    features, known = watching.compared(None, [1, 0], views, records)
    for one, view in zip(features, views[::-1], strict=True):
        torch.testing.assert_close(one, model.backbone(view), rtol=0, atol=0)
    assert [record["flip"].unique().item() for record in known] == [1.0, 0.0]


def test_an_objective_that_reads_no_views_is_given_none() -> None:
    model = Model()
    watching = Watching(FeatureTaps(model, "backbone"), conditions=False)
    views = [torch.rand(4, 3, 2, 2) for _ in range(2)]
    with watching.step(model, views, lambda: [{}, {}]):
        pass  # nothing ran, and nothing is missed
    assert watching.compared(ESSL(8, hidden_dims=[8]), "all", views, [{}, {}]) == ([], [])
