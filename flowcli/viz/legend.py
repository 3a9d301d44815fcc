"""The key to a picture of flow, in one of its corners or beside it."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from flowcli.errors import UsageError
from flowcli.flow import FlowField, Frame
from flowcli.viz.colors import color_by_direction
from flowcli.viz.magnitude import color_map
from flowcli.viz.styles import LEGEND_PLACES

# Below this shorter side, in pixels, a legend would cover the picture: it stands beside.
SMALLEST_SIDE = 128
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_PANEL = (250, 250, 250)
_INK = (20, 20, 20)


def draw_legend(picture: Frame, scale: float, kind: str, place: str = "auto") -> Frame:
    """Return a copy of `picture` with a legend; beside it the picture is wider, and higher if need be.

    Args:
        picture: uint8 `(H, W, 3)`.
        scale: length in pixels of the full colour; written below the key.
        kind: "middlebury" or "hsv" for a disc of directions and lengths, "magnitude" for a colour bar.
        place: one of LEGEND_PLACES; auto stands outside where the shorter side is below 128 px.

    Raises:
        UsageError: an unknown place.
    """
    if place not in LEGEND_PLACES:
        raise UsageError(f"expected a place of {', '.join(LEGEND_PLACES)} for the legend, got '{place}'")
    height, width = picture.shape[:2]
    label = f"0 - {scale:g} px" if kind == "magnitude" else f"{scale:g} px"
    panel = _make_panel(round(min(max(min(height, width) * 0.2, 36), 200)), label, kind)
    panel_height, panel_width = panel.shape[:2]
    margin = max(2, panel_width // 16)
    fits = height >= panel_height + 2 * margin and width >= panel_width + 2 * margin
    if place == "outside" or not fits or (place == "auto" and min(height, width) < SMALLEST_SIDE):
        wide = np.full((max(height, panel_height), width + margin + panel_width, 3), _PANEL, np.uint8)
        wide[:height, :width] = picture
        wide[:panel_height, width + margin :] = panel
        return wide
    top = margin if place.startswith("top") else height - panel_height - margin
    left = margin if place.endswith("left") else width - panel_width - margin
    marked = picture.copy()
    marked[top : top + panel_height, left : left + panel_width] = panel
    return marked


@cache
def _make_panel(key_side: int, label: str, kind: str) -> Frame:
    padding = max(3, key_side // 16)
    key = _make_bar(key_side) if kind == "magnitude" else _make_disc(key_side, kind)
    thickness = max(1, round(key_side / 90))
    font_scale = key_side / 140 if key_side > 70 else 0.4
    (text_width, text_height), below = cv2.getTextSize(label, _FONT, font_scale, thickness)
    width = max(key.shape[1], text_width) + 2 * padding
    height = key.shape[0] + text_height + below // 2 + 3 * padding
    panel = np.full((height, width, 3), _PANEL, np.uint8)
    left = (width - key.shape[1]) // 2
    panel[padding : padding + key.shape[0], left : left + key.shape[1]] = key
    origin = ((width - text_width) // 2, height - padding - below // 2)
    cv2.putText(panel, label, origin, _FONT, font_scale, _INK, thickness, cv2.LINE_AA)
    cv2.rectangle(panel, (0, 0), (width - 1, height - 1), _INK, 1)
    return panel


def _make_disc(side: int, code: str) -> Frame:
    # Four times larger, then averaged down: a smooth edge.
    axis = np.linspace(-1, 1, 4 * side, dtype=np.float32)
    uv = np.stack(np.meshgrid(axis, axis), axis=-1)
    disc = color_by_direction(FlowField(uv), 1.0, code)
    disc[np.hypot(uv[..., 0], uv[..., 1]) > 1] = _PANEL
    return np.asarray(cv2.resize(disc, (side, side), interpolation=cv2.INTER_AREA), np.uint8)


def _make_bar(length: int) -> Frame:
    width = round(length * 1.5)
    bar = cv2.resize(color_map(), (width, max(8, length // 5)), interpolation=cv2.INTER_LINEAR)
    return np.asarray(bar, np.uint8)
