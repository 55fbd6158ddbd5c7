"""One process of several of a contract run: ``python child.py HOST FOLDER METHOD JSON``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from contract import load_host
from processes import leave


def main(host: str, folder: str, method: str, options: str) -> None:
    torch.set_num_threads(1)
    loaded: Any = load_host(host)
    run = loaded.train(Path(folder), method, **json.loads(options))
    # Of processes that Lightning starts itself, the first one has no rank in its environment.
    rank = os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))
    run.write(Path(folder) / f"rank{rank}.pt")
    if torch.distributed.is_initialized():
        leave()


if __name__ == "__main__":
    main(*sys.argv[1:])
