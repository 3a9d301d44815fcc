"""VIDEO_FORMATS is the table of videos that can be written; a new one is a row here."""

from __future__ import annotations

from dataclasses import dataclass

# Fixed: the bytes must not depend on the machine's cores.
_THREADS = "4"


@dataclass(frozen=True)
class VideoFormat:
    """One row of VIDEO_FORMATS.

    Attributes:
        container: FFmpeg's name of the muxer.
        muxing: its options.
        codec: FFmpeg's name of the encoder.
        encoding: its options.
        pixels: FFmpeg's name of the pixel format.
        even: whether width and height have to be even.
        sound: FFmpeg's names of the codecs that the container takes beside the pictures; empty for all.
        ticks: smallest number of ticks per second for timestamps; 0 for exactly 100.
    """

    container: str
    muxing: dict[str, str]
    codec: str
    encoding: dict[str, str]
    pixels: str
    even: bool
    ticks: int
    sound: tuple[str, ...] = ()


VIDEO_FORMATS: dict[str, VideoFormat] = {
    ".mp4": VideoFormat(
        "mp4",
        # The index goes to the front: a browser can start before it has the whole file.
        {"movflags": "+faststart"},
        "libx264",
        # No macroblock tree: in the x264 that PyAV brings its assembly reads memory that nobody wrote, and the same
        # pictures then give one of several files. It also is what looks ahead, so the encoder holds fewer frames.
        {"crf": "18", "preset": "medium", "mbtree": "0", "threads": _THREADS},
        "yuv420p",
        even=True,
        ticks=15_000,
        sound=("aac", "mp3", "ac3", "eac3", "alac", "opus", "flac", "vorbis"),
    ),
    ".webm": VideoFormat(
        "webm",
        # Without it the muxer writes a random number into the header.
        {"fflags": "+bitexact"},
        "libvpx-vp9",
        {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "4", "row-mt": "1", "lag-in-frames": "16"}
        | {"threads": _THREADS},
        "yuv420p",
        even=False,
        ticks=1000,
        sound=("opus", "vorbis"),
    ),
    # For cutting and compositing: ProRes 422 HQ, 10 bits, every frame by itself.
    ".mov": VideoFormat(
        "mov",
        {"fflags": "+bitexact"},
        "prores_ks",
        {"profile": "3", "vendor": "apl0", "threads": _THREADS},
        "yuv422p10le",
        even=True,
        ticks=15_000,
        sound=("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le", "pcm_s24le", "pcm_s32le", "pcm_s16be", "pcm_f32le"),
    ),
    # Lossless: every pixel comes back as it was drawn. Version 3, a checksum per slice, every frame by itself.
    ".mkv": VideoFormat(
        "matroska",
        {"fflags": "+bitexact"},
        "ffv1",
        {"level": "3", "g": "1", "slicecrc": "1", "threads": _THREADS},
        "bgr0",
        even=False,
        ticks=1000,
    ),
    ".gif": VideoFormat("gif", {"loop": "0"}, "gif", {}, "pal8", even=False, ticks=100),
}
