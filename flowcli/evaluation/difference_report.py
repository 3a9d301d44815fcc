"""Differences of flow files as an aligned table, as CSV and as plain values for JSON."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from flowcli.evaluation.difference import KEYS, Difference
from flowcli.evaluation.metrics import METRICS
from flowcli.evaluation.pooling import PooledErrors

_UNITS = {key: METRICS[key].unit for key in KEYS} | {"max": "px", "compared": "%"}
_PAIRS, _PIXELS = "mean of pairs", "all pixels"


class DifferenceReport:
    """Takes differences one by one; pictures of errors are not kept."""

    def __init__(self) -> None:
        self._rows: list[dict[str, object]] = []
        self._pool = PooledErrors()
        self._largest = 0.0

    def add(self, name: str, flow: Path, reference: Path, found: Difference) -> None:
        """Take the difference of two files."""
        self._pool.add(found.errors)
        self._largest = max(self._largest, found.largest)
        figures: dict[str, object] = {key: found.errors.value(key) for key in KEYS}
        row: dict[str, object] = (
            {"name": name, "flow": str(flow), "reference": str(reference)}
            | figures
            | {"max": found.largest, "max_at": list(found.largest_at), "compared": found.compared}
            | {"missing_pixels": found.missing}
        )
        self._rows.append(row)

    def as_plain(self) -> dict[str, object]:
        """Return everything as dictionaries, lists and numbers: every pair, and both ways of pooling."""
        return {
            "units": _UNITS,
            "pairs": self._rows,
            "over_pairs": {key: self._pool.over_pairs(key) for key in KEYS},
            "over_pixels": {key: self._pool.over_pixels(key) for key in KEYS},
            "max": self._largest,
        }

    def as_table(self) -> str:
        """Return aligned text: a row per pair, and for several the mean over pairs and the one over all pixels."""
        header = ["flow", *(METRICS[key].heading for key in KEYS), "max", "at", "compared"]
        lines = [
            [
                str(row["name"]),
                *(_number(row[key], key) for key in KEYS),
                _number(row["max"], "max"),
                "{},{}".format(*row["max_at"]),  # pyright: ignore[reportGeneralTypeIssues]
                f"{row['compared']:.1f}%",
            ]
            for row in self._rows
        ]
        if len(lines) > 1:
            largest = [_number(self._largest, "max"), "", ""]
            lines.append([_PAIRS, *(_number(self._pool.over_pairs(key), key) for key in KEYS), *largest])
            lines.append([_PIXELS, *(_number(self._pool.over_pixels(key), key) for key in KEYS), *largest])
        widths = [max(map(len, column)) for column in zip(header, *lines, strict=True)]
        texts = (
            "  ".join(
                cell.rjust(w) if k else cell.ljust(w) for k, (cell, w) in enumerate(zip(line, widths, strict=True))
            )
            for line in [header, *lines]
        )
        return "\n".join(text.rstrip() for text in texts)

    def as_csv(self) -> str:
        """Return comma-separated values with a header, a row per pair."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = ["name", "flow", "reference", *KEYS, "max", "max_x", "max_y", "compared", "missing_pixels"]
        writer.writerow(columns)
        for row in self._rows:
            x, y = row["max_at"]  # pyright: ignore[reportGeneralTypeIssues]
            values = row | {"max_x": x, "max_y": y}
            cells = (values[column] for column in columns)
            writer.writerow([f"{cell:.6g}" if isinstance(cell, float) else cell for cell in cells])
        return text.getvalue().rstrip("\n")


def _number(value: object, key: str) -> str:
    return "-" if value is None else f"{value:.{1 if _UNITS[key] == '%' else 3}f}"
