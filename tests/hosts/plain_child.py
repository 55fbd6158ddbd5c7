"""One rank of a contract run: ``torchrun plain_child.py HOST FOLDER METHOD JSON``."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from contract import load_host


def main(host: str, folder: str, method: str, options: str) -> None:
    torch.set_num_threads(1)
    script: Any = load_host(host)
    run = script.train(Path(folder), method, **json.loads(options))
    run.write(Path(folder) / f"rank{os.environ['RANK']}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
