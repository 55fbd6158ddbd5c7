"""``python -m augself_loss``: print what a report of a bug needs to say."""

from __future__ import annotations

import torch

from augself_loss import __version__
from augself_loss.versions import versions

if __name__ == "__main__":
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    for name, version in {"augself-loss": __version__, **versions(), "device": device}.items():
        print(f"{name} {version}")
