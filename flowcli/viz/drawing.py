"""`render` draws a flow field in one of STYLES."""

from __future__ import annotations

from flowcli.errors import InputError
from flowcli.flow import FlowField, Frame, check_frame
from flowcli.viz.legend import draw_legend
from flowcli.viz.scale import check_scale, choose_scale
from flowcli.viz.styles import check_style


def render(
    field: FlowField,
    style: str = "wheel",
    scale: float | None = None,
    legend: bool = False,
    frame: Frame | None = None,
    frame2: Frame | None = None,
    place: str = "auto",
) -> Frame:
    """Draw a flow field as a picture, uint8 `(H, W, 3)` RGB; side-by-side is `(H, 2 W, 3)`.

    Args:
        field: the flow.
        style: a name of STYLES.
        scale: length in pixels that gets the full colour; None chooses one that fits this field alone.
        legend: add the key to colours and scale, see `draw_legend`.
        frame: first frame, of the size of the field; needed by overlay and side-by-side, used by arrows.
        frame2: second frame, of the size of the field; needed by warp.
        place: of the legend, a name of LEGEND_PLACES.

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
    return draw_legend(picture, scale, row.legend, place) if legend and row.legend else picture
