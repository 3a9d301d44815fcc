"""A benchmark's results as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

Results = Mapping[str, object]


def format_report(report: Mapping[str, object]) -> str:
    """Return the lines of a report of `run_benchmark`; times are medians."""
    machine = cast(Results, report["machine"])
    lines = [f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}"]
    for results in cast(Sequence[Results], report["tiles"]):
        lines += ["", *_format_tile(results)]
    pairs = cast(Sequence[Results], report["pairs"])
    if pairs:
        lines += ["", f"{'pair':40} {'seconds':>9} {'CPU-s':>9} {'s/Mpixel':>9} {'tiles':>7} {'GFLOP':>9} {'GiB':>6}"]
    for results in pairs:
        compiled = "" if results["kernels"] == "torch" else "compiled"
        name = f"{results['model']} {results.get('preset') or ''} {_size(results)} {results['precision']} {compiled}"
        name = " ".join(name.split())
        lines.append(
            f"{name:40} {_median(results, 'seconds'):9.3f} {_median(results, 'cpu_seconds'):9.3f} "
            f"{_median(results, 'seconds_per_megapixel'):9.3f} {results['tiles']:7} {results['gflop']:9.1f} "
            f"{results['peak_gib']:6.2f}"
        )
    for results in cast(Sequence[Results], report["comparisons"]):
        lines += ["", *_format_comparison(results)]
    return "\n".join(lines)


def _format_tile(results: Results) -> Iterator[str]:
    yield (
        f"{results['model']} ({results['weights']} weights), tile {_size(results)}, {results['precision']}, "
        f"{results['device']}, {results['threads']} threads, {_kernels(results)}; "
        f"loaded in {results['load_seconds']:.2f} s, {results['peak_gib']:.2f} GiB"
    )
    yield f"  {'stage':10} {'ms':>9} {'CPU-ms':>9} {'GFLOP':>9} {'GFLOP/CPU-s':>12}"
    for stage in (*cast(Sequence[Results], results["stages"]), {**results, "stage": "whole"}):
        cpu, gflop = _median(stage, "cpu_seconds"), cast(float, stage["gflop"])
        rate = f"{gflop / cpu:12.1f}" if cpu else f"{'':12}"  # a clock may be coarser than a tiny stage
        yield f"  {stage['stage']:10} {_median(stage, 'seconds') * 1e3:9.2f} {cpu * 1e3:9.2f} {gflop:9.3f} {rate}"
    yield f"  without folding: {results['gflop_unfolded']:.3f} GFLOP"


def _format_comparison(results: Results) -> Iterator[str]:
    what = f"pair {_size(results)}" if results["size"] else f"{results['tiles']} tiles at once"
    how = f"{results['model']} {results['precision']}, {_kernels(results)}"
    yield f"{how}, against {results['rival']}, {what}, taking turns"
    for name in ("ours", "theirs"):
        side = cast(Results, results[name])
        yield f"  {name:8} {_median(side, 'seconds'):9.3f} s {_median(side, 'cpu_seconds'):9.3f} CPU-s"
    for key, label in (("ratio_cpu_seconds", "CPU-s"), ("ratio_seconds", "s")):
        ratio = cast(Mapping[str, float], results[key])
        yield f"  theirs / ours in {label}: {ratio['median']:.2f} (from {ratio['min']:.2f} to {ratio['max']:.2f})"
    yield f"  their peak memory: {results['rival_peak_gib']:.2f} GiB"
    if results["largest_difference_px"] is not None:
        yield (
            f"  difference of flow: at most {results['largest_difference_px']:.2e} px, "
            f"mean {results['mean_difference_px']:.2e} px"
        )


def _kernels(results: Results) -> str:
    return "torch" if results["kernels"] == "torch" else f"compiled ({results['kernels']})"


def _median(results: Results, key: str) -> float:
    return cast(Mapping[str, float], results[key])["median"]


def _size(results: Results) -> str:
    height, width = cast(Sequence[int], results["size"])
    return f"{width}x{height}"
