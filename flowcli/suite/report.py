"""The report of a suite as a table for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

_Row = Mapping[str, Any]


def format_suite(report: Mapping[str, object]) -> str:
    """Return the lines of a report of `run_suite`; times are medians over rounds, errors means over pairs."""
    machine = cast(_Row, report["machine"])
    lines = [f"{machine['processor']}, {machine['cores']} cores, torch {machine['torch']}; scope {report['scope']}"]
    lines[0] += f"; {report['minutes']:.1f} minutes in all"
    lines.append(f"x {report['baseline']}: seconds in those of {report['baseline']} in the same round, least to most")
    for part, title in (("pairs", "one pair"), ("video", "a video"), ("batch", "a batch of clips"), ("start", "start")):
        if part in report:
            lines += ["", *_format_times(title, part, cast(Sequence[_Row], report[part]))]
    if "errors" in report:
        lines += ["", *_format_errors(cast(_Row, report["errors"]))]
    others = {row["ratio_to"] for row in _all_rows(report)} - {report["baseline"]}
    lines += ["", *(f"x {other} instead where {report['baseline']} took no part" for other in sorted(others))]
    for one in cast(Sequence[_Row], report["contestants"]):
        if (largest := one.get("largest_megapixels")) is not None:
            lines.append(f"{one['name']} takes part up to {largest:g} Mpixel, and in no video: it takes seconds a tile")
    for one in cast(Sequence[_Row], report["absent"]):
        lines.append(f"{one['name']} {one['reason']}")
    for fault in cast(Sequence[_Row], report["faults"]):
        lines.append(f"{fault['part']}: {fault['method']} failed: {fault['reason']}")
    return "\n".join(lines).rstrip()


def _all_rows(report: Mapping[str, object]) -> Iterator[_Row]:
    for part in ("pairs", "video", "batch", "start"):
        yield from cast(Sequence[_Row], report.get(part, ()))
    yield from cast(Mapping[str, Sequence[_Row]], report.get("errors", {})).get("rows", ())


def _format_times(title: str, part: str, rows: Sequence[_Row]) -> Iterator[str]:
    unit = {"pairs": "s/Mpixel", "start": ""}.get(part, "pairs/s")
    yield f"{title:30} {'seconds':>9} {'CPU-s':>9} {unit:>9} {'GiB':>6}  {'x':>6}"
    for row in rows:
        name = " ".join(filter(None, (row["method"], _size(row), _amount(row))))
        each = {"pairs": row.get("seconds_per_megapixel", {}).get("median"), "start": None}
        rate = each.get(part, row.get("pairs_per_second"))
        yield (
            f"{name:30} {row['seconds']['median']:9.3f} {row['cpu_seconds']['median']:9.3f} "
            f"{'' if rate is None else f'{rate:.3f}':>9} {row['peak_gib']:6.2f}  {_ratio(row)}"
        )


def _format_errors(part: _Row) -> Iterator[str]:
    source = "rendered" if part["source"] == "rendered" else part["source"]
    title = f"errors, {part['pairs']} pairs, {source}"
    names = list(part["rows"][0]["epe_by_dataset"]) if part["rows"] else []
    heads = " ".join(f"{name[:10]:>10}" for name in names)
    yield f"{title:30} {'EPE px':>9} {'>3px %':>9} {'seconds':>9} {heads}  {'x':>6}"
    for row in part["rows"]:
        each = " ".join(f"{row['epe_by_dataset'][name]:10.3f}" for name in names)
        yield (
            f"{row['method']:30} {row['epe']:9.3f} {row['px3']:9.2f} {row['seconds']['mean']:9.3f} {each}  "
            f"{_ratio(row)}"
        )


def _size(row: _Row) -> str:
    return f"{row['size'][1]}x{row['size'][0]}" if "size" in row else ""


def _amount(row: _Row) -> str:
    return f"{row['clips']} clips" if "clips" in row else f"{row['pairs']} pairs" if "pairs" in row else ""


def _ratio(row: _Row) -> str:
    ratio = row["ratio_seconds"]
    return f"{ratio['median']:6.3g} ({ratio['min']:.3g} to {ratio['max']:.3g})"
