"""Pictures of flow: STYLES is the table of what can be drawn, `render` draws one row of it.

In every style the colours depend on the flow and the scale alone: with the same scale, equal flow looks equal in all
frames of a sequence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from flowcli.errors import InputError, UsageError
from flowcli.flow import FlowField, Frame, check_frame
from flowcli.viz.arrows import draw_arrows
from flowcli.viz.blend import draw_overlay, draw_side_by_side, draw_warped
from flowcli.viz.colors import color_by_direction
from flowcli.viz.legend import draw_legend
from flowcli.viz.magnitude import draw_magnitude
from flowcli.viz.scale import check_scale, choose_scale

__all__ = ["STYLES", "Style", "check_style", "choose_scale", "render"]


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
    draw: Callable[..., Frame]
    legend: str | None
    frames: tuple[str, ...] = ()
    frames_needed: bool = True


STYLES: dict[str, Style] = {
    "wheel": Style(
        "hue is direction, strength is length (Middlebury colours); white at rest",
        partial(color_by_direction, code="middlebury"),
        legend="middlebury",
    ),
    "hsv": Style(
        "the same with the plain HSV circle, as in the Perceiver IO demonstration",
        partial(color_by_direction, code="hsv"),
        legend="hsv",
    ),
    "magnitude": Style("length alone, from dark violet to yellow (viridis)", draw_magnitude, legend="magnitude"),
    "arrows": Style(
        "arrows on the frame, or on white", draw_arrows, legend="middlebury", frames=("frame",), frames_needed=False
    ),
    "overlay": Style("the frame, tinted where it moves", draw_overlay, legend="middlebury", frames=("frame",)),
    "side-by-side": Style("frame | wheel", draw_side_by_side, legend="middlebury", frames=("frame",)),
    "warp": Style("the second frame brought back by the flow", draw_warped, legend=None, frames=("frame2",)),
}


def check_style(style: str) -> Style:
    """Return the row of STYLES; raises UsageError that lists the known names."""
    if style not in STYLES:
        raise UsageError(f"expected a style of {', '.join(STYLES)}, got '{style}'")
    return STYLES[style]


def render(
    field: FlowField,
    style: str = "wheel",
    scale: float | None = None,
    legend: bool = False,
    frame: Frame | None = None,
    frame2: Frame | None = None,
) -> Frame:
    """Draw a flow field as a picture, uint8 `(H, W, 3)` RGB; side-by-side is `(H, 2 W, 3)`.

    Args:
        field: the flow.
        style: a name of STYLES.
        scale: length in pixels that gets the full colour; None chooses one that fits this field alone.
        legend: add the key to colours and scale in the lower right corner, where the picture is large enough for it.
        frame: first frame, of the size of the field; needed by overlay and side-by-side, used by arrows.
        frame2: second frame, of the size of the field; needed by warp.

    Raises:
        InputError: unknown style, a scale that is not a positive number, a needed frame is missing or of another size.
    """
    row = check_style(style)
    scale = choose_scale(field) if scale is None else scale
    check_scale(scale)
    given = {"frame": frame, "frame2": frame2}
    frames = []
    for name in row.frames:
        image = given[name]
        if image is None and row.frames_needed:
            which = "first" if name == "frame" else "second"
            raise InputError(f"the style {style} is drawn on the {which} frame of the pair, got none; give the frames")
        if image is not None:
            check_frame(image, name)
            if image.shape[:2] != field.size:
                (height, width), (h, w) = field.size, image.shape[:2]
                raise InputError(f"expected {name} of the size of the flow, {width}x{height}, got {w}x{h}")
        frames.append(image)
    picture = row.draw(field, scale, *frames)
    return draw_legend(picture, scale, row.legend) if legend and row.legend else picture
