"""What `flowcli info FILE` says about a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

# ITU-T H.273, tables 2 to 4, as far as cameras and screens have them.
_MATRICES = {0: "RGB", 1: "BT.709", 5: "BT.601", 6: "BT.601", 7: "SMPTE 240M", 9: "BT.2020", 10: "BT.2020"}
_PRIMARIES = {1: "BT.709", 4: "BT.470 M", 5: "BT.601 625", 6: "BT.601 525", 9: "BT.2020", 11: "DCI-P3", 12: "P3 D65"}
_CURVES = {1: "BT.709", 6: "BT.601", 8: "linear", 13: "sRGB", 14: "BT.2020", 15: "BT.2020", 16: "PQ", 18: "HLG"}
_RANGES = {1: "limited", 2: "full"}


def describe_video(path: Path) -> dict[str, object]:
    """Return what a video holds, as JSON-able facts: every frame is counted, the first one decoded.

    Raises:
        InputError: it cannot be opened.
        FormatError: it is no video.
    """
    from flowcli.io.sources.video import VideoReader
    from flowcli.io.video.container import open_video

    reader = VideoReader(path)
    footage = reader.footage
    height, width = footage.size
    with open_video(path) as (container, stream):
        kind = f"{stream.codec_context.name} in {container.format.name}"
        sound = [audio.codec_context.name for audio in container.streams.audio]
        first = next(container.decode(stream), None)
        shown = {} if first is None else _describe_picture(stream, first)
    length = footage.length
    duration = None if length is None else float(footage.times[-1] if footage.times else (length - 1) / footage.fps)
    return {
        "file": str(path),
        "holds": "video",
        "format": kind,
        "bytes": path.stat().st_size,
        "width": width,
        "height": height,
        "pixel_aspect": str(footage.aspect),
        "frames": footage.length,
        "fps": float(footage.fps),
        "steady": footage.times is None,
        # From the first frame to the last: what flow has.
        "seconds": duration,
        **shown,
        "sound": sound,
        "notes": list(footage.notes),
        "damage": reader.damage,
    }


def _describe_picture(stream: VideoStream, frame: VideoFrame) -> dict[str, object]:
    context = stream.codec_context
    return {
        "pixels": frame.format.name,
        "depth": max(component.bits for component in frame.format.components),
        "rotation": int(frame.rotation),
        "range": _name(_RANGES, context.color_range),
        "matrix": _name(_MATRICES, context.colorspace),
        "primaries": _name(_PRIMARIES, context.color_primaries),
        "curve": _name(_CURVES, context.color_trc),
    }


def _name(names: dict[int, str], value: int) -> str:
    # 2 is how H.273 says that it is not said; of ranges FFmpeg's 0.
    unspecified = 0 if names is _RANGES else 2
    return "unspecified" if int(value) == unspecified else names.get(int(value), f"code {int(value)}")
