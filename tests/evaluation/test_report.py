"""Tables, CSV and plain values."""

import csv
import json
from pathlib import Path

import numpy as np

from flowcli.evaluation.labelled import LabelledPair
from flowcli.evaluation.metrics import METRICS, measure
from flowcli.evaluation.report import Summary, benchmark_summary, format_csv, format_table, pair_list_summary
from flowcli.evaluation.run import PairResult
from flowcli.flow import FlowField


def make_result(dataset: str, name: str, error: float, pixels: int, seconds: float) -> PairResult:
    truth = FlowField(np.zeros((1, pixels, 2), np.float32))
    estimate = FlowField(np.full((1, pixels, 2), (error, 0), np.float32))
    pair = LabelledPair(dataset, name, Path("1.png"), Path("2.png"), lambda: truth)
    return PairResult(pair, measure(estimate, truth), estimate, seconds)


def fill(summary: Summary, dataset: str = "sintel-clean") -> Summary:
    """Two data sets, two models; in the first data set a pair of 1 pixel and one of 3."""
    for model, error in (("dis", 1.0), ("zero", 4.0)):
        summary.add(model, make_result(dataset, "a", error, 1, 0.5))
        summary.add(model, make_result(dataset, "b", 2 * error, 3, 1.5))
        summary.add(model, make_result("other", "c", error, 1, 0.25))
    return summary


def test_rows_stand_side_by_side_per_data_set() -> None:
    rows = fill(benchmark_summary()).dataset_rows()
    assert [(row.dataset, row.model, row.pairs) for row in rows] == [
        ("sintel-clean", "dis", 2),
        ("sintel-clean", "zero", 2),
        ("other", "dis", 1),
        ("other", "zero", 1),
    ]
    assert [row.values["epe"] for row in rows] == [(1 + 3 * 2) / 4, (4 + 3 * 8) / 4, 1.0, 4.0]
    assert [row.seconds for row in rows] == [1.0, 1.0, 0.25, 0.25]


def test_a_pair_list_is_pooled_over_pairs_whatever_its_names() -> None:
    rows = fill(pair_list_summary()).dataset_rows()
    assert rows[0].values["epe"] == (1 + 2) / 2
    assert fill(pair_list_summary()).footnotes() == ["sintel-clean, other: means over pairs of each pair's mean"]


def test_footnotes_say_how_each_data_set_was_pooled() -> None:
    assert fill(benchmark_summary()).footnotes() == [
        "sintel-clean: means over all pixels of all pairs",
        "other: means over pairs of each pair's mean",
    ]


def test_pair_rows_put_the_models_of_a_pair_together() -> None:
    rows = fill(benchmark_summary()).pair_rows()
    assert [(row.dataset, row.pair, row.model) for row in rows] == [
        ("sintel-clean", "a", "dis"),
        ("sintel-clean", "a", "zero"),
        ("sintel-clean", "b", "dis"),
        ("sintel-clean", "b", "zero"),
        ("other", "c", "dis"),
        ("other", "c", "zero"),
    ]


def test_table_is_aligned_and_leaves_out_what_nobody_measured() -> None:
    table = format_table(fill(benchmark_summary()).dataset_rows())
    assert table.splitlines() == [
        "data set      pairs  model    EPE   >1px   >3px  >5px     Fl  WAUC      AE  s0-10  s/pair",
        "sintel-clean      2  dis    1.750   75.0    0.0   0.0    0.0  44.5  58.826  1.750   1.000",
        "sintel-clean      2  zero   7.000  100.0  100.0  75.0  100.0   1.1  81.147  7.000   1.000",
        "other             1  dis    1.000    0.0    0.0   0.0    0.0  65.8  45.000  1.000   0.250",
        "other             1  zero   4.000  100.0  100.0   0.0  100.0   4.6  75.964  4.000   0.250",
    ]


def test_table_of_pairs_names_them() -> None:
    lines = format_table(fill(benchmark_summary()).pair_rows()).splitlines()
    assert lines[0].split()[:4] == ["data", "set", "pair", "model"]
    assert [line.split()[:4] for line in lines[1:3]] == [
        ["sintel-clean", "a", "dis", "1.000"],
        ["sintel-clean", "a", "zero", "4.000"],
    ]


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(format_csv(fill(benchmark_summary()).dataset_rows()).splitlines()))
    assert list(rows[0]) == ["dataset", "pairs", "model", *METRICS, "seconds_per_pair"]
    assert (rows[1]["dataset"], rows[1]["model"], rows[1]["epe"]) == ("sintel-clean", "zero", "7")
    assert rows[1]["epe_matched"] == ""


def test_csv_of_pairs_names_them() -> None:
    rows = list(csv.DictReader(format_csv(fill(benchmark_summary()).pair_rows()).splitlines()))
    assert [row["pair"] for row in rows] == ["a", "a", "b", "b", "c", "c"]


def test_plain_values_hold_both_poolings_and_survive_strict_json() -> None:
    plain = json.loads(json.dumps(fill(benchmark_summary()).as_plain(), allow_nan=False))
    first = plain["datasets"][0]
    assert (first["dataset"], first["model"], first["pairs"], first["pooling"]["epe"]) == (
        "sintel-clean",
        "dis",
        2,
        "pixels",
    )
    assert (first["over_pixels"]["epe"], first["over_pairs"]["epe"], first["headline"]["epe"]) == (1.75, 1.5, 1.75)
    assert first["headline"]["epe_matched"] is None
    assert plain["units"]["fl"] == "%"
    assert [pair["pair"] for pair in plain["pairs"]] == ["a", "a", "b", "b", "c", "c"]
