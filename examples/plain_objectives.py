"""CASSLE, EquiMod, E-SSL, STL and CARE in a plain loop: PyTorch, Kornia and this library alone.

python examples/plain_objectives.py --objective cassle
"""

import argparse
from typing import Any

import kornia.augmentation as K  # noqa: N812 - as Kornia's own documentation writes it
import torch
from torch import nn

from augself_loss import PlainStep
from augself_loss.objectives import (
    CARE,
    ESSL,
    STL,
    Condition,
    ConditionedProjector,
    EquiMod,
    Objective,
    mlp,
    nt_xent,
)
from augself_loss.recording.kornia import KorniaRecorder
from augself_loss.recording.multiview import MultiViewRecorder
from augself_loss.recording.partners import Partners

parser = argparse.ArgumentParser()
names = ("cassle", "equimod", "essl", "stl", "care")
parser.add_argument("--objective", choices=names, default="equimod")
parser.add_argument("--smoke", action="store_true", help="a few steps only, to test the script")
args = parser.parse_args()

images = torch.rand(256, 3, 40, 40)  # yours: floats in [0, 1], on any device


def view(side: int) -> KorniaRecorder:
    """Make views of ``side`` pixels and their records."""
    return KorniaRecorder(
        K.AugmentationSequential(
            K.RandomResizedCrop((side, side)), K.ColorJitter(0.4, 0.4, 0.4, 0.1, p=0.8)
        )
    )


dim = 64
objective: Objective | None = None
third: int | None = None
taps = "backbone"
backbone = nn.Sequential(nn.Conv2d(3, dim, 8, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
projector: nn.Module = mlp([dim, dim, 32], last="bias")
recorder = MultiViewRecorder([view(32), view(32)])

if args.objective == "cassle":  # no term: the projector sees its view's record
    condition = Condition(recorder.encoders)
    inputs = ConditionedProjector.input_dim(dim, condition)
    projector = ConditionedProjector(mlp([inputs, dim, 32], last="bias"), condition, dim)
elif args.objective == "equimod":  # the third view is the plain image
    recorder = MultiViewRecorder([view(32), view(32), KorniaRecorder(K.Resize((32, 32)))])
    objective, third = EquiMod(dim, EquiMod.describe(recorder.encoders), embedding_dim=64), 2
elif args.objective == "essl":  # the third view is small, to be turned
    recorder = MultiViewRecorder([view(32), view(32), view(16)])
    objective, third = ESSL(dim, hidden_dims=(64, 64)), 2
elif args.objective == "stl":  # neighbours in the batch are augmented alike
    recorder = MultiViewRecorder(Partners(view(32)))
    objective = STL(dim, hidden_dim=64, embedding_dim=32, rank=8)
else:  # so are groups of more; it turns embeddings, the projector's output
    recorder = MultiViewRecorder(Partners(view(32), own=[], group=8))
    objective, taps = CARE(group=8), "projector"

model = nn.ModuleDict({"backbone": backbone, "projector": projector})
step = PlainStep(model, recorder, objective, taps=taps, third=third)
optimizer = torch.optim.AdamW([*model.parameters(), *step.parameters()], lr=2e-3)

for epoch in range(1 if args.smoke else 5):
    for batch in torch.split(images[torch.randperm(len(images))], 64):
        z1, z2 = (projector(backbone(x)) for x in step.views(batch))
        loss: Any = nt_xent(z1, z2, temperature=0.2)
        optimizer.zero_grad()
        (loss + step.term()).backward()
        optimizer.step()
    print(
        epoch, f"SimCLR {loss:.3f}", *(f"{name} {term:.3f}" for name, term in step.logged.items())
    )
