"""Writes the results down as a page of Markdown."""

from __future__ import annotations

from typing import Any

from cells import cell, columns_of

TITLES = {
    "term": "The term alone, forward and backward, against the matrix products that it cannot do "
    "without",
    "half": "The term under bf16 autocast, beside the products: casts of the heads, normalization "
    "with ReLU",
    "launches": "What the term asks of an accelerator, forward and backward, batch 64, D = 512: "
    "counted on meta; compiled, the kernels that the code for a CPU calls",
    "depths": "The term at two depths, crop and colour, forward and backward: what crop reads "
    "of maps of 14 × 14 places; launches with grouped heads, counted on meta",
    "objectives": "AugSelf and its neighbours on given features of two views, forward and "
    "backward; MB: the most that lives at once, weights included",
    "passing": "A record on its way, forward only: the library's Python frames and tensor "
    "operations, beside those of the pipeline and the network",
    "recording": "A pipeline with its recorder against the pipeline alone",
    "views": "Views a second by each way, two views of a batch in turn: BYOL's six augmentations",
    "asked": "What a view asks of an accelerator: counted on meta, a batch of 256; compiled, "
    "with the kernels that the code for a CPU calls",
    "allocator": "Processes that only augment, by glibc's settings",
    "step": "A whole training step (augmentation, SimSiam, SGD) by each way to views, without the "
    "term and with crop and colour, against Kornia's without",
    "growth": "How the term's time grows, exponents of power laws: batch 256 (views: 64), D = 512, "
    "2 types, 2 views",
}


def markdown(results: dict[str, Any]) -> str:
    """Write a table per part, each with what it was measured on."""
    lines = ["# What it costs", "", "Written by `python benchmarks/run.py`. Everything that is "
             "compared ran in turn in one process; ratios are medians of the rounds' ratios.", "",
             "![Ratios and growth](benchmark.png)"]  # fmt: skip
    for part, title in TITLES.items():
        if part not in results:
            continue
        rows, machine = results[part]["rows"], results[part]["machine"]
        columns = columns_of(rows)
        lines += ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        lines += [f"| {' | '.join(cell(r.get(c, '')) for c in columns)} |" for r in rows]
        lines += ["", ", ".join(f"{key} {value}" for key, value in machine.items()) + "."]
    return "\n".join(lines) + "\n"
