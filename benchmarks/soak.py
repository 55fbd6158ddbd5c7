"""Trains with the term for many steps: memory must stay flat, the loss down, and nothing may warn.

    pip install '.[examples]' && python benchmarks/soak.py
    python benchmarks/soak.py --steps 2000 --out runs/soak

Batch size, number of views, pairs and types change from step to step. Features are a linear layer
of what was recorded, with noise, so that there is something to learn. Exits with 1 if memory grows,
a value is not finite, the loss drifts upwards, or the first steps, run again at the end, do not
give the same bits.
"""

from __future__ import annotations

import argparse
import gc
import json
import random
import sys
import warnings
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import torch
from machine import machine
from sampled import TYPES, record
from torch import Tensor, nn

from augself_loss import AugSelfLoss, Record

GROWTH_KB = 2048
"""Memory that may be gained over the second half of the run, by the fitted line. One tensor that is
kept per step takes more than this in 5,000 steps."""
DRIFT = 0.5
"""How much higher the loss may be in the last quarter than in the third, as a fraction: both are
means of a noisy loss, since types, views and batches change."""
REPEATED = 50
"""So many first steps are run again at the end."""
DIM, NOISE = 48, 4


def main() -> None:
    """Run, report, and exit with 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n", maxsplit=1)[0])
    parser.add_argument("--steps", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=0, help="steps per sample; default 1/200")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    args = parser.parse_args()
    if args.steps < 2 * REPEATED:
        parser.error(f"--steps expected at least {2 * REPEATED}, found {args.steps}")
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    every = args.every or max(1, args.steps // 200)
    samples, begun = soak(args.steps, every, args.seed)
    again = Run(args.seed)
    found = judged(samples, repeats=begun == [again.step() for _ in begun])
    args.out.mkdir(parents=True, exist_ok=True)
    settings = {"steps": args.steps, "every": every, "seed": args.seed, "growth allowed": GROWTH_KB}
    results = {"machine": machine(1), **settings, **found, "samples": samples}
    (args.out / "soak.json").write_text(f"{json.dumps(results, indent=1)}\n")
    draw(samples, args.out / "soak.png")
    for name, value in found.items():
        print(f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}")
    print(f"Everything is in {args.out}")
    sys.exit(1 if found["failures"] else 0)


class Run:
    """A training run that changes everything that may change from step to step."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)
        self.drawn = random.Random(seed)
        weights = dict.fromkeys(TYPES, 1.0)
        self.augself = AugSelfLoss(DIM, weights, hidden_dim=32, check_values="always")
        self.backbone = nn.Linear(sum(e.shape[1] for e in record(1, 0).values()) + NOISE, DIM)
        parameters = [*self.backbone.parameters(), *self.augself.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=0.03, momentum=0.9)

    def step(self) -> float:
        """Take one step, and leave no gradient behind; the mean of the terms."""
        draw = self.drawn
        batch, views = draw.randint(2, 33), draw.randint(2, 4)
        types = draw.sample(TYPES, draw.randint(2, len(TYPES)))
        records = [record(batch, draw.randrange(2**31)) for _ in range(views)]
        features = [self.backbone(_inputs(one)) for one in records]
        out = self.augself(features, records, types=types, pairs=draw.choice(["all", "first"]))
        out.total.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.augself.set_weights({types[0]: draw.uniform(0.5, 1.5)})
        return float(sum(term.item() for term in out.terms.values())) / len(types)


def _inputs(one: Record) -> Tensor:
    known = torch.cat(list(one.values()), dim=1)
    return torch.cat([known, torch.randn(len(known), NOISE)], dim=1)


def soak(steps: int, every: int, seed: int) -> tuple[list[dict[str, float]], list[float]]:
    """Run the steps; note loss, memory and live tensors every so often, and the first losses."""
    Run(seed).step()  # torch imports a lot at its first step
    gc.freeze()  # what is there already needs no looking at
    run = Run(seed)
    samples: list[dict[str, float]] = []
    begun: list[float] = []
    recent: list[float] = []
    for step in range(1, steps + 1):
        recent.append(run.step())
        if step <= REPEATED:
            begun.append(recent[-1])
        if step % every == 0:
            gc.collect()
            # Not isinstance: it would ask objects for their class that warn when asked.
            tensors = sum(issubclass(type(thing), Tensor) for thing in gc.get_objects())
            mean = sum(recent) / len(recent)
            samples.append({"step": step, "loss": mean, "rss_kb": rss_kb(), "tensors": tensors})
            recent.clear()
    return samples, begun


def rss_kb() -> float:
    """Memory of this process that is in RAM, in kB."""
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmRSS:"))
        return float(line.split()[1])
    import resource  # noqa: PLC0415 - elsewhere than on Linux: the highest so far

    highest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return highest / 1024 if sys.platform == "darwin" else float(highest)


def judged(samples: list[dict[str, float]], *, repeats: bool) -> dict[str, Any]:
    """Work out slopes and drift, and list what is not as it should be."""
    half = samples[len(samples) // 2 :]
    middle, last = half[: len(half) // 2], half[len(half) // 2 :]
    steps, rss = [s["step"] for s in half], [s["rss_kb"] for s in half]
    slope = float(np.polyfit(steps, rss, 1)[0])
    drift = _mean(last) / _mean(middle) - 1
    tensors = sorted({int(s["tensors"]) for s in half})
    failures = {
        f"memory grew by more than {GROWTH_KB} kB": slope * (steps[-1] - steps[0]) > GROWTH_KB,
        f"the number of live tensors changed: {tensors}": len(tensors) > 1,
        "a loss is not finite": not all(np.isfinite(s["loss"]) for s in samples),
        f"the loss rose by more than {DRIFT:.0%}": not drift <= DRIFT,
        "the first steps, run again, gave other losses": not repeats,
    }
    return {
        "rss, kB per 1000 steps, second half": 1000 * slope,
        "rss, kB, at the start, the half and the end": [
            samples[0]["rss_kb"], half[0]["rss_kb"], half[-1]["rss_kb"]
        ],
        "live tensors, second half": tensors,
        "loss, first sample": samples[0]["loss"],
        "loss, third quarter": _mean(middle),
        "loss, last quarter": _mean(last),
        "failures": [what for what, failed in failures.items() if failed],
    }  # fmt: skip


def _mean(samples: list[dict[str, float]]) -> float:
    return sum(s["loss"] for s in samples) / len(samples)


def draw(samples: list[dict[str, float]], path: Path) -> None:
    """Draw memory and loss over the steps."""
    figure, (above, below) = plt.subplots(2, sharex=True, figsize=(8, 5), layout="constrained")
    steps = [s["step"] for s in samples]
    memory = [s["rss_kb"] / 1024 for s in samples]
    above.plot(steps, memory)
    above.set_ylabel("memory (RSS), MB")
    above.set_ylim(0, 1.3 * max(memory))
    below.plot(steps, [s["loss"] for s in samples])
    below.set_ylabel("loss, mean of the terms")
    below.set_xlabel("step")
    figure.savefig(path, dpi=150)
    plt.close(figure)


if __name__ == "__main__":
    main()
