"""The same weights with other statistics: what batch norms count, and nothing else changes."""

from __future__ import annotations

import torch
from torch import nn
from transfer.noise import Score
from transfer.norms import means, table, with_statistics


def test_batch_norms_have_the_statistics_of_the_pictures() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5))
    net(torch.rand(8, 3, 6, 6))  # has seen others
    kept = {name: value.clone() for name, value in net.state_dict().items()}
    batches = [torch.randn(8, 3, 6, 6) for _ in range(3)]
    made = with_statistics(net, batches)
    seen = torch.stack([net[0](batch) for batch in batches])
    assert torch.allclose(made[1].running_mean, seen.mean((0, 1, 3, 4)), atol=1e-6)
    variances = torch.stack([each.transpose(0, 1).flatten(1).var(1) for each in seen])
    assert torch.allclose(made[1].running_var, variances.mean(0), atol=1e-6)
    assert made[1].momentum == 0.1
    assert all(module.training for module in made.modules())
    for name, value in net.state_dict().items():
        assert torch.equal(value, kept[name]), name
        assert "running" in name or "tracked" in name or torch.equal(made.state_dict()[name], value)


def test_the_table_is_of_means_over_the_tasks() -> None:
    scores = {
        "flags": {"a": Score([], 0.5, 0.0), "a, plain": Score([], 0.6, 0.0)},
        "locate": {"a": Score([], 0.3, 0.0), "a, plain": Score([], 0.2, 0.0)},
        "locate: boxes": {"a": Score([], 0.9, 0.0), "a, plain": Score([], 0.9, 0.0)},
    }
    found = means(scores)
    assert found == {"a": 0.4, "a, plain": 0.4}
    (row,) = table({"a": (found["a"], 0.375)}).rows
    assert [cell.text for cell in row] == ["a", "40.0", "37.5", "−2.5"]
