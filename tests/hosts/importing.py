"""Tries imports, each in a process of its own, forked from one that has loaded torch: seconds less.

Reads lines ``{"module": …, "without": […]}`` and answers each by ``{"error": …, "loaded": […]}``.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import sys
import traceback
import warnings
from typing import Any

import torch  # noqa: F401


def attempt(case: dict[str, Any]) -> dict[str, Any]:
    """Import a module as where others are not installed."""
    sys.modules.update(dict.fromkeys(case["without"]))
    error = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(case["module"])
        except Exception:
            error = traceback.format_exc()
    return {"error": error, "loaded": [name for name, found in sys.modules.items() if found]}


if __name__ == "__main__":
    methods = multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    with context.Pool(1, maxtasksperchild=1) as pool:
        for line in sys.stdin:
            print(json.dumps(pool.apply(attempt, (json.loads(line),))), flush=True)
