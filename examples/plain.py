"""SimSiam in a plain PyTorch loop with AugSelf: PyTorch, Kornia and this library, nothing else.

python examples/plain.py
"""

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from augself_loss import AugSelfLoss
from augself_loss.recording.kornia import KorniaRecorder

images = torch.rand(256, 3, 40, 40)  # yours: floats in [0, 1], on any device
augment = K.AugmentationSequential(
    K.RandomResizedCrop((32, 32)),
    K.RandomHorizontalFlip(),
    K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8),
)
backbone = nn.Sequential(nn.Conv2d(3, 64, 8, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
predictor = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 64))

recorder = KorniaRecorder(augment, apply="fused")
augself = AugSelfLoss(64, {"crop": 1.0, "color": 1.0}, encoders=recorder.encoders)
modules = nn.ModuleList([backbone, predictor, augself])
optimizer = torch.optim.SGD(modules.parameters(), lr=0.05, momentum=0.9)

for epoch in range(5):
    for batch in torch.split(images[torch.randperm(len(images))], 64):
        (view1, record1), (view2, record2) = recorder(batch), recorder(batch)
        f1, f2 = backbone(view1), backbone(view2)
        loss = -cosine_similarity(predictor(f1), f2.detach()).mean() / 2
        loss -= cosine_similarity(predictor(f2), f1.detach()).mean() / 2
        out = augself(f1, f2, record1, record2)
        optimizer.zero_grad()
        (loss + out.total).backward()
        optimizer.step()
    print(epoch, f"SimSiam {loss:.3f}", *(f"{name} {term:.4f}" for name, term in out.terms.items()))
