"""One process of several of a contract run: ``python mmpretrain_child.py FOLDER METHOD JSON``.

MMEngine's own launcher asks for a GPU; it takes a process group that is there already.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from mmpretrain_host import MMPretrainHost


def main(folder: str, method: str, options: str) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo")
    run = MMPretrainHost().train(Path(folder), method, **json.loads(options))
    run.write(Path(folder) / f"rank{torch.distributed.get_rank()}.pt")
    torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main(*sys.argv[1:])
