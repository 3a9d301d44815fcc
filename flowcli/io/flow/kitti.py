"""KITTI 16-bit PNG (Menze and Geiger, "Object Scene Flow for Autonomous Vehicles"; readme of the development kit).

Three 16-bit channels: R = 64 u + 2^15, G = 64 v + 2^15, B = 1 where the flow is known. Unknown pixels are 0 in all
three. So values are multiples of 1/64 pixel from -512 to +511.984.
"""

from __future__ import annotations

import cv2
import numpy as np

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS
from flowcli.io.png import RGB, check_png
from flowcli.io.png_mark import mark_png
from flowcli.io.png_rows import read_rgb16_rows

_ROW = FORMATS[".png"]


def encode_kitti(field: FlowField) -> bytes:
    """Return the file for `field`: rounded to the nearest step, clipped to the range."""
    known = field.known
    code = np.rint(np.nan_to_num(field.uv).clip(_ROW.lowest, _ROW.highest) / _ROW.step) + 2**15
    bgr = np.empty((*field.size, 3), np.uint16)  # OpenCV orders channels B, G, R
    bgr[..., 2] = code[..., 0] * known
    bgr[..., 1] = code[..., 1] * known
    bgr[..., 0] = known
    _, encoded = cv2.imencode(".png", bgr)
    return mark_png(encoded.tobytes())


def decode_kitti(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    header = check_png(data, name)
    if (header.bit_depth, header.color_type) != (16, RGB):
        kind = {0: "grey", 2: "RGB", 3: "palette", 4: "grey and alpha", 6: "RGB and alpha"}.get(header.color_type, "?")
        raise FormatError(
            f"{name}: expected KITTI flow as 16-bit RGB PNG, found {header.bit_depth}-bit {kind}; "
            "a picture of flow cannot be read back as flow"
        )
    if header.end != len(data):
        raise FormatError(f"{name}: expected {header.end} bytes up to the end of the PNG, found {len(data)}")
    uv = np.empty((header.height, header.width, 2), np.float32)
    valid = np.empty((header.height, header.width), bool)
    for first, rgb in read_rgb16_rows(data, header, name):
        rows = slice(first, first + len(rgb))
        valid[rows] = rgb[..., 2] != 0
        uv[rows] = rgb[..., :2]
        uv[rows] -= 2**15
        uv[rows] /= 64
        np.copyto(uv[rows], np.nan, where=~valid[rows][..., None])
    return FlowField(uv, valid)
