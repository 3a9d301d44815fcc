"""From what the user named to a FrameSource: images, a folder, a glob, a video, or raw frames on stdin."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

from flowcli.errors import FlowcliError, InputError, UsageError
from flowcli.io.frames import Selection, expand_glob, list_images, natural_key
from flowcli.io.image import IMAGE_SUFFIXES
from flowcli.io.own_results import leave_out_results
from flowcli.io.sources.base import FrameSource
from flowcli.io.sources.images import ImageReader
from flowcli.io.sources.raw import RawReader

# What FFmpeg takes for numbered images, too.
DEFAULT_FPS = Fraction(25)


def open_source(
    inputs: Sequence[str],
    *,
    selection: Selection | None = None,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    stdin: BinaryIO | None = None,
) -> FrameSource:
    """Open what the user named: two images, more images, a folder, a glob, a video, or `-` for raw frames.

    Args:
        inputs: paths or globs as typed; several images form one sequence (two keep their order, more are sorted).
        selection: which frames; None for all.
        size: (height, width) of raw frames, needed with `-` and only there.
        fps: frame rate of images and raw frames, default 25; a video knows its own.
        stdin: where raw frames come from.

    Raises:
        UsageError: `size` or `fps` for what has its own, or raw frames without a size.
        InputError: nothing there, too few frames, unequal sizes, or a kind that cannot be read.
        FormatError: the first frame is damaged.
    """
    selection = selection or Selection()
    if list(inputs) == ["-"]:
        if size is None or stdin is None:
            raise UsageError("raw frames on stdin have no header; say their size with --size WIDTHxHEIGHT")
        return FrameSource(RawReader(stdin, size, fps or DEFAULT_FPS), selection, ())
    if size is not None:
        raise UsageError("--size is for raw frames on stdin (INPUT -); images and videos know their own size")
    paths = [path for text in inputs for path in _expand(text)]
    if len(inputs) == 1 and len(paths) == 1 and paths[0].is_file() and paths[0].suffix.lower() not in IMAGE_SUFFIXES:
        from flowcli.io.sources.video import VideoReader

        if fps is not None:
            raise UsageError(f"{paths[0]}: a video knows its frame rate; --fps is for images and raw frames")
        return FrameSource(VideoReader(paths[0], selection.end), selection, paths)
    return _open_images(inputs, paths, selection, fps or DEFAULT_FPS)


def expect_pairs(inputs: Sequence[str], selection: Selection, fps: Fraction | None) -> int:
    """Return about how many pairs `open_source` will find in two images, a folder or a video, from names and headers.

    0 where even that cannot be told; opening the source will say why.
    """
    path = Path(inputs[0])
    if len(inputs) == 2:
        return 1
    try:
        if path.is_dir():
            length, rate = len(list_images(path)), fps or DEFAULT_FPS
        else:
            from flowcli.io.sources.video import glance

            length, rate = glance(path)
    except (FlowcliError, OSError):
        return 0
    first, stop = selection.indices(length, rate)
    return max(0, len(range(first, stop or 0, selection.stride)) - 1)


def _expand(text: str) -> list[Path]:
    path = Path(text)
    if path.exists():
        return [path]
    if any(mark in text for mark in "*?["):
        return leave_out_results(expand_glob(text))
    raise InputError(f"{text}: no such file or folder")


def _open_images(inputs: Sequence[str], paths: list[Path], selection: Selection, fps: Fraction) -> FrameSource:
    stem = paths[0].stem
    is_pair = len(inputs) == len(paths) == 2
    if len(paths) == 1 and paths[0].is_dir():
        files, stem = list_images(paths[0]), paths[0].resolve().name
        if len(files) < 2:
            raise InputError(f"{paths[0]}: expected a folder with at least two images, found {len(files)}")
    else:
        files = paths if is_pair else sorted(paths, key=natural_key)
        for path in files:
            if path.is_dir() or path.suffix.lower() not in IMAGE_SUFFIXES:
                raise InputError(f"{path}: expected an image; give two images, or one folder, glob or video")
        if len(files) < 2:
            raise InputError(f"{files[0]}: expected two images, one folder, a glob or a video, got a single image")
        if len(inputs) == 1:
            stem = files[0].resolve().parent.name
    return FrameSource(ImageReader(files, stem, fps), selection, paths, is_pair=is_pair)
