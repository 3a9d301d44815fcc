"""The chart of a suite: the error of every method against its seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.suite.contestants import OPENCV, PUBLISHED, TRANSFORMERS
from flowcli.viz.chart import Colour, Point, Shape, draw_chart

_LOOKS: dict[str, tuple[Colour, Shape]] = {
    "variational": ((60, 140, 60), "triangle"),
    **dict.fromkeys(OPENCV, ((205, 110, 20), "square")),
    **dict.fromkeys((PUBLISHED, TRANSFORMERS), ((130, 60, 160), "diamond")),
}
_OURS: tuple[Colour, Shape] = ((40, 90, 200), "disc")


def draw_errors(report: Mapping[str, object]) -> Frame:
    """Draw the part "errors" of a report: mean endpoint error against mean seconds, both logarithmic.

    A thin line through a point goes from the fastest to the slowest pair; the presets of one network are joined.

    Raises:
        InputError: the report has no errors that a logarithm takes.
    """
    part = cast(Mapping[str, Any], report.get("errors") or {})
    rows = [row for row in cast(Sequence[Mapping[str, Any]], part.get("rows", ())) if row["epe"] > 0]
    if not rows:
        raise InputError("expected errors for the chart, found none; nobody with weights of their own took part")
    contestants = {one["name"]: one for one in cast(Sequence[Mapping[str, Any]], report["contestants"])}
    points: list[Point] = []
    for row in rows:
        name, seconds = row["method"], row["seconds"]
        colour, shape = _LOOKS.get(name, _OURS)
        one = contestants[name]
        joined = one["model"] if one["preset"] else ""
        label = f"{name} (default)" if name == report["baseline"] and joined == "compact" else name
        points.append(Point(label, seconds["mean"], row["epe"], seconds["min"], seconds["max"], colour, shape, joined))
    machine = cast(Mapping[str, Any], report["machine"])
    cores = report["threads"] or machine["cores"]
    source = "rendered pairs" if part["source"] == "rendered" else "pairs"
    note = f"{machine['processor']}, {cores} threads; taking turns in one run; flowcli {machine['flowcli']}"
    return draw_chart(
        points,
        f"Error against time: mean over {part['pairs']} {source}",
        "seconds per pair (thin line: fastest to slowest pair)",
        "endpoint error, px",
        note,
    )
