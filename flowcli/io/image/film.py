"""EXR, DPX and JPEG 2000, the formats of film, in their own depth, through FFmpeg's decoders by PyAV.

Not through imageio: without a FreeImage that it would download it has no EXR or DPX, its Pillow plugin gives 8 bits of
JPEG 2000, and its PyAV plugin cannot return 10 or 12 bits. PyAV is there for videos anyway.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.io.exr_header import read_exr_header
from flowcli.io.image.headers import ImageHeader, cut_short
from flowcli.io.image.stored import Plane, StoredImage, from_planes
from flowcli.io.limits import check_decoding

_CODESTREAM = b"\xff\x4f\xff\x51"
# DPX orientations 0 to 3 (SMPTE 268M: rows from the top or bottom, from the left or right) in terms of EXIF.
_DPX_ORIENTATIONS = {0: 1, 1: 2, 2: 4, 3: 3, 0xFFFF: 1}


def read_exr_image_header(data: bytes, name: str) -> ImageHeader:
    """Read the header of an EXR that holds a picture: channels R, G, B or Y, of its first part and layer."""
    exr = read_exr_header(data, name)
    if not ({"R", "G", "B"} <= exr.channels.keys() or ("Y" in exr.channels and "RY" not in exr.channels)):
        found = ", ".join(list(exr.channels)[:6]) or "none"
        raise FormatError(f"{name}: expected a picture with the channels R, G, B or Y, found {found}")
    # A chunk is decompressed with all its channels.
    check_decoding(name, exr.chunk_rows * exr.row_bytes, 0)
    height, width = exr.display
    return ImageHeader(height, width, 3 if "R" in exr.channels else 1, 32)


def read_dpx_header(data: bytes, name: str) -> ImageHeader:
    """Read the image header of a DPX file (SMPTE 268M)."""
    order = ">" if data[:4] == b"SDPX" else "<"
    orientation, _, width, height = struct.unpack_from(order + "HHII", data, 768)
    depth = struct.unpack_from("B", data, 803)[0]
    if orientation not in _DPX_ORIENTATIONS:
        raise FormatError(f"{name}: expected a DPX image with rows from the top or bottom, found columns")
    return ImageHeader(height, width, 3, depth, _DPX_ORIENTATIONS[orientation])


def read_jpeg2000_header(data: bytes, name: str) -> ImageHeader:
    """Read the size of a JPEG 2000 codestream, by itself or in a JP2 file (ITU-T T.800, annexes A and I)."""
    start = data.find(_CODESTREAM)
    if start < 0 or data.rfind(b"\xff\xd9") < start or (start == 0 and data[-2:] != b"\xff\xd9"):
        raise cut_short(name, "JPEG 2000", data)
    x2, y2, x1, y1 = struct.unpack_from(">4I", data, start + 8)
    (channels,) = struct.unpack_from(">H", data, start + 40)
    (depth,) = struct.unpack_from("B", data, start + 42)
    if start > 0:  # boxes, of which the last may say 0 for "to the end"
        position = 0
        while position + 8 <= len(data):
            (length,) = struct.unpack_from(">I", data, position)
            if length == 1:
                (length,) = struct.unpack_from(">Q", data, position + 8)
            if length == 0:
                break
            if length < 8 or position + length > len(data):
                raise cut_short(name, "JPEG 2000", data)
            position += length
    return ImageHeader(max(0, y2 - y1), max(0, x2 - x1), channels, (depth & 0x7F) + 1)


def decode_exr_image(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode R, G, B or Y as floats; raises FormatError."""
    return decode_with_ffmpeg("exr", data, header, name)


def decode_dpx(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode 8 to 16 bits; raises FormatError."""
    return decode_with_ffmpeg("dpx", data, header, name)


def decode_jpeg2000(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode 8 bits as they are and up to 16 bits scaled to 16; raises FormatError."""
    return decode_with_ffmpeg("jpeg2000", data, header, name)


def decode_with_ffmpeg(codec: str, data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode one picture with a decoder of FFmpeg; raises FormatError if it is damaged."""
    import av
    from av.error import FFmpegError

    try:
        context = av.CodecContext.create(codec, "r")
        assert isinstance(context, av.VideoCodecContext)
        context.thread_count = 1
        # Damage is an error, not something to be patched up.
        context.options = {"err_detect": "explode"}
        # One at a time: frame threads hold a frame each.
        frames = context.decode(av.Packet(bytes(data))) or context.decode(None)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise FormatError(f"{name}: cannot be decoded, FFmpeg says: {error.args[-1]:.100}") from None
    if len(frames) != 1 or frames[0].is_corrupt or (frames[0].height, frames[0].width) != (header.height, header.width):
        raise FormatError(f"{name}: {header.kind} file is damaged or of a kind that cannot be decoded")
    return from_planes(*planes_of(frames[0]))


def planes_of(frame: object) -> tuple[tuple[Plane, ...], tuple[float, float] | None]:
    """Return one or three planes of a decoded frame in its own depth, and what means black and white (None: floats)."""
    import av

    assert isinstance(frame, av.VideoFrame)
    kind = frame.format.name
    if not kind.startswith(("gbr", "gray", "rgb", "ya")):
        # Luminance and colour differences, palettes, colours in another order: RGB by FFmpeg's own conversion.
        deep = frame.format.components[0].bits > 8
        frame = frame.reformat(format="rgb48le" if deep else "rgb24")
        kind = frame.format.name
    components = frame.format.components
    bits, floats = components[0].bits, "f16" in kind or "f32" in kind
    item = -(-bits // 8)
    dtype = np.dtype(f"{'>' if frame.format.is_big_endian else '<'}{'f' if floats else 'u'}{item}")
    colours = 1 if kind.startswith(("gray", "ya")) else 3
    planes: list[NDArray[np.generic]] = []
    for channel in range(colours):
        plane = frame.planes[components[channel].plane]
        lines = np.frombuffer(memoryview(plane), dtype, plane.line_size // item * frame.height).reshape(
            frame.height, -1
        )
        # Beside each other in one plane, or a plane for each.
        together = 1 if kind.startswith("gbr") else len(components)
        place = channel if together > 1 else 0
        planes.append(lines[:, place : frame.width * together : together])
    return tuple(planes), None if floats else (0, 2**bits - 1)
