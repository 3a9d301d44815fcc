"""STYLES is the table of what can be drawn. A new style is a function in a file of its own, and a row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowcli.deferred import Deferred
from flowcli.errors import UsageError

if TYPE_CHECKING:
    from flowcli.flow import Frame


LEGEND_PLACES = ("auto", "bottom-right", "bottom-left", "top-right", "top-left", "outside")
"""Where a legend may stand; auto is bottom right, and outside of pictures that it would cover."""


@dataclass(frozen=True)
class Style:
    """One way to draw flow.

    Attributes:
        description: one line for the help text.
        draw: called as draw(field, scale, *frames); returns uint8 `(H, W, 3)` and leaves its arguments untouched.
        legend: which key `draw_legend` adds, or None if there is nothing to explain.
        frames: the frames that `draw` takes, in order: "frame" (the first of the pair), "frame2" (the second).
        frames_needed: whether it can do without them; it gets None for a frame that is not there.
    """

    description: str
    draw: Deferred[..., Frame]
    legend: str | None
    frames: tuple[str, ...] = ()
    frames_needed: bool = True


STYLES: dict[str, Style] = {
    "wheel": Style(
        "hue is direction, strength is length (Middlebury colours); white at rest",
        Deferred("flowcli.viz.colors:draw_wheel"),
        legend="middlebury",
    ),
    "hsv": Style(
        "the same with the plain HSV circle, as in the Perceiver IO demonstration",
        Deferred("flowcli.viz.colors:draw_hsv"),
        legend="hsv",
    ),
    "magnitude": Style(
        "length alone, from dark violet to yellow (viridis)",
        Deferred("flowcli.viz.magnitude:draw_magnitude"),
        legend="magnitude",
    ),
    "arrows": Style(
        "arrows on the frame, or on white",
        Deferred("flowcli.viz.arrows:draw_arrows"),
        legend="middlebury",
        frames=("frame",),
        frames_needed=False,
    ),
    "overlay": Style(
        "the frame, tinted where it moves",
        Deferred("flowcli.viz.blend:draw_overlay"),
        legend="middlebury",
        frames=("frame",),
    ),
    "side-by-side": Style(
        "frame | wheel", Deferred("flowcli.viz.blend:draw_side_by_side"), legend="middlebury", frames=("frame",)
    ),
    "warp": Style(
        "the second frame brought back by the flow",
        Deferred("flowcli.viz.blend:draw_warped"),
        legend=None,
        frames=("frame2",),
    ),
}


def check_style(style: str) -> Style:
    """Return the row of STYLES; raises UsageError that lists the known names."""
    if style not in STYLES:
        raise UsageError(f"expected a style of {', '.join(STYLES)}, got '{style}'")
    return STYLES[style]
