"""Pictures to a video file: H.264 in .mp4, VP9 in .webm and .gif to play, ProRes in .mov, FFV1 in .mkv to cut.

Every frame keeps the time at which its pair was filmed, so the rate and the duration of the source are kept, also when
they vary. Chroma is stored at half resolution where players ask for it (yuv420p), in the BT.709 matrix and tagged so;
FFV1 stores the colours as they are. The encoders use a fixed number of threads: the bytes do not depend on the
machine's cores.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.codec.context import Flags
from av.error import FFmpegError
from av.filter import Graph
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, VideoReformatter
from av.video.stream import VideoStream

from flowcli.errors import OutputError
from flowcli.flow import Frame
from flowcli.io.atomic import replace_when_complete
from flowcli.io.video.container import ANY_TEXT
from flowcli.io.video.formats import VIDEO_FORMATS, VideoFormat
from flowcli.io.video.join import add_sound
from flowcli.io.video.sound import Sound

_BT709 = 1
# The same bytes on every processor: SWS_BICUBIC, SWS_ACCURATE_RND and SWS_BITEXACT of FFmpeg's swscale.h, as numbers
# because PyAV before 18 (the last for Python 3.10 is 17) has no names for the second and third.
_EXACT = 0x4 | 0x40000 | 0x80000


class VideoEncoder:
    """Encodes pictures of one size into a file that is complete after `close`.

    Args:
        path: the file to be made.
        row: how.
        size: (height, width) of the pictures.
        fps: nominal frames per second.
        aspect: width of a pixel over its height when shown.
        comment: goes into the metadata where the container has a place for it.

    Every method raises FFmpegError if the encoder or the file system refuses.
    """

    def __init__(
        self, path: Path, row: VideoFormat, size: tuple[int, int], fps: Fraction, aspect: Fraction, comment: str
    ) -> None:
        height, width = size
        self._path, self._row, self._comment = path, row, comment
        # yuv420p halves the chroma; an odd row or column is repeated, so that nothing is stretched.
        self._extra_row, self._extra_column = (height % 2, width % 2) if row.even else (0, 0)
        self._container = av.open(path, "w", format=row.container, options=row.muxing, **ANY_TEXT)
        self._container.metadata["comment"] = comment
        stream = self._container.add_stream(row.codec, rate=fps, options=row.encoding)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height = width + self._extra_column, height + self._extra_row
        stream.pix_fmt = row.pixels
        # The nominal rate falls on whole ticks; another time is rounded to the nearest.
        per_numerator = math.ceil(row.ticks / fps.numerator) if row.ticks > 1000 else 0
        self.tick = Fraction(1, fps.numerator * per_numerator or row.ticks)
        context = stream.codec_context
        context.time_base = stream.time_base = self.tick
        context.flags |= Flags.frame_duration.value
        if aspect != 1:
            context.sample_aspect_ratio = aspect
        if row.pixels.startswith("yuv"):
            context.color_range, context.colorspace = ColorRange.MPEG, Colorspace.ITU709
            context.color_primaries = context.color_trc = _BT709
        self._stream = stream
        self._reformatter = VideoReformatter()
        self._palette = _make_palette_graph(size) if row.pixels == "pal8" else None
        self._next_tick = 0

    def write(self, picture: Frame, time: Fraction, duration: Fraction) -> None:
        """Encode uint8 `(H, W, 3)` RGB, to be shown from `time` on for `duration` seconds; times ascend."""
        begin, end = round(time / self.tick), round((time + duration) / self.tick)
        if begin < self._next_tick:
            return
        # Browsers slow a GIF down to 10 frames per second where a delay is below 1/50 s.
        self._next_tick = begin + (2 if self._palette else 1)
        if self._extra_row or self._extra_column:
            picture = np.pad(picture, ((0, self._extra_row), (0, self._extra_column), (0, 0)), mode="edge")
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        if self._palette is not None:
            self._palette.vpush(frame)
            frame = self._palette.vpull()
        elif self._row.pixels == "bgr0":
            frame = self._reformatter.reformat(frame, format="bgr0")
        else:
            frame = self._reformatter.reformat(
                frame,
                format=self._row.pixels,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
                interpolation=_EXACT,
            )
            frame.color_primaries = frame.color_trc = _BT709
        frame.pts, frame.duration, frame.time_base = begin, max(1, end - begin), self.tick
        frame.pict_type = PictureType.NONE
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finish the file."""
        self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._row.container == "gif":
            _add_gif_comment(self._path, self._comment)

    def abandon(self) -> None:
        """Close the file as it is; it is of no use."""
        with suppress(FFmpegError, OSError):
            self._container.close()


