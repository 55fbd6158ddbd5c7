"""How values are shown in tables."""

from __future__ import annotations

from typing import Any


def columns_of(rows: list[dict[str, Any]]) -> list[str]:
    """List the columns of all rows, in the order in which they first come."""
    return list(dict.fromkeys(column for row in rows for column in row))


def cell(value: Any) -> str:
    """Show one value."""
    if isinstance(value, dict):
        return ", ".join(f"{key}: {cell(entry)}" for key, entry in value.items())
    if isinstance(value, float):
        return f"{value:.3f}" if value < 10 else f"{value:.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
