"""One process of several of a contract run: ``python lightning_child.py HOST FOLDER METHOD JSON``.

Lightning starts the other processes of it itself; every one writes what it saw.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from contract import load_host


def main(host: str, folder: str, method: str, options: str) -> None:
    lightning: Any = load_host(host)
    run = lightning.train(Path(folder), method, **json.loads(options))
    run.write(Path(folder) / f"rank{os.environ.get('LOCAL_RANK', '0')}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