class VideoSink:
    """Encodes pictures one by one; the file appears when the block is left without an exception.

    Args:
        path: the file; its suffix picks the row of VIDEO_FORMATS.
        fps: nominal frames per second.
        aspect: width of a pixel over its height when shown.
        comment: goes into the metadata.
        film: whose sound goes beside the pictures, and where these begin on its clock, in seconds; None for silence.
    """

    def __init__(
        self, path: Path, *, fps: Fraction, aspect: Fraction, comment: str, film: tuple[Path, Fraction] | None = None
    ) -> None:
        self._path, self._fps, self._aspect, self._comment = path, fps, aspect, comment
        self._film, self._duration = film, Fraction(0)
        self._silent: Path | None = None
        self._stack = ExitStack()
        self._encoder: VideoEncoder | None = None

    def __enter__(self) -> VideoSink:
        return self

    def write(self, name: str, item: Frame, time: Fraction, duration: Fraction) -> None:
        """Encode a picture, uint8 `(H, W, 3)` RGB, all of one size, shown from `time` on for `duration` seconds.

        Raises:
            OutputError: the file cannot be written, or the encoder refuses the size.
        """
        with self._explained():
            if self._encoder is None:
                temporary = self._stack.enter_context(replace_when_complete(self._path))
                size = (item.shape[0], item.shape[1])
                row = VIDEO_FORMATS[self._path.suffix.lower()]
                self._silent = temporary
                self._encoder = VideoEncoder(temporary, row, size, self._fps, self._aspect, self._comment)
                self._stack.push(self._finish)
            self._encoder.write(item, time, duration)
            self._duration = time + duration

    def __exit__(self, *error: object) -> None:
        """Complete the file, or drop it after an exception; without any picture there is none."""
        self._stack.__exit__(*error)  # pyright: ignore[reportArgumentType]

    def _finish(self, kind: object, error: object, traceback: object) -> None:
        encoder, self._encoder = self._encoder, None
        assert encoder is not None
        if kind is not None:
            encoder.abandon()
            return
        with self._explained():
            encoder.close()
            if self._film is not None and self._silent is not None:
                sound = Sound(*self._film, self._duration)
                # In the place of the silent one, which then takes the name of the result.
                add_sound(self._silent, self._silent, self._comment, sound)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FFmpegError as error:
            raise OutputError(f"{self._path}: cannot be written: {error.strerror}") from error


def _make_palette_graph(size: tuple[int, int]) -> Graph:
    # 256 colours chosen for each frame: the best there is for GIF without holding the sequence, and equal frames stay
    # equal. The ordered dither does not crawl as error diffusion does when something else in the picture moves.
    graph = Graph()
    pixel = av.VideoFormat("rgb24")
    source = graph.add_buffer(width=size[1], height=size[0], format=pixel, time_base=Fraction(1, 100))
    split = graph.add("split")
    choose = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    apply = graph.add("paletteuse", "new=1:dither=bayer:bayer_scale=4")
    sink = graph.add("buffersink")
    source.link_to(split)
    split.link_to(choose, 0, 0)
    split.link_to(apply, 1, 0)
    choose.link_to(apply, 0, 1)
    apply.link_to(sink)
    graph.configure()
    return graph


def _add_gif_comment(path: Path, comment: str) -> None:
    # GIF89a, section 24: a comment extension may stand after the header and its colour table. FFmpeg's muxer writes
    # none, and takes one at the end of a file for a frame.
    text = comment.encode("ascii", "replace")
    blocks = b"".join(bytes([len(text[k : k + 255])]) + text[k : k + 255] for k in range(0, len(text), 255))
    with replace_when_complete(path) as temporary, path.open("rb") as source, temporary.open("wb") as target:
        header = source.read(13)
        colors = 3 << (header[10] & 7) + 1 if header[10] & 0x80 else 0
        target.write(header + source.read(colors) + b"\x21\xfe" + blocks + b"\x00")
        shutil.copyfileobj(source, target)
