from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from augself_loss import Encoder, EncoderError, PerspectiveEncoder

CORNERS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
MOVES = torch.tensor([[0.1, 0.05], [-0.2, 0.1], [-0.05, -0.15], [0.2, -0.25]])


def flipped(points: Tensor, horizontal: int, vertical: int) -> Tensor:
    gate = torch.tensor([horizontal, vertical])
    return torch.where(gate > 0, 1 - points, points)


@pytest.mark.parametrize("vertical", [0, 1])
@pytest.mark.parametrize("horizontal", [0, 1])
def test_mirror_moves_the_corners_that_the_flip_brings_there(
    horizontal: int, vertical: int
) -> None:
    starts, ends = (flipped(points, horizontal, vertical) for points in (CORNERS, CORNERS + MOVES))
    back = [int((starts - corner).abs().sum(-1).argmin()) for corner in CORNERS]
    expected = (ends - starts)[back].flatten()
    columns = tuple(MOVES.flatten().tolist())
    mirrored = PerspectiveEncoder().mirror(columns, horizontal, vertical)
    torch.testing.assert_close(torch.tensor(mirrored), expected)


def test_target_by_hand() -> None:
    encoder = PerspectiveEncoder(distortion=0.5)
    still = {"perspective": torch.zeros(1, 8)}
    target = encoder.difference({"perspective": MOVES.view(1, 8)}, still)
    torch.testing.assert_close(target, 2 * MOVES.view(1, 8))


@pytest.mark.parametrize("distortion", [0.0, -0.5, float("nan"), None, "much"])
def test_distortion_that_carries_no_target(distortion: Any) -> None:
    with pytest.raises(EncoderError, match=r"distortion|top_left_x"):
        PerspectiveEncoder(distortion)


def test_read_kornia(read: Callable[..., list[Any]]) -> None:
    size = torch.tensor([200.0, 100.0])
    params = {
        "start_points": (CORNERS * size)[None],
        "end_points": ((CORNERS + MOVES) * size)[None],
    }
    columns = torch.tensor(read(PerspectiveEncoder, "kornia", "RandomPerspective", params))
    torch.testing.assert_close(columns.view(4, 2), MOVES)


def test_read_torchvision(read: Callable[..., list[Any]]) -> None:
    starts = torch.tensor([[0, 0], [199, 0], [199, 99], [0, 99]])
    ends = starts + (MOVES * torch.tensor([200, 100])).round().long()
    params = {"startpoints": starts.tolist(), "endpoints": ends.tolist()}
    columns = read(PerspectiveEncoder, "torchvision", "RandomPerspective", params)
    torch.testing.assert_close(torch.tensor(columns).view(4, 2), MOVES)


@pytest.mark.parametrize("host", ["kornia", "torchvision"])
def test_build(built: Callable[..., Encoder], host: str) -> None:
    config = {"distortion_scale": torch.tensor(0.5) if host == "kornia" else 0.5}
    encoder = built(PerspectiveEncoder, host, "RandomPerspective", config)
    assert encoder.ranges == ((-0.25, 0.25),) * 8
