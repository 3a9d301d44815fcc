"""From what the user named to a FrameSource: images, a folder, a glob, a pattern, a list, a video, or stdin."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO, cast

from flowcli.errors import FlowcliError, InputError, UsageError
from flowcli.io.file_lists import LIST_SUFFIX, expand_pattern, is_pattern, read_list
from flowcli.io.frames import Selection, expand_glob, find_gaps, list_images, natural_key, survey_folder
from flowcli.io.image import IMAGE_SUFFIXES, RangeChoice, read_header
from flowcli.io.own_results import leave_out_results
from flowcli.io.sources.base import FrameReader, FrameSource
from flowcli.io.sources.images import ImageReader
from flowcli.io.sources.raw import RawReader
from flowcli.io.sources.stack import StackReader, load_stack

# What FFmpeg takes for numbered images, too.
DEFAULT_FPS = Fraction(25)
# A GIF by itself is a video; named beside others it is a still.
_STILL_SUFFIXES = (*IMAGE_SUFFIXES, ".gif")
_NAMED_AT_MOST = 3


def open_source(
    inputs: Sequence[str],
    *,
    selection: Selection | None = None,
    size: tuple[int, int] | None = None,
    fps: Fraction | None = None,
    stdin: BinaryIO | None = None,
    same_length: bool = False,
    values: RangeChoice = "auto",
    strict: bool = False,
) -> FrameSource:
    """Open what the user named: two images, more images, a folder, a glob, a pattern, a list, a video, a stack, or `-`.

    Args:
        inputs: paths, globs or patterns (`frame_%03d.png`) as typed; several images form one sequence (two keep their
            order, more are sorted). A text file lists images in their order. `-` is YUV4MPEG2 or raw frames.
        selection: which frames; None for all.
        size: (height, width) of raw frames on stdin, needed there and nowhere else.
        fps: frame rate of images and raw frames, default 25; a video knows its own.
        stdin: where raw frames come from.
        same_length: end a sequence with its last pair once more, so that there are as many pairs as frames.
        values: which values of deep images become black and white, see `flowcli.io.image.range`.
        strict: whether missing numbers in a sequence of files, and other files in its folder, are an error.

    Raises:
        UsageError: `size`, `fps` or a range for what has its own, or raw frames without a size.
        InputError: nothing there, too few frames, unequal sizes, a kind that cannot be read, or what `strict` forbids.
        FormatError: the first frame is damaged.
    """
    selection = selection or Selection()
    if list(inputs) == ["-"]:
        _refuse_range(values, "stdin")
        return FrameSource(_open_stdin(stdin, size, fps), selection, (), same_length=same_length)
    if size is not None:
        raise UsageError("--size is for raw frames on stdin (INPUT -); images and videos know their own size")
    if len(inputs) == 1 and inputs[0].lower().endswith(LIST_SUFFIX) and Path(inputs[0]).is_file():
        path = Path(inputs[0])
        files = [Path(name) for name in read_list(path)]
        return _open_images([path.stem], files, selection, fps or DEFAULT_FPS, values, strict, same_length, path.stem)
    paths = [path for text in inputs for path in _expand(text)]
    if len(inputs) == 1 and len(paths) == 1 and paths[0].is_file():
        return _open_file(paths[0], selection, fps, values, same_length)
    return _open_images(inputs, paths, selection, fps or DEFAULT_FPS, values, strict, same_length)


def _open_stdin(stdin: BinaryIO | None, size: tuple[int, int] | None, fps: Fraction | None) -> FrameReader:
    from flowcli.io.sources.y4m import MAGIC, Rejoined, Y4mReader, peek

    if stdin is None:
        raise UsageError("there is nothing to be read from standard input")
    # Nothing is waited for that is not needed: raw frames may come late.
    head = peek(stdin, len(MAGIC)) if size is None else b""
    if head == MAGIC:
        if fps is not None:
            raise UsageError("stdin: YUV4MPEG2 knows its frame rate; --fps is for images and raw frames")
        return Y4mReader(cast("BinaryIO", Rejoined(head, stdin)))
    if size is None:
        raise UsageError(
            "raw frames on stdin have no header; say their size with --size WIDTHxHEIGHT, or send YUV4MPEG2 "
            "(ffmpeg ... -f yuv4mpegpipe -)"
        )
    return RawReader(stdin, size, fps or DEFAULT_FPS)


def _open_file(
    path: Path, selection: Selection, fps: Fraction | None, values: RangeChoice, same_length: bool
) -> FrameSource:
    if path.suffix.lower() in IMAGE_SUFFIXES:
        reader = StackReader(path, fps or DEFAULT_FPS, values)
        if fps is not None and reader.footage.times is not None:
            raise UsageError(f"{path}: an animation knows its times; --fps is for images and raw frames")
        return FrameSource(reader, selection, [path], same_length=same_length)
    from flowcli.io.sources.video import VideoReader

    if fps is not None:
        raise UsageError(f"{path}: a video knows its frame rate; --fps is for images and raw frames")
    _refuse_range(values, str(path))
    return FrameSource(VideoReader(path, selection), selection, [path], same_length=same_length)


def _refuse_range(values: RangeChoice, name: str) -> None:
    if values not in ("auto", "full"):
        raise UsageError(f"{name}: --range LOW:HIGH is for images; videos and raw frames know their black and white")


def expect_pairs(inputs: Sequence[str], selection: Selection, fps: Fraction | None, same_length: bool = False) -> int:
    """Return about how many pairs `open_source` will find in two images, a folder or a video, from names and headers.

    0 where even that cannot be told; opening the source will say why.
    """
    path = Path(inputs[0])
    if len(inputs) == 2:
        return 1
    try:
        if path.is_dir():
            length, rate = len(list_images(path)), fps or DEFAULT_FPS
        elif path.suffix.lower() in IMAGE_SUFFIXES:
            length, rate = read_header(load_stack(path), str(path))[1].pages, fps or DEFAULT_FPS
        else:
            from flowcli.io.sources.video import glance

            length, rate = glance(path)
    except (FlowcliError, OSError):
        return 0
    first, stop = selection.indices(length, rate)
    frames = len(range(first, stop or 0, selection.step((stop or 0) - first, rate)))
    return frames - 1 + same_length if frames > 1 else 0


def _expand(text: str) -> list[Path]:
    if not text.strip():
        # Path("") is the current folder, which nobody meant.
        raise UsageError("expected the name of an image, folder or video, got an empty one; is a variable unset?")
    path = Path(text)
    if path.exists():
        return [path]
    if is_pattern(text):
        return leave_out_results(expand_pattern(text))
    if any(mark in text for mark in "*?["):
        return leave_out_results(expand_glob(text))
    raise InputError(f"{text}: no such file or folder")


def _open_images(
    inputs: Sequence[str],
    paths: list[Path],
    selection: Selection,
    fps: Fraction,
    values: RangeChoice,
    strict: bool,
    same_length: bool,
    list_stem: str | None = None,
) -> FrameSource:
    stem, others = paths[0].stem, list[Path]()
    is_pair = len(inputs) == len(paths) == 2
    if len(paths) == 1 and paths[0].is_dir():
        stem = paths[0].resolve().name
        try:
            files, others = survey_folder(paths[0])
        except OSError as error:
            raise InputError(f"{paths[0]}: cannot be read: {error.strerror or error}") from None
        if len(files) < 2:
            found = f"{len(files)} and {_list_names(others)}" if others else f"{len(files)}"
            raise InputError(f"{paths[0]}: expected a folder with at least two images, found {found}")
    else:
        files = paths if is_pair or list_stem is not None else sorted(paths, key=natural_key)
        for path in files:
            if path.is_dir() or path.suffix.lower() not in _STILL_SUFFIXES:
                raise InputError(f"{path}: expected an image; give two images, or one folder, glob or video")
        if len(files) < 2:
            raise InputError(f"{files[0]}: expected two images, one folder, a glob or a video, got a single image")
        if list_stem is not None:
            stem = list_stem
        elif len(inputs) == 1:
            stem = files[0].resolve().parent.name
    notes: list[str] = []
    if others:
        notes.append(f"{_list_names(others)} left out, by name no frames")
    first, stop = selection.indices(len(files), fps)
    # A list is what its writer meant.
    if not is_pair and list_stem is None and (gaps := find_gaps(files[first:stop])):
        notes.append(_list_gaps(gaps))
    if strict and notes:
        raise InputError(f"{paths[0]}: {'; '.join(notes)}; --strict allows neither")
    return FrameSource(
        ImageReader(files, stem, fps, values, notes), selection, paths, is_pair=is_pair, same_length=same_length
    )


def _list_names(paths: Sequence[Path]) -> str:
    names = ", ".join(path.name for path in paths[:_NAMED_AT_MOST])
    more = ", ..." if len(paths) > _NAMED_AT_MOST else ""
    return f"{len(paths)} other file{'s' if len(paths) > 1 else ''} ({names}{more})"


def _list_gaps(gaps: Sequence[tuple[Path, Path, int]]) -> str:
    missing = sum(count for *_, count in gaps)
    places = ", ".join(f"{first.name} -> {second.name}" for first, second, _ in gaps[:_NAMED_AT_MOST])
    more = ", ..." if len(gaps) > _NAMED_AT_MOST else ""
    plural = "s are" if missing > 1 else " is"
    return f"{missing} frame{plural} missing by number ({places}{more}); these pairs span more than one step"
