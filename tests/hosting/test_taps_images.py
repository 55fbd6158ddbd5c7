"""A view is known by its images where its tensor is not known."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from tapped import BATCH, host, pictures, same, views
from torch import Tensor, nn

from augself_loss.errors import FeatureError
from augself_loss.taps import FeatureTaps


def shuffled(x: Tensor) -> Tensor:
    return x[torch.tensor([2, 0, 3, 1])]


CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    "copied": torch.clone,
    "half": lambda x: x.half(),
    "half and back": lambda x: x.half().float(),
    "bfloat16": lambda x: x.bfloat16(),
    "double": lambda x: x.double(),
    "times one": lambda x: x * 1.0,
    "shuffled": shuffled,
    "normalized": lambda x: (x - 0.4) / 0.2,
}


class Images(nn.Module):
    """Returns features that say which image they are of, in any precision."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        flat = x.float().flatten(1)
        return torch.stack([flat.argmax(1), flat.argmin(1)], dim=1).float() * self.weight


@pytest.mark.parametrize("change", sorted(CHANGES))
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("changed_first", [True, False])
def test_a_view_that_the_host_changed_is_known_beside_one_that_it_did_not(
    change: str, layout: torch.memory_format, changed_first: bool
) -> None:
    torch.manual_seed(0)
    root, given = nn.ModuleDict({"query": Images(), "key": Images()}), pictures()
    taps = FeatureTaps(root, ("query", "key"))
    with taps.watch(root, given):
        calls = [
            lambda: root["key"](CHANGES[change](given[0]).contiguous(memory_format=layout)),
            lambda: root["query"](given[1]),
        ]
        for call in calls if changed_first else reversed(calls):
            call()
        found = taps.features([0, 1])
    assert same([f.long() for f in found], [Images()(view).long() for view in given])


@pytest.mark.parametrize(
    "joined",
    [
        lambda a, b: torch.stack([a, b], dim=1).flatten(0, 1),
        lambda a, b: torch.cat([b, a]),
        lambda a, b: torch.cat([a.flip(0), b]),
        lambda a, b: torch.cat([a, b])[torch.randperm(2 * BATCH)],
        lambda a, b: torch.cat([b.half(), a.half()]),
        lambda a, b: torch.cat([a, b]).flatten(1),
    ],
    ids=["interleaved", "other order", "one reversed", "all shuffled", "half", "flat"],
)
def test_rows_of_a_joined_batch_are_matched_to_their_images(joined: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    root, given = nn.ModuleDict({"backbone": Images()}), pictures()
    taps = FeatureTaps(root, "backbone")
    with taps.watch(root, given):
        root["backbone"](joined(*given))
        found = taps.features([0, 1])
    assert same([f.long() for f in found], [Images()(view).long() for view in given])


def test_a_known_view_is_kept_whatever_other_calls_are() -> None:
    """The teacher sees view 0, the student view 1 and all others at once (MSN)."""
    root, given = host("backbone", "momentum"), views(4)
    with root.taps.watch(root, given):
        teacher = root.momentum(given[0])
        student = root.backbone(given[1])
        root.backbone(torch.cat(given[2:]))
        assert same(root.taps.features([0, 1]), [teacher, student])


def test_one_view_that_passes_twice_is_one_view() -> None:
    root, given = host("backbone"), views()
    with root.taps.watch(root, given):
        root.backbone(given[0])
        first = root.backbone(given[0])
        with pytest.raises(FeatureError, match=r"none for \[1\]"):
            root.taps.features([0, 1])
        assert same(root.taps.features([0]), [first])
    one = given[0]
    with root.taps.watch(root, [one, one]):
        out = root.backbone(one)
    assert same(root.taps.features([0, 1]), [out, out])


class Shuffling(nn.Module):
    """Shuffles the batch inside, and puts the features back in order."""

    def __init__(self, factor: float = 1.0) -> None:
        super().__init__()
        self.net, self.factor = Images(), factor

    def forward(self, x: Tensor) -> Tensor:
        order = torch.tensor([2, 0, 3, 1])
        out: Tensor = self.net(x[order] * self.factor)
        return out[order.argsort()]


def test_a_shuffle_inside_of_a_module_that_was_given_the_view_is_seen() -> None:
    root, given = nn.ModuleDict({"encoder": Shuffling()}), pictures()
    taps = FeatureTaps(root, "encoder.net")
    with taps.watch(root, given):
        for view in given:
            root["encoder"](view)
    assert same(taps.features([0, 1]), [Images()(view) for view in given])
    root["encoder"].factor = 2.0  # what is shuffled and scaled at once cannot be known
    with taps.watch(root, given):
        for view in given:
            root["encoder"](view)
    with pytest.raises(FeatureError, match=r"none for \[0, 1\]\. It saw other"):
        taps.features([0, 1])


@pytest.mark.parametrize("change", ["sin", "written into", "all alike"])
def test_what_cannot_be_proven_is_refused_unless_the_order_is_promised(change: str) -> None:
    root, given = host(), views()
    promised = FeatureTaps(root, "backbone", in_order=True)
    strict = FeatureTaps(root, "backbone")
    if change == "all alike":
        given = [given[0], 2 * given[0] + 1]
    ways = {
        "sin": torch.sin,
        "written into": lambda x: x.sub_(0.5),
        "all alike": lambda x: x * 3,
    }
    with strict.watch(root, given), promised.watch(root, given):
        outs = [root.backbone(ways[change](view)) for view in given]
    assert same(promised.features([0, 1]), outs)
    with pytest.raises(FeatureError, match=r"none for \[0, 1\]") as refused:
        strict.features([0, 1])
    for part in ("backbone: [(4, 3), (4, 3)]", "a module around it", "MixUp", "in_order=True"):
        assert part in str(refused.value)


@pytest.mark.parametrize("step", [0, 1])
def test_a_promised_order_is_held_against_what_is_known(step: int) -> None:
    root, given = host(), views()
    taps = FeatureTaps(root, ("momentum", "backbone"), in_order=True)
    for _ in range(step):
        with taps.watch(root, given):
            root.momentum(given[0].sin())
            root.backbone(given[1])
        assert len(taps.features([0, 1])) == 2
    with taps.watch(root, given):
        root.backbone(given[0])
        root.momentum(given[1].sin())
    with pytest.raises(FeatureError, match="in the rows of view"):
        taps.features([0, 1])
