"""Small videos: what FFmpeg demuxes and decodes, in the containers that users have."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.container.output import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray

from flowcli.io.limits import MAX_PIXELS
from flowcli.io.sources import open_source
from fuzz import checksums, containers
from fuzz.target import Reshape, Seed, Target
from fuzz.targets.images import HEIGHT, WIDTH, make_frame

COUNT = 5
_SMALL = 2**20
_NEEDED = 8
"""Frames in RGB that are held at a time: the two of a pair, the one that is being converted and its copy, and what the
decoder refers to or has not given yet, in half the bytes."""
_LARGEST = MAX_PIXELS * 3 * _NEEDED


def make_frames() -> list[NDArray[np.uint8]]:
    """Five frames `(12, 16, 3)`, the same picture brightening."""
    return [np.minimum(make_frame().astype(int) + 8 * k, 255).astype(np.uint8) for k in range(COUNT)]


def _read(path: Path) -> NDArray[np.uint8]:
    """The frames, or the last pair of them where they are not as small as those of the seeds."""
    frames: list[NDArray[np.uint8]] = []
    for pair in open_source([str(path)]).pairs():
        before = [] if pair.frame1.size > _SMALL else frames[:-1]
        frames = [*before, pair.frame1, pair.frame2]
        if len(frames) > 4 * COUNT:  # enough to compare; a mutated file may promise a film
            break
    return frames[0][None] if frames[0].size > _SMALL else np.stack(frames)


@dataclass(frozen=True)
class Clip:
    """How the five frames are stored.

    Attributes:
        container: FFmpeg's name of the muxer.
        codec: its name of the encoder.
        pixels: its name of the pixel format.
        options: of the encoder.
        muxing: of the muxer.
        sound: whether there is a stream of sound beside, before the pictures.
        lossless: whether the frames come back as they were.
    """

    container: str
    codec: str
    pixels: str = "yuv420p"
    options: Mapping[str, str] = field(default_factory=dict[str, str])
    muxing: Mapping[str, str] = field(default_factory=dict[str, str])
    sound: bool = False
    lossless: bool = False

    def encode(self) -> bytes:
        """The file, the same each time."""
        muxing = {"fflags": "+bitexact", **_MUXING.get(self.container, {}), **self.muxing}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "video")
            with av.open(str(path), "w", format=self.container, options=muxing) as output:
                _encode(output, self)
            return path.read_bytes()


# A transport stream of a few packets is not recognised by anything: padded to a constant rate it has more.
_MUXING = {"mpegts": {"muxrate": "400000"}}


def _encode(output: OutputContainer, clip: Clip) -> None:
    rate = Fraction(25)
    output.metadata.update({"title": "fünf Bilder", "comment": "made by the fuzzer"})
    sound = output.add_stream("pcm_s16le", rate=8000, layout="mono") if clip.sound else None
    stream = output.add_stream(clip.codec, rate=rate, options={"threads": "1", **clip.options})
    assert isinstance(stream, VideoStream)
    stream.width, stream.height = _SIDES.get(clip.codec, (WIDTH, HEIGHT))
    stream.pix_fmt = clip.pixels
    stream.codec_context.flags |= Flags.bitexact.value
    if sound is not None:
        tone = av.AudioFrame.from_ndarray(np.zeros((1, 1600), np.int16), layout="mono")
        tone.pts, tone.sample_rate = 0, 8000
        output.mux(sound.encode(tone))
        output.mux(sound.encode(None))
    larger = np.ones((stream.height // HEIGHT, stream.width // WIDTH, 1), np.uint8)
    for k, picture in enumerate(make_frames()):
        frame = av.VideoFrame.from_ndarray(np.kron(picture, larger), format="rgb24")
        frame.pts, frame.time_base = k, 1 / rate
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


# (width, height) where an encoder takes no picture as small as ours.
_SIDES = {"libx265": (64, 48)}


def _seeds(clips: tuple[Clip, ...]) -> list[Seed]:
    frames = np.stack(make_frames())
    seeds = []
    for clip in clips:
        name = f"{clip.codec} in {clip.container}{' and sound' * clip.sound}{', fragments' * bool(clip.muxing)}"
        seeds.append(Seed(name, clip.encode(), frames if clip.lossless else None))
        if clip.container == "mov" and clip.lossless:
            seeds.append(Seed(f"{name}, unknown box at the end", seeds[-1].data + b"\0\0\0\x10zzzz12345678", frames))
    return seeds


_FAST = {"preset": "ultrafast"}
_X264 = {**_FAST, "crf": "10", "g": "3"}
_X265 = {**_FAST, "x265-params": "log-level=none"}
_VPX = {"cpu-used": "8", "deadline": "realtime"}

_STARTS = (b"\0\0\1", b"\0\0\0\1", b"\0\0\1\xb3", b"\0\0\1\xb6", b"\0\0\1\x65", b"\0\0\1\x67", b"\0\0\1\x68")
_MP4 = (
    *b"ftyp moov mvhd trak tkhd edts elst mdia mdhd hdlr minf stbl stsd avc1 avcC stts ctts stss stsc stsz ".split(),
    *b"stco co64 mdat udta meta ilst vide free moof traf trun tfhd sidx colr pasp mp4v hvc1 \xa9too data".split(),
)
_MKV = (
    *b"\x1a\x45\xdf\xa3 \x18\x53\x80\x67 \x11\x4d\x9b\x74 \x15\x49\xa9\x66 \x2a\xd7\xb1 \x44\x89".split(),
    *b"\x16\x54\xae\x6b \xae \xd7 \x86 \x63\xa2 \xe0 \xb0 \xba \x1f\x43\xb6\x75 \xe7 \xa3 \xa0 \xa1".split(),
    *b"\x1c\x53\xbb\x6b \x12\x54\xc3\x67 V_MPEG4/ISO/AVC V_VP9 DURATION \xec".split(),
)
_AVI = tuple(b"RIFF AVI LIST hdrl avih strl strh strf vids movi 00dc 00db idx1 JUNK".split())
_GIF = (b"GIF89a", b"\x21\xf9\x04", b"\x21\xff\x0b", b"\x2c", b"\x3b")
_TS = (b"\x47\x40", b"\0\0\1\xe0")
_PS = (b"\0\0\1\xba", b"\0\0\1\xbb", b"\0\0\1\xe0", b"\0\0\1\xb9")
_FLV = (b"FLV\1", b"onMetaData", b"duration", b"filesize", b"\x12", b"\x09")
_ASF = (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", b"\xa1\xdc\xab\x8c\x47\xa9\xcf\x11", b"WMV2")
_Y4M = (b"YUV4MPEG2", b"FRAME", b"W16", b"H12", b"F25:1", b"C420", b"Ip", b"A0:0", b"\n")
_MXF = (b"\x06\x0e\x2b\x34", b"\x01\x02\x01\x01", b"\x02\x53\x01\x01")


def _target(
    suffix: str,
    tokens: tuple[bytes, ...],
    *clips: Clip,
    repair: Callable[[bytes], bytes] | None = None,
    reshape: tuple[Reshape, ...] = (),
) -> Target:
    return Target(
        name=f"video-{suffix[1:]}",
        suffix=suffix,
        read=_read,
        make_seeds=partial(_seeds, clips),
        tokens=(*tokens, *_STARTS),
        repair=repair,
        reshape=reshape,
        largest=_LARGEST,
        needed=_NEEDED,
        share=0.5,
    )


_BOXES, _ELEMENTS, _CHUNKS = (containers.change_boxes,), (containers.change_matroska,), (containers.change_riff,)
VIDEOS = [
    _target(
        *(".mp4", _MP4, Clip("mp4", "libx264", options=_X264), Clip("mp4", "mpeg4")),
        Clip("mp4", "libx264", options=_X264, muxing={"movflags": "frag_keyframe+empty_moov"}),
        reshape=_BOXES,
    ),
    _target(
        *(".mov", _MP4, Clip("mov", "mjpeg", "yuvj420p"), Clip("mov", "prores_ks", "yuv422p10le")),
        *(Clip("mov", "qtrle", "rgb24", lossless=True), Clip("mov", "qtrle", "rgb24", sound=True, lossless=True)),
        reshape=_BOXES,
    ),
    _target(
        *(".mkv", _MKV, Clip("matroska", "libx264", options=_X264), Clip("matroska", "libx265", options=_X265)),
        *(Clip("matroska", "ffv1", "bgr0", lossless=True), Clip("matroska", "ffv1", "bgr0", sound=True, lossless=True)),
        reshape=_ELEMENTS,
    ),
    _target(
        ".webm", _MKV, Clip("webm", "libvpx-vp9", options=_VPX), Clip("webm", "libvpx", options=_VPX), reshape=_ELEMENTS
    ),
    _target(
        *(".avi", _AVI, Clip("avi", "mpeg4", options={"bf": "2"}), Clip("avi", "rawvideo", "bgr24", lossless=True)),
        *(Clip("avi", "msvideo1", "rgb555le"), Clip("avi", "huffyuv", "rgb24", lossless=True)),
        reshape=_CHUNKS,
    ),
    _target(
        *(".ts", _TS, Clip("mpegts", "libx264", options=_X264), Clip("mpegts", "mpeg2video")),
        repair=checksums.repair_transport_stream,
    ),
    _target(".mpg", _PS, Clip("mpeg", "mpeg1video"), Clip("vob", "mpeg2video")),
    _target(".flv", _FLV, Clip("flv", "flv"), Clip("flv", "libx264", options=_X264)),
    _target(".wmv", _ASF, Clip("asf", "wmv2"), Clip("asf", "msmpeg4")),
    _target(".gif", _GIF, Clip("gif", "gif", "rgb8")),
    _target(
        ".ogv", (b"OggS", b"OVP80", b"fishead\0"), Clip("ogg", "libvpx", options=_VPX), repair=checksums.repair_ogg
    ),
    _target(
        *(".h264", (b"\xff\xd8", b"\xff\xd9"), Clip("h264", "libx264", options=_X264)),
        *(Clip("hevc", "libx265", options=_X265), Clip("mjpeg", "mjpeg", "yuvj420p"), Clip("m4v", "mpeg4")),
    ),
    _target(".y4m", _Y4M, Clip("yuv4mpegpipe", "wrapped_avframe")),
    _target(".mxf", _MXF, Clip("mxf", "mpeg2video")),
]
