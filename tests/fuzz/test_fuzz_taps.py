"""Hosts that do anything to views on their way: features are those of their own image, or refused.

Every image carries a number that survives scaling and casting; the networks return that number.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from augself_loss.errors import FeatureError
from augself_loss.taps import FeatureTaps


class Reads(nn.Module):
    """Returns the number of every image, ``(N, 2)``."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.flatten(1).float()
        low, high = pixels[:, 1], pixels[:, 2]
        return ((pixels[:, 0] - low) / (high - low))[:, None] * self.weight


class Deep(nn.Module):
    """A network of two layers, of which the second is tapped."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.layer = nn.Sequential(nn.Flatten(), Cut()), Reads()

    def forward(self, x: Tensor) -> Tensor:
        return self.encode(x)

    def encode(self, x: Tensor) -> Tensor:
        found: Tensor = self.layer(self.stem(x))
        return found


class Cut(nn.Module):
    """A layer with weights that leaves the number in the first three columns."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x.float()[:, :5] * self.scale


class Shuffles(nn.Module):
    """Shuffles its batch before its network and puts the features back in order behind it."""

    def __init__(self, inner: nn.Module, factor: float) -> None:
        super().__init__()
        self.inner, self.factor = inner, factor

    def forward(self, x: Tensor) -> Tensor:
        order = torch.randperm(len(x))
        found: Tensor = self.inner(x[order] * self.factor)
        return found[order.argsort()]

    encode = forward


class Scales(nn.Module):
    """Normalizes inside."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Reads()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.inner((x - 0.5) / 0.25)
        return found

    encode = forward


NETWORKS: dict[str, tuple[Callable[[], nn.Module], str]] = {
    "plain": (Reads, ""),
    "deep": (Deep, ".layer"),
    "scales": (Scales, ".inner"),
    "shuffles": (lambda: Shuffles(Reads(), 1.0), ".inner"),
    "shuffles deep": (lambda: Shuffles(Deep(), 1.0), ".inner.layer"),
    "shuffles and scales": (lambda: Shuffles(Reads(), 2.0), ".inner"),
    "shuffles and scales deep": (lambda: Shuffles(Deep(), 2.0), ".inner.layer"),
}
"""Kind of network → how it is built, and where it is tapped."""


def interleaved(views: list[Tensor]) -> Tensor:
    return torch.stack(views, dim=1).flatten(0, 1)


def in_place(x: Tensor) -> Tensor:
    return x.sub_(0.5).div_(0.25)


def shuffled_in_place(x: Tensor) -> Tensor:
    return x.copy_(x[torch.randperm(len(x))])


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "as it is": lambda x: x,
    "copy": lambda x: x.clone(),
    "detached": lambda x: x.detach(),
    "half": lambda x: x.half(),
    "half and back": lambda x: x.half().float(),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "flat": lambda x: x.flatten(1),
    "shuffled": lambda x: x[torch.randperm(len(x))],
    "reversed": lambda x: x.flip(0),
    "scaled": lambda x: x * 3 - 1,
    "scaled and shuffled": lambda x: (x * 3 - 1)[torch.randperm(len(x))],
    "in place": in_place,
    "shuffled in place": shuffled_in_place,
    "noisy": lambda x: x + 1e-4 * torch.rand_like(x),
    "part": lambda x: x[: len(x) // 2],
}

names = st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=2)


def images(views: int, batch: int, sizes: list[int], seed: int) -> list[Tensor]:
    """Views whose number, 1 + view · batch + row, stands in their first three pixels."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for view in range(views):
        x = torch.rand(batch, 3, sizes[view], sizes[view], generator=generator)
        flat = x.flatten(1)
        flat[:, 0] = (1 + view * batch + torch.arange(batch)) / 64
        flat[:, 1], flat[:, 2] = 0.0, 1.0
        made.append(flat.view_as(x))
    return made


def numbers(features: Tensor) -> list[int]:
    return (features[:, 0] * 64).round().int().tolist()  # type: ignore[no-any-return]


def run(data: st.DataObject, root: nn.Module, views: list[Tensor]) -> None:
    """Send the views through the networks in some way, as a host's step would."""
    networks = [network for _, network in sorted(root.named_children())]
    for _ in range(data.draw(st.integers(1, 4), label="calls")):
        network = data.draw(st.sampled_from(networks))
        bypass = hasattr(network, "encode") and data.draw(st.booleans(), label="by a method")
        call: Callable[[Tensor], Tensor] = network.encode if bypass else network
        chosen = data.draw(st.lists(st.sampled_from(range(len(views))), min_size=1, max_size=3))
        group = [views[i] for i in chosen if views[i].shape == views[chosen[0]].shape]
        joined = data.draw(st.sampled_from([torch.cat, interleaved]))
        x = group[0] if len(group) == 1 else joined(group)
        for name in data.draw(names, label="changes"):
            x = CHANGES[name](x) if x.ndim == 4 or name not in ("channels last", "flat") else x
        kept = data.draw(st.sampled_from(["grad", "no_grad", "checkpoint"]))
        with torch.set_grad_enabled(kept != "no_grad"):
            checkpoint(call, x, use_reentrant=False) if kept == "checkpoint" else call(x)


@pytest.mark.slow
@given(data=st.data(), seed=st.integers(0, 10**6))
@settings(max_examples=300, deadline=None)
def test_a_feature_is_that_of_its_image(data: st.DataObject, seed: int) -> None:
    torch.manual_seed(seed)
    kinds = data.draw(st.lists(st.sampled_from(sorted(NETWORKS)), min_size=1, max_size=2))
    root = nn.ModuleDict({f"net{i}": NETWORKS[kind][0]() for i, kind in enumerate(kinds)})
    taps = FeatureTaps(root, [f"net{i}{NETWORKS[kind][1]}" for i, kind in enumerate(kinds)])
    count, batch = data.draw(st.integers(2, 4)), data.draw(st.integers(2, 5))
    sizes = data.draw(st.lists(st.sampled_from([4, 4, 6]), min_size=count, max_size=count))
    for step in range(data.draw(st.integers(1, 2), label="steps")):
        views = images(count, batch, sizes, seed + step)
        with taps.watch(root, views):
            run(data, root, views)
        for number in range(count):
            try:
                (found,) = taps.features([number])
            except FeatureError:
                continue
            assert numbers(found) == [1 + number * batch + row for row in range(batch)]
