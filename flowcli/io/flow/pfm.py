r"""Portable float map `.pfm` as FlyingThings3D and others use it for flow.

Text header "PF", width, height, scale (negative: little-endian, positive: big-endian), separated by white space, then
float32 rows from the *bottom* to the top. Three channels: u, v and a third that is written as zero and ignored when
read (the tools in use do not agree on a meaning). The size of the scale is a unit that flow tools leave at 1: ignored.
Unknown pixels are NaN; beyond 1e9 counts as unknown too.
"""

from __future__ import annotations

import re

import numpy as np

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.limits import check_size

# Legal separators are any white space, and "#" comments to the end of the line as in the other portable maps.
_SPACE = rb"(?:\s|#[^\n]*\n)+"
_HEADER = re.compile(
    rb"(PF|Pf)" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"(\d{1,9})" + _SPACE + rb"([-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?)"
)
_HEADER_LIMIT = 4096
_LONGEST_GAP = 16


def encode_pfm(field: FlowField) -> bytes:
    """Return the file for `field`, little-endian, exact to the last bit."""
    height, width = field.size
    pixels = np.zeros((height, width, 3), "<f4")
    pixels[..., :2] = field.uv[::-1]
    return f"PF\n{width} {height}\n-1.0\n".encode() + pixels.tobytes()


def decode_pfm(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    match = _HEADER.match(data[:_HEADER_LIMIT])
    if match is None:
        raise FormatError(f"{name}: expected a .pfm header (PF, width, height, scale), found {data[:16]!r}")
    if match[1] == b"Pf":
        raise FormatError(f"{name}: expected flow in three channels (PF), found one (Pf); is it a disparity map?")
    width, height = int(match[2]), int(match[3])
    check_size(name, height, width)
    try:
        scale = float(match[4])
    except ValueError:
        scale = 0.0
    if scale == 0 or not np.isfinite(scale):
        raise FormatError(f"{name}: expected a scale that is a number other than 0, found {match[4].decode()}")
    # One white-space byte ends the header by the letter, but some writers make it "\r\n" or put a space before it. How
    # many there are follows from the size, so that a first value that looks like white space is not eaten.
    expected = 12 * width * height
    start = len(data) - expected
    if start <= match.end() or start - match.end() > _LONGEST_GAP or not data[match.end() : start].isspace():
        raise FormatError(
            f"{name}: expected {expected} bytes after the header for {width}x{height} pixels, "
            f"found {max(len(data) - match.end() - 1, 0)}"
        )
    order, uv = "<f4" if scale < 0 else ">f4", np.empty((height, width, 2), np.float32)
    pixels = np.frombuffer(data, order, offset=start).reshape(height, width, 3)
    uv[:] = pixels[::-1, :, :2]
    return FlowField.taking(uv)
