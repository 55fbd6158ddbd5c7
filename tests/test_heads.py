import random

import pytest
import torch
from torch import nn

from augself_loss import LossError
from augself_loss.heads import Heads, mlp

KEYS = [
    "0.weight",
    *(f"1.{key}" for key in ("weight", "bias", "running_mean", "running_var")),
    "1.num_batches_tracked",
    "3.weight",
    *(f"4.{key}" for key in ("weight", "bias", "running_mean", "running_var")),
    "4.num_batches_tracked",
    "6.weight",
    "6.bias",
]


def test_a_head_has_the_released_codes_shape_and_keys() -> None:
    head = mlp(8, 16, 3)
    assert list(head.state_dict()) == KEYS
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in head] == kinds
    assert head(torch.randn(5, 16)).shape == (5, 3)


def test_adding_heads_leaves_the_hosts_randomness_alone() -> None:
    def draws(add: bool) -> tuple[list[float], float]:
        torch.manual_seed(0)
        random.seed(0)
        if add:
            Heads(8, {"crop": 4}, 16)
        return torch.randn(3).tolist(), random.random()

    assert draws(add=True) == draws(add=False)


def test_heads_depend_on_the_hosts_seed() -> None:
    weights = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        weights.append(next(Heads(8, {"crop": 4}, 16).parameters()))
    assert weights[0].equal(weights[1])
    assert not weights[0].equal(weights[2])


def test_heads_read_the_features_in_order() -> None:
    heads = Heads(8, {"crop": 4, "flip": 1}, 16).eval()
    one, two = torch.randn(5, 8), torch.randn(5, 8)
    predictions = heads([one, two], [(0, 1)])
    assert list(predictions) == ["crop", "flip"]
    assert predictions["crop"].equal(heads["crop"](torch.cat([one, two], dim=-1)))
    assert not predictions["crop"].equal(heads([one, two], [(1, 0)])["crop"])
    assert list(heads([one, two], [(0, 1)], ["flip"])) == ["flip"]


@pytest.mark.parametrize("name", ["a.b", "", "keys", "type", "training", "learn", "load_released"])
def test_names_that_cannot_name_a_module(name: str) -> None:
    with pytest.raises(LossError, match=rf"names its head.*found '{name}'.*Rename"):
        Heads(8, {name: 1}, 16)
