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
from multiprocessing.connection import Connection
from typing import Any

import torch  # noqa: F401


def attempt(case: dict[str, Any], answer: Connection) -> None:
    """Import a module as where others are not installed."""
    sys.modules.update(dict.fromkeys(case["without"]))
    error = ""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            importlib.import_module(case["module"])
        except Exception:
            error = traceback.format_exc()
    answer.send({"error": error, "loaded": [n for n, found in sys.modules.items() if found]})


if __name__ == "__main__":
    methods = multiprocessing.get_all_start_methods()
    context: Any = multiprocessing.get_context("fork" if "fork" in methods else "spawn")
    for line in sys.stdin:
        # No pool: its threads would fork while this one waits for a line and holds stdin's lock.
        answers, answer = context.Pipe(duplex=False)
        process = context.Process(target=attempt, args=(json.loads(line), answer))
        process.start()
        answer.close()
        print(json.dumps(answers.recv()), flush=True)
        process.join()
