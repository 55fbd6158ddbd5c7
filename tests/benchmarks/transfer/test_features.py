"""Whether features are those of the frozen network, however the pictures are stored."""

from __future__ import annotations

import pytest
import torch
from _shared.models import SmallResNet
from torch import Tensor, nn
from torch.utils.data import Dataset, Subset
from torchvision.transforms.v2 import functional
from transfer.evaluation.features import Inputs, extract, frozen


class Pictures(Dataset[Tensor]):
    """Pictures in memory."""

    def __init__(self, images: Tensor) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> Tensor:
        return self.images[row]


@pytest.fixture
def pictures() -> Pictures:
    seed = torch.Generator().manual_seed(0)
    return Pictures(torch.randint(0, 256, (20, 3, 24, 24), dtype=torch.uint8, generator=seed))


@pytest.fixture
def backbone() -> SmallResNet:
    torch.manual_seed(0)
    return SmallResNet(4)


def test_features_are_the_networks_in_evaluation_mode(
    pictures: Pictures, backbone: SmallResNet
) -> None:
    known = extract(backbone, pictures)
    with torch.no_grad():
        expected = backbone.eval()(pictures.images.float() / 255)
    assert known.dtype == torch.float32
    assert not known.requires_grad
    torch.testing.assert_close(known, expected)


def test_batch_size_and_storage_change_nothing(pictures: Pictures, backbone: SmallResNet) -> None:
    at_once = extract(backbone, pictures)
    torch.testing.assert_close(extract(backbone, pictures, Inputs(batch=3)), at_once)
    on_disk = Subset(pictures, range(20))
    assert not hasattr(on_disk, "images")
    torch.testing.assert_close(extract(backbone, on_disk, Inputs(batch=7)), at_once)


def test_pictures_are_resized_then_normalized(pictures: Pictures) -> None:
    seen: list[Tensor] = []

    class Looks(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(x)
            return x.mean((2, 3))

    extract(Looks(), pictures, Inputs(size=12, normalize=lambda x: (x - 0.5) / 0.25))
    small = functional.resize(pictures.images, [12, 12], antialias=True).float() / 255
    torch.testing.assert_close(seen[0], (small - 0.5) / 0.25)


def test_every_module_gets_its_mode_back(pictures: Pictures, backbone: SmallResNet) -> None:
    backbone.train()
    backbone[1].eval()  # a frozen layer of a network in training
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    extract(backbone, pictures)
    assert backbone.training
    assert backbone[3].training
    assert not backbone[1].training
    for name, value in backbone.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_modes_come_back_after_an_error(backbone: SmallResNet) -> None:
    backbone.train()
    with pytest.raises(RuntimeError, match="stop"), frozen(backbone):
        raise RuntimeError("stop")
    assert backbone.training
    assert torch.is_grad_enabled()


def test_says_what_is_wrong(pictures: Pictures, backbone: SmallResNet) -> None:
    with pytest.raises(ValueError, match="uint8 pictures"):
        extract(backbone, Pictures(pictures.images.float()))
    with pytest.raises(ValueError, match="Pool and flatten"):
        extract(nn.Conv2d(3, 4, 1), pictures)
    with pytest.raises(ValueError, match="found none"):
        extract(backbone, Pictures(pictures.images[:0]))
    next(backbone.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match="diverged"):
        extract(backbone, pictures)
