"""``python -m augself_loss``: print what a report of a bug needs to say."""

from __future__ import annotations

from augself_loss import __version__
from augself_loss.versions import versions

if __name__ == "__main__":
    for name, version in {"augself-loss": __version__, **versions()}.items():
        print(f"{name} {version}")
