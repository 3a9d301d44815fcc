"""The chart of a suite: the error of every method against its seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any, cast

import numpy as np

from flowcli.errors import InputError
from flowcli.flow import Frame
from flowcli.suite.contestants import OPENCV, PUBLISHED, TRANSFORMERS

_COLOURS = {
    "variational": "tab:green",
    **dict.fromkeys(OPENCV, "tab:orange"),
    **dict.fromkeys((PUBLISHED, TRANSFORMERS), "tab:purple"),
}
_MARKERS = "os^Dvp*X"


def check_chart() -> None:
    """Raise InputError where matplotlib, which draws, is not installed."""
    if find_spec("matplotlib") is None:
        raise InputError("a chart needs the Python module matplotlib; pip install 'flowcli[chart]'")


def draw_errors(report: Mapping[str, object]) -> Frame:
    """Draw the part "errors" of a report: mean endpoint error against mean seconds, both logarithmic.

    A thin line through a point goes from the fastest to the slowest pair; the presets of one network are joined.

    Returns:
        uint8 `(640, 960, 3)` RGB.

    Raises:
        InputError: the report has no errors that a logarithm takes, or matplotlib is not installed.
    """
    part = cast(Mapping[str, Any], report.get("errors") or {})
    rows = [row for row in cast(Sequence[Mapping[str, Any]], part.get("rows", ())) if row["epe"] > 0]
    if not rows:
        raise InputError("expected errors for the chart, found none; nobody with weights of their own took part")
    check_chart()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

    contestants = {one["name"]: one for one in cast(Sequence[Mapping[str, Any]], report["contestants"])}
    figure = Figure(figsize=(9.6, 6.4), dpi=100, layout="constrained")
    axes = figure.subplots()
    joined: dict[str, list[Mapping[str, Any]]] = {}
    for number, row in enumerate(rows):
        name, seconds, one = row["method"], row["seconds"], contestants[row["method"]]
        colour = _COLOURS.get(name, "tab:blue")
        is_default = name == report["baseline"] and one["model"] == "compact"
        axes.errorbar(
            [seconds["mean"]],
            [row["epe"]],
            xerr=[[seconds["mean"] - seconds["min"]], [seconds["max"] - seconds["mean"]]],
            color=colour,
            fmt=_MARKERS[number % len(_MARKERS)],
            elinewidth=0.8,
            label=f"{name} (default)" if is_default else name,
        )
        if one["preset"]:
            joined.setdefault(one["model"], []).append(row)
    for presets in joined.values():
        x, y = [row["seconds"]["mean"] for row in presets], [row["epe"] for row in presets]
        axes.plot(x, y, color="tab:blue", alpha=0.5, zorder=0)
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    source = "rendered pairs" if part["source"] == "rendered" else "pairs"
    axes.set_title(f"Error against time: mean over {part['pairs']} {source}")
    machine = cast(Mapping[str, Any], report["machine"])
    about = f"{machine['processor']}, {report['threads'] or machine['cores']} threads; flowcli {machine['flowcli']}"
    axes.set_xlabel(f"seconds per pair, thin line: fastest to slowest; taking turns in one run\n{about}")
    axes.set_ylabel("mean endpoint error in pixels")
    # Beside the axes, where it covers no point.
    figure.legend(loc="outside right upper")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.array(canvas.buffer_rgba())[..., :3]
