"""SimSiam in a plain loop as public scripts write it: a TwoCropsTransform, a GaussianBlur of PIL.

Lines marked "+ AugSelf" were added. The views are made, and recorded, in the DataLoader's workers.

    python examples/simsiam_two_crops.py
"""

import random
from typing import Any

import torch
from _shared import hosting, images
from _shared.means import Means
from _shared.models import SimSiam, SmallResNet
from PIL import ImageFilter
from torch import nn
from torchvision import transforms as T  # noqa: N812

from augself_loss import AugSelf  # + AugSelf
from augself_loss.recording.torchvision import ViewsRecorder  # + AugSelf


class TwoCropsTransform:  # noqa: D101
    def __init__(self, base_transform: Any) -> None:
        self.base_transform = base_transform

    def __call__(self, x: Any) -> list[Any]:  # noqa: D102
        return [self.base_transform(x), self.base_transform(x)]


class GaussianBlur:  # noqa: D101
    def __init__(self, sigma: tuple[float, float]) -> None:
        self.sigma = sigma

    def __call__(self, x: Any) -> Any:  # noqa: D102
        sigma = random.uniform(self.sigma[0], self.sigma[1])
        return x.filter(ImageFilter.GaussianBlur(radius=sigma))


if __name__ == "__main__":
    args = hosting.start(__doc__, epochs=5)
    crop = T.RandomResizedCrop(hosting.VIEW, scale=(0.2, 1.0))
    jitter = T.RandomApply([T.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8)
    blur, flip = T.RandomApply([GaussianBlur((0.1, 1.0))], p=0.5), T.RandomHorizontalFlip()
    steps = [crop, jitter, T.RandomGrayscale(p=0.2), blur, flip, T.ToTensor()]
    two_crops: Any = TwoCropsTransform(T.Compose(steps))
    two_crops = ViewsRecorder(two_crops)  # + AugSelf
    loader = hosting.loader(args, images.Pictures(hosting.pictures(args), transform=two_crops))
    backbone = SmallResNet(16)
    model = nn.ModuleList([backbone, simsiam := SimSiam(backbone.feature_dim, 256)])
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    weights = {"crop": 10.0, "color": 2.0, "blur": 1.0}  # + AugSelf
    augself = AugSelf(backbone, two_crops, weights, optimizer=optimizer)  # + AugSelf
    means = Means()
    for _ in range(args.epochs):
        means.begin_epoch()
        for batch, _target in loader:
            views, logged = batch, dict[str, Any]()
            views = augself.views(batch)  # + AugSelf
            loss = simsiam(backbone(views[0]), backbone(views[1]))
            logged["base"] = loss  # + AugSelf
            loss = loss + augself.term()  # + AugSelf
            logged |= augself.logged  # + AugSelf
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            means.add({"loss": loss, **logged})
    means.show()
