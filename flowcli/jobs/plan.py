"""What a batch consists of: named items from videos, folders and pair lists, each with the marks of its input files."""

from __future__ import annotations

import csv
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flowcli.errors import FormatError, InputError, UsageError
from flowcli.io.frames import expand_glob, list_images, natural_key

# What is taken for a video when a folder is searched; a file named by itself is tried whatever it is called.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".f4v", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"}
    | {".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
)
_PAIR_COLUMNS = ("frame1", "frame2")


@dataclass(frozen=True)
class BatchItem:
    """One sequence, or one pair of a list.

    Attributes:
        name: unique in the batch; a relative path without suffix that outputs are named after.
        inputs: what `open_source` is given: one video, one folder, or two images.
    """

    name: str
    inputs: tuple[str, ...]

    @property
    def is_pair(self) -> bool:
        """Whether it is two images and not a sequence."""
        return len(self.inputs) == 2

    @property
    def origin(self) -> list[str]:
        """Where the inputs really lie."""
        return [str(Path(text).resolve()) for text in self.inputs]

    def fingerprint(self) -> str:
        """Return a digest of the names, sizes and times of change of the files; raises InputError if one is gone."""
        digest = hashlib.sha256()
        for text in self.inputs:
            path = Path(text)
            try:
                for file in list_images(path) if path.is_dir() else [path]:
                    state = file.stat()
                    digest.update(f"{file.name}\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
            except OSError as error:
                raise InputError(f"{text}: cannot be read: {error.strerror or error}") from error
        return digest.hexdigest()


def plan_batch(inputs: Sequence[str], output: Path) -> list[BatchItem]:
    """Return the items of a batch in the order given, those of a folder in natural order.

    Args:
        inputs: videos; folders, searched with their sub-folders for videos and for folders of frames; globs of either;
            CSV files with columns frame1, frame2 and optionally name and dataset, paths relative to the list.
        output: the folder that results go to; it is not searched.

    Raises:
        UsageError: an input is the output.
        InputError: an input is not there or holds nothing, or two items cannot be told apart by name.
        FormatError: a pair list is not as it should be.
    """
    found: list[tuple[Path, BatchItem]] = []
    for text in inputs:
        path = Path(text)
        if not path.exists() and not any(mark in text for mark in "*?["):
            raise InputError(f"{text}: no such file or folder")
        for one in [path] if path.exists() else expand_glob(text):
            items = list(_items_of(one, output.resolve()))
            if not items:
                raise InputError(f"{one}: expected videos, frames or a pair list, found none of them")
            found += items
    return _name_apart(found)


def _items_of(path: Path, output: Path) -> Iterator[tuple[Path, BatchItem]]:
    # Each with the path that tells it from another of the same name.
    if path.is_dir() and path.resolve() == output:
        raise UsageError(f"{path}: is both input and output; name another folder with -o, it may lie inside this one")
    if path.is_dir():
        yield from _search(path, path, output)
    elif path.suffix.lower() == ".csv":
        for name, frame1, frame2 in _read_pairs(path):
            yield frame1, BatchItem(name, (str(frame1), str(frame2)))
    else:
        yield path, BatchItem(path.stem, (str(path),))


def _search(folder: Path, root: Path, output: Path) -> Iterator[tuple[Path, BatchItem]]:
    try:
        if len(list_images(folder)) >= 2:
            name = folder.resolve().name if folder == root else folder.relative_to(root).as_posix()
            yield folder, BatchItem(name, (str(folder),))
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith(".") or entry.resolve() == output:
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _search(entry, root, output)
        elif entry.suffix.lower() in VIDEO_SUFFIXES:
            yield entry, BatchItem(entry.relative_to(root).with_suffix("").as_posix(), (str(entry),))


def _read_pairs(path: Path) -> Iterator[tuple[str, Path, Path]]:
    expected = "a UTF-8 CSV file with columns frame1,frame2 and optionally name"
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, restval="", strict=True)
            if not set(_PAIR_COLUMNS) <= set(reader.fieldnames or ()):
                raise FormatError(
                    f"{path}: expected {expected}, got {','.join(reader.fieldnames or ()) or 'no header'}"
                )
            for row in reader:
                frame1, frame2 = (row[column].strip() for column in _PAIR_COLUMNS)
                if not frame1 or not frame2:
                    raise FormatError(f"{path}: expected two frames per row, got none in line {reader.line_num}")
                name = "/".join(row[key].strip() for key in ("dataset", "name") if row.get(key, "").strip())
                if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                    raise FormatError(f"{path}: expected a plain name in line {reader.line_num}, got {name}")
                yield name or Path(frame1).stem, path.parent / frame1, path.parent / frame2
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise FormatError(f"{path}: expected {expected}, got {error}") from error


def _name_apart(found: list[tuple[Path, BatchItem]]) -> list[BatchItem]:
    # clip.mp4 and clip.mkv become "clip.mp4" and "clip.mkv"; a/clip.mp4 and b/clip.mp4 "a/clip.mp4" and "b/clip.mp4".
    names = [item.name for _, item in found]
    for rename in (_with_suffix, _with_parent):
        counts = Counter(names)
        names = [rename(name, path) if counts[name] > 1 else name for name, (path, _) in zip(names, found, strict=True)]
    seen: dict[str, Path] = {}
    for name, (path, _) in zip(names, found, strict=True):
        if name in seen:
            raise InputError(f"{path}: its outputs would be called as those of {seen[name]}; give it another name")
        seen[name] = path
    return [BatchItem(name, item.inputs) for name, (_, item) in zip(names, found, strict=True)]


def _with_suffix(name: str, path: Path) -> str:
    return name + path.suffix


def _with_parent(name: str, path: Path) -> str:
    return f"{path.resolve().parent.name}/{name}"
