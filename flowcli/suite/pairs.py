"""Single pairs: the seconds of each size, and on pairs with truth the errors beside the seconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean

from flowcli.benchmark.figures import ratios, spread
from flowcli.evaluation.pair_list import read_pair_list
from flowcli.suite.contestants import Contestant, choose_baseline
from flowcli.suite.material import Task, make_material
from flowcli.suite.scope import LARGE, Fault, Run, Size, megapixels
from flowcli.suite.worker import FIGURES
from flowcli.suite.workers import Figures, take_turns

Row = dict[str, object]
Announce = Callable[[str], None]


def compare(answers: Mapping[Contestant, Sequence[Figures]]) -> list[Row]:
    """Return a row of times for each contestant: their spread, and that of their ratios to the baseline, by round.

    Args:
        answers: "seconds" and "cpu_seconds" of each round, and "peak_gib".
    """
    rows: list[Row] = []
    if not answers:
        return rows
    baseline = choose_baseline(list(answers))
    for contestant, told in answers.items():
        row: Row = {"method": contestant.name, "weights": contestant.weights, "runs": len(told)}
        row["ratio_to"] = baseline.name
        base = answers[baseline]
        for key in ("seconds", "cpu_seconds"):
            mine = [one[key] for one in told]
            row[key] = spread(mine) | {"mean": fmean(mine)}
            row[f"ratio_{key}"] = ratios(mine, [one[key] for one in base])
        row["peak_gib"] = max(one["peak_gib"] for one in told)
        rows.append(row)
    return rows


def measure_sizes(run: Run, faults: list[Fault], announce: Announce) -> list[Row]:
    """Time a pair of each size."""
    rows: list[Row] = []
    for size in run.scope.sizes:
        name = f"{size[1]}x{size[0]}"
        taking_part = [one for one in run.contestants if megapixels(size) <= one.largest]
        if not taking_part:
            continue
        announce(f"pairs: {name}")
        path = run.folder / f"{name}.npz"
        make_material([Task("pair", str(path), size, number=3)])
        uncounted = 1 if megapixels(size) < LARGE else 0
        rounds = run.scope.rounds if uncounted else run.scope.large_rounds
        requests: list[dict[str, str | int]] = [{"pair": str(path)}] * (rounds + uncounted)
        answers = take_turns(run, "pairs", taking_part, requests, uncounted, faults)
        path.unlink()
        rows += [_with_size(size, row) for row in compare(answers)]
    return rows


def _with_size(size: Size, row: Row) -> Row:
    seconds = row["seconds"]
    assert isinstance(seconds, dict)
    pixels = megapixels(size)
    each = {key: value / pixels for key, value in seconds.items()}
    return {"size": list(size), "megapixels": pixels, **row, "seconds_per_megapixel": each}


def measure_errors(run: Run, faults: list[Fault], announce: Announce) -> Row:
    """Measure errors and times on the rendered benchmark, or on a list of pairs; every pair is a round of its own."""
    taking_part = [one for one in run.contestants if one.weights != "random"]
    datasets, requests = _list_rendered(run, announce) if run.pairs is None else _list_pairs(run.pairs)
    if not taking_part:
        return {"source": str(run.pairs or "rendered"), "pairs": len(datasets), "rows": []}
    total = len(requests)

    def tell(number: int) -> None:
        if number and number % 10 == 0:
            announce(f"errors: pair {number} of {total}")

    # The first pair once more before it counts: threads start, buffers are made.
    answers = take_turns(run, "errors", taking_part, [requests[0], *requests], 1, faults, tell)
    rows: list[Row] = []
    for row, told in zip(compare(answers), answers.values(), strict=True):
        for key in FIGURES:
            row[key] = fmean(one[key] for one in told)
        row["epe_by_dataset"] = {
            name: fmean(one["epe"] for one, dataset in zip(told, datasets, strict=True) if dataset == name)
            for name in dict.fromkeys(datasets)
        }
        rows.append(row)
    return {"source": str(run.pairs or "rendered"), "pairs": total, "datasets": sorted(set(datasets)), "rows": rows}


def _list_rendered(run: Run, announce: Announce) -> tuple[list[str], list[dict[str, str | int]]]:
    announce(f"errors: {run.scope.rendered} pairs are rendered")
    paths = [str(run.folder / f"rendered-{number:03d}.npz") for number in range(run.scope.rendered)]
    kinds = make_material([Task("rendered", path, number=number) for number, path in enumerate(paths)])
    return kinds, [{"pair": path} for path in paths]


def _list_pairs(path: Path) -> tuple[list[str], list[dict[str, str | int]]]:
    pairs = read_pair_list(path)
    return [pair.dataset for pair in pairs], [{"list": str(path), "index": k} for k in range(len(pairs))]
