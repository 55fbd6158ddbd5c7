"""Trains what a config file says, as MMPretrain's own tools/train.py does.

Run as ``python train.py CONFIG [--work-dir DIR] [--resume] [--cfg-options KEY=VALUE …]``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mmengine.config import Config, DictAction
from mmengine.runner import Runner


def main() -> None:
    """Read the file, put the options over it, and let MMEngine's Runner do the rest."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--work-dir", type=Path)
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint")
    parser.add_argument("--launcher", default="none", choices=["none", "pytorch", "slurm", "mpi"])
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={})
    args = parser.parse_args()
    config = Config.fromfile(args.config)
    config.merge_from_dict(args.cfg_options)
    config.launcher, config.resume = args.launcher, args.resume
    config.work_dir = str(args.work_dir or Path("work_dirs") / args.config.stem)
    Runner.from_cfg(config).train()


if __name__ == "__main__":
    main()
