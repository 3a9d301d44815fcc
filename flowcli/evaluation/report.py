"""Rows of figures, as an aligned table, as CSV and as plain values for JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowcli.evaluation.metrics import METRICS
from flowcli.evaluation.pooling import ALL_BY_PAIRS, POOLINGS, PooledErrors, Pooling, describe
from flowcli.evaluation.run import PairResult


@dataclass(frozen=True)
class Row:
    """Figures of one model on one data set, or on one pair of it; None where a metric covers no pixel."""

    dataset: str
    model: str
    pair: str | None
    pairs: int
    values: dict[str, float | None]
    seconds: float


class Summary:
    """Collects results and turns them into rows: data sets in order of appearance, within them models in that order."""

    def __init__(self, poolings: dict[str, Pooling]) -> None:
        """Start empty; data sets that `poolings` does not name are pooled over pairs."""
        self._poolings = poolings
        self._totals: dict[tuple[str, str], PooledErrors] = {}
        self._seconds: dict[tuple[str, str], float] = {}
        self._pair_rows: list[Row] = []

    def add(self, model: str, result: PairResult) -> None:
        """Take in the result of one model on one pair."""
        key = (result.pair.dataset, model)
        self._totals.setdefault(key, PooledErrors()).add(result.errors)
        self._seconds[key] = self._seconds.get(key, 0.0) + result.seconds
        values = {metric: result.errors.value(metric) for metric in METRICS}
        self._pair_rows.append(Row(*key, result.pair.name, 1, values, result.seconds))

    def pooling(self, dataset: str) -> Pooling:
        """Return how the figures of this data set are pooled."""
        return self._poolings.get(dataset, ALL_BY_PAIRS)

    def dataset_rows(self) -> list[Row]:
        """One row per data set and model, with the figures that the benchmark would publish."""
        return _by_dataset(
            Row(
                dataset,
                model,
                None,
                total.pairs,
                {metric: total.headline(metric, self.pooling(dataset)) for metric in METRICS},
                self._seconds[dataset, model] / total.pairs,
            )
            for (dataset, model), total in self._totals.items()
        )

    def pair_rows(self) -> list[Row]:
        """One row per pair and model: data set, pair, model in order of appearance."""
        names = {name: i for i, name in enumerate(dict.fromkeys(row.pair for row in self._pair_rows))}
        return _by_dataset(sorted(self._pair_rows, key=lambda row: names[row.pair]))

    def as_plain(self) -> dict[str, object]:
        """Everything as dictionaries, lists and numbers: both poolings, the one that is the headline, every pair."""
        datasets = [
            {
                "dataset": row.dataset,
                "model": row.model,
                "pairs": row.pairs,
                "pooling": self.pooling(row.dataset),
                "headline": row.values,
                "over_pixels": {m: self._totals[row.dataset, row.model].over_pixels(m) for m in METRICS},
                "over_pairs": {m: self._totals[row.dataset, row.model].over_pairs(m) for m in METRICS},
                "seconds_per_pair": row.seconds,
            }
            for row in self.dataset_rows()
        ]
        pairs = [
            {"dataset": row.dataset, "model": row.model, "pair": row.pair, "errors": row.values, "seconds": row.seconds}
            for row in self.pair_rows()
        ]
        units = {metric.key: metric.unit for metric in METRICS.values()}
        return {"units": units, "datasets": datasets, "pairs": pairs}

    def footnotes(self) -> list[str]:
        """Lines that say how the figures of each data set were pooled."""
        texts: dict[str, list[str]] = {}
        for dataset in dict.fromkeys(dataset for dataset, _ in self._totals):
            texts.setdefault(describe(self.pooling(dataset)), []).append(dataset)
        return [f"{', '.join(datasets)}: {text}" for text, datasets in texts.items()]


def benchmark_summary() -> Summary:
    """Summary of a published data set, pooled as its benchmark does."""
    return Summary(POOLINGS)


def pair_list_summary() -> Summary:
    """Summary of a pair list: everything pooled over pairs, whatever its data sets are called."""
    return Summary({})


def format_table(rows: Sequence[Row]) -> str:
    """Aligned plain text: EPE and the other lengths in px, shares in %, AE in degrees, seconds per pair."""
    with_pairs = any(row.pair is not None for row in rows)
    shown = [m for m in METRICS.values() if any(row.values[m.key] is not None for row in rows)]
    label = "pair" if with_pairs else "pairs"
    header = ["data set", label, "model", *(metric.heading for metric in shown), "s/pair"]
    cells = [
        [
            row.dataset,
            row.pair if row.pair is not None else str(row.pairs),
            row.model,
            *(_number(row.values[metric.key], 1 if metric.unit == "%" else 3) for metric in shown),
            _number(row.seconds, 3),
        ]
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    left = {0, 2} | ({1} if with_pairs else set())
    lines = (
        "  ".join(
            cell.ljust(w) if i in left else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in [header, *cells]
    )
    return "\n".join(line.rstrip() for line in lines)


def format_csv(rows: Sequence[Row]) -> str:
    """Comma-separated values with a header: one column per metric, empty where it covers no pixel."""
    with_pairs = any(row.pair is not None for row in rows)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["dataset", "pair" if with_pairs else "pairs", "model", *METRICS, "seconds_per_pair"])
    for row in rows:
        figures = ("" if value is None else f"{value:.6g}" for value in (*row.values.values(), row.seconds))
        writer.writerow([row.dataset, row.pair if with_pairs else row.pairs, row.model, *figures])
    return text.getvalue().rstrip("\n")


def _by_dataset(rows: Iterable[Row]) -> list[Row]:
    rows = list(rows)
    order = {dataset: i for i, dataset in enumerate(dict.fromkeys(row.dataset for row in rows))}
    return sorted(rows, key=lambda row: order[row.dataset])


def _number(value: float | None, decimals: int) -> str:
    return "-" if value is None else f"{value:.{decimals}f}"
