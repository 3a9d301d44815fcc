"""HEIC and AVIF, the pictures of phones: one image, a burst of several, or (AVIF) an animation.

HEIC goes through pillow-heif (libheif), an extra because of its size. AVIF goes through Pillow, which brings libavif,
as long as it has 8 bits; Pillow gives no more, so 10 and 12 bits go through PyAV, as film does. Both libraries turn
the picture by the container's own properties; HEIC leaves nothing for us to turn, AVIF comes with an orientation.
"""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from flowcli.errors import FormatError
from flowcli.io.image.exif import read_orientation
from flowcli.io.image.film import planes_of
from flowcli.io.image.headers import ImageHeader
from flowcli.io.image.plugins import decode_animation, decode_with_pillow
from flowcli.io.image.stored import StoredImage, from_frame, from_planes
from flowcli.io.limits import MAX_PIXELS, check_decoding, check_size

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream
    from pillow_heif import HeifFile

# libheif holds planes of luminance and colour and the interleaved result; the bytes are per pixel and byte of depth.
_HEIF_BYTES = 9
_MOST_IMAGES = 4096


def read_heif_header(data: bytes, name: str) -> ImageHeader:
    """Read the size, the depth and the number of the images; nothing is decoded.

    Raises:
        FormatError: damaged, or pillow-heif is not installed.
    """
    file = _open_heif(data, name)
    image = file[0]
    width, height = image.size
    return ImageHeader(height, width, 3, image.info.get("bit_depth", 8), pages=len(file))


