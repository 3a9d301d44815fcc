"""Rows as a table for people."""

from __future__ import annotations

from collections.abc import Sequence

from gpu_checks.setup import Row


def format_table(rows: Sequence[Row]) -> str:
    """Return aligned lines, a column per key in the order of their first appearance; empty ones are left out."""
    known = dict.fromkeys(key for row in rows for key in row)
    keys = [key for key in known if any(row.get(key) is not None for row in rows)]
    lines = [keys, *([_format(row.get(key)) for key in keys] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = ([cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines)
    return "\n".join("  ".join(cells).rstrip() for cells in padded)


def _format(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
    return str(value)
