"""Evaluation under torch.inference_mode, and training that goes on as if there had been none."""

from __future__ import annotations

import torch
from scale_parts import Model, batch, build
from torch import Tensor

from augself_loss import with_augself


def train(model: Model, seed: int) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(*batch(seed)).backward()
    optimizer.step()


def evaluate(model: Model) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    x1, x2, *records = batch(7)
    features = [model.backbone(x) for x in (x1, x2)]
    out = model.augself(features, records)
    return out.total, out.terms, model.augself.predict(*features)


def test_evaluates_as_without_gradients() -> None:
    model = build()
    train(model, seed=0)
    model.eval()
    with torch.no_grad():
        expected = evaluate(model)
    with torch.inference_mode():
        found = evaluate(model)
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
    assert found[0].is_inference()


def test_training_goes_on() -> None:
    evaluated, never = build(), build()
    for seed in range(3):
        evaluated.eval()
        with torch.inference_mode():
            evaluate(evaluated)  # the first time, before anything was trained
            evaluated.augself.set_weights({"flip": 0.25})
        evaluated.train()
        for model in (evaluated, never):
            train(model, seed)
    for name, tensor in never.state_dict().items():
        assert evaluated.state_dict()[name].equal(tensor)


def test_evaluation_in_train_mode_moves_the_averages_only() -> None:
    model = build()
    before = {name: p.clone() for name, p in model.named_parameters()}
    with torch.inference_mode():
        evaluate(model)  # with batch norm's own statistics
    assert model.augself.heads["crop"][1].num_batches_tracked == 2  # the loss, and predict
    train(model, seed=0)
    assert all(not p.equal(before[name]) for name, p in model.named_parameters())


def test_a_wrapped_loss_evaluates_too() -> None:
    model = build()
    criterion = with_augself(torch.nn.MSELoss(), model.augself, patience=1).eval()
    x1, x2, *records = batch()
    with torch.inference_mode():
        features = [model.backbone(x) for x in (x1, x2)]
        loss = criterion(*features, features=features, records=records)
        assert criterion.base is not None
        assert criterion.augself_output is not None
        torch.testing.assert_close(loss, criterion.base + criterion.augself_output.total)