def decode_heif(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode the first image; raises FormatError."""
    return next(decode_heif_pages(data, header, name, range(1)))


def decode_heif_pages(data: bytes, header: ImageHeader, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    """Yield the images with these numbers, upright; those of more than 8 bits in their own depth."""
    file = _open_heif(data, name)
    for number in numbers:
        width, height = file[number].size
        check_size(name, height, width)
        depth = 1 if header.depth <= 8 else 2
        check_decoding(name, height * width * depth * _HEIF_BYTES, height * width * depth * 6)
        try:
            # RGBA and grey too: what libheif gives is told by the mode.
            pixels = np.asarray(file[number])
        except Exception as error:  # as in plugins: hostile bytes reach every corner of a library
            raise FormatError(f"{name}: cannot be decoded: {_words(error)}") from error
        yield _to_stored(pixels, file[number].info.get("bit_depth", 8), (height, width), name)


def _to_stored(pixels: np.ndarray, depth: int, size: tuple[int, int], name: str) -> StoredImage:
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.shape[:2] != size or pixels.dtype not in (np.uint8, np.uint16):
        raise FormatError(f"{name}: HEIF file is damaged or of a kind that cannot be decoded")
    colours = 3 if pixels.shape[2] >= 3 else 1
    if pixels.dtype == np.uint8:
        rgb = pixels[..., :3] if colours == 3 else np.repeat(pixels[..., :1], 3, axis=2)
        return from_frame(np.ascontiguousarray(rgb))
    # The samples lie in the upper bits of 16.
    shift = 16 - min(max(depth, 9), 16)
    return from_planes(tuple(pixels[..., k] >> shift for k in range(colours)), (0, 2 ** (16 - shift) - 1))


def _open_heif(data: bytes, name: str) -> HeifFile:
    if importlib.util.find_spec("pillow_heif") is None:
        raise FormatError(f"{name}: HEIC needs the Python module pillow_heif; run: pip install 'flowcli[heif]'")
    import pillow_heif

    try:
        file = pillow_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False)
        count = len(file)
    except Exception as error:  # as above
        raise FormatError(f"{name}: HEIF file is cut short or damaged: {_words(error)}") from error
    if not 1 <= count <= _MOST_IMAGES:
        raise FormatError(f"{name}: expected 1 to {_MOST_IMAGES} images in a HEIF file, found {count}")
    return file


def read_avif_header(data: bytes, name: str) -> ImageHeader:
    """Read the size, the depth, the orientation and, of an animation, the times; nothing is decoded.

    Raises:
        FormatError: damaged.
    """
    from av.error import FFmpegError
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
            (width, height), count = image.size, getattr(image, "n_frames", 1)
            orientation = read_orientation(image.info.get("exif", b""))
    except Exception as error:  # as above; Pillow warns of what is too large, and then raises
        raise FormatError(f"{name}: AVIF file is cut short or damaged: {_words(error)}") from error
    durations: tuple[Fraction, ...] = ()
    try:
        with _open_avif(data) as container:
            stream = _pick_stream(container, count)
            kind = stream.format.components if stream.codec_context.pix_fmt else ()
            depth = kind[0].bits if kind else 8
            if count > 1:
                # In the order of showing: AVIF has no other.
                stamps = [packet.pts for packet in container.demux(stream) if packet.pts is not None]
                ends = [*stamps[1:], stamps[-1] + max(1, round((stamps[-1] - stamps[0]) / max(1, len(stamps) - 1)))]
                last = stream.duration
                if last is not None and last > stamps[-1]:
                    ends[-1] = last
                base = stream.time_base or Fraction(1, 1000)
                durations = tuple((end - begin) * base for begin, end in zip(stamps, ends, strict=True))
    except (FFmpegError, ValueError, IndexError, TypeError) as error:
        raise FormatError(f"{name}: AVIF file is cut short or damaged: {_words(error)}") from error
    if count > 1 and (len(durations) != count or min(durations) <= 0):
        raise FormatError(f"{name}: AVIF file is damaged: the times of its {count} images cannot be read")
    return ImageHeader(height, width, 3, depth, orientation, count, durations)


def decode_avif(data: bytes, header: ImageHeader, name: str) -> StoredImage:
    """Decode the first image; raises FormatError."""
    return next(decode_avif_pages(data, header, name, range(1)))


def decode_avif_pages(data: bytes, header: ImageHeader, name: str, numbers: Iterable[int]) -> Iterator[StoredImage]:
    """Yield the images with these ascending numbers, those of more than 8 bits in their own depth."""
    if header.depth > 8:
        yield from _decode_deep(data, header, name, iter(numbers))
    elif header.pages > 1:
        yield from decode_animation(data, header, name, iter(numbers))
    else:
        for number in numbers:
            yield decode_with_pillow(data, header, name, number)


def _decode_deep(data: bytes, header: ImageHeader, name: str, numbers: Iterator[int]) -> Iterator[StoredImage]:
    from av.error import FFmpegError

    wanted = next(numbers, None)
    try:
        with _open_avif(data) as container:
            stream = _pick_stream(container, header.pages)
            stream.codec_context.options = {"max_pixels": str(2 * MAX_PIXELS)}
            for number, frame in enumerate(container.decode(stream)):
                if wanted is None:
                    return
                if number != wanted:
                    continue
                if (frame.height, frame.width) != (header.height, header.width) or frame.is_corrupt:
                    break
                yield from_planes(*planes_of(frame))
                wanted = next(numbers, None)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise FormatError(f"{name}: cannot be decoded, FFmpeg says: {_words(error)}") from None
    if wanted is not None:
        raise FormatError(
            f"{name}: AVIF file is damaged or of a kind that cannot be decoded in its {header.depth} bits"
        )


def _open_avif(data: bytes) -> InputContainer:
    import av

    return av.open(io.BytesIO(data), "r", format="mov")


def _pick_stream(container: InputContainer, count: int) -> VideoStream:
    # An animation is a track beside the picture for viewers without animation; transparency is another of each.
    streams = [stream for stream in container.streams.video if stream.codec_context is not None]
    fitting = [stream for stream in streams if stream.frames == count] if count > 1 else streams
    return fitting[0]


def _words(error: BaseException) -> str:
    return f"{' '.join(str(error).split()) or type(error).__name__:.150}"
