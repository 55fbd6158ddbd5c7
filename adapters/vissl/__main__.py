"""The launcher: ``python -m augself_loss.adapters.vissl config=…``."""

from __future__ import annotations

from augself_loss.adapters.vissl import main

if __name__ == "__main__":
    main()
