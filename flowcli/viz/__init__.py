"""Pictures of flow: STYLES is the table of what can be drawn, `render` draws one row of it.

In every style the colours depend on the flow and the scale alone: with the same scale, equal flow looks equal in all
frames of a sequence. The names below are resolved on first use: the table must not pay for what draws.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowcli.viz.styles import STYLES, Style, check_style

if TYPE_CHECKING:
    from flowcli.viz.drawing import render
    from flowcli.viz.scale import choose_scale

__all__ = ["STYLES", "Style", "check_style", "choose_scale", "render"]


def __getattr__(name: str) -> object:
    if name == "render":
        from flowcli.viz.drawing import render

        return render
    if name == "choose_scale":
        from flowcli.viz.scale import choose_scale

        return choose_scale
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
