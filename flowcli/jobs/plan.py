"""What a batch consists of: named items from videos, folders and pair lists, each with the marks of its input files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flowcli.errors import FlowcliError, FormatError, InputError, UsageError
from flowcli.io.file_lists import LIST_SUFFIX, read_list
from flowcli.io.frames import expand_glob, list_images, natural_key
from flowcli.io.image import IMAGE_SUFFIXES, read_header
from flowcli.io.limits import read_bytes
from flowcli.io.own_results import is_marked, is_result_file, is_result_folder
from flowcli.io.pair_rows import BadRow, PairRow, read_pair_rows
from flowcli.io.remote import RemoteFiles, is_remote, name_of
from flowcli.jobs.naming import Candidate, choose_names, read_names

# What is taken for a video when a folder is searched; a file named by itself is tried whatever it is called.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".asf", ".avi", ".f4v", ".flv", ".gif", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts"}
    | {".mxf", ".ogv", ".ts", ".vob", ".webm", ".wmv", ".y4m"}
)


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
        return [text if is_remote(text) else str(Path(text).resolve()) for text in self.inputs]

    def fingerprint(self) -> str:
        """Return a digest of the names, sizes and times of change of the files; raises InputError if one is gone."""
        digest = hashlib.sha256()
        for text in self.inputs:
            if is_remote(text):
                digest.update(RemoteFiles(text).fingerprint().encode())
                continue
            path = Path(text)
            try:
                for file in list_images(path) if path.is_dir() else [path]:
                    state = file.stat()
                    digest.update(os.fsencode(file.name) + f"\0{state.st_size}\0{state.st_mtime_ns}\n".encode())
            except OSError as error:
                raise InputError(f"{text}: cannot be read: {error.strerror or error}") from error
        return digest.hexdigest()


def plan_batch(inputs: Sequence[str], output: Path, notify: Callable[[str], None] = lambda _: None) -> list[BatchItem]:
    """Return the items of a batch in the order given, those of a folder in natural order.

    An input that the journals of the output folder know keeps its name. What this program made itself is not searched:
    folders with a journal, what is called as its results are, and files that say inside that they are. An input that is
    named by itself is taken whatever it is.

    Args:
        inputs: two images; or videos; text files with an input a line; folders, searched with their sub-folders for
            videos and for folders of frames; globs of either; CSV files with columns frame1, frame2 and optionally name
            and dataset, paths relative to the list.
        output: the folder that results go to; it is not searched.
        notify: is told in one line what was left out.

    Raises:
        UsageError: an input is the output, or has no name.
        InputError: an input is not there or holds nothing.
        FormatError: a pair list is not as it should be.
        OutputError: a journal of the output folder is damaged.
    """
    if "" in inputs:
        # Path("") is the current folder.
        raise UsageError("expected the name of a video, folder or pair list, got an empty one; is a variable unset?")
    found: list[tuple[Path, BatchItem]] = []
    left_out: list[Path] = []
    if _is_pair(inputs):
        frame1, frame2 = inputs
        found.append((Path(frame1).parent, BatchItem(Path(frame1).stem, (frame1, frame2))))
        inputs = ()
    for text in inputs:
        found += _items_of_text(text, output, left_out)
    if left_out:
        more = f" and {len(left_out) - 1} more" if len(left_out) > 1 else ""
        notify(f"left out as results of flowcli: {left_out[0]}{more}")
    candidates = [_candidate(place, item) for place, item in found]
    names = choose_names(candidates, read_names(output))
    return [BatchItem(name, item.inputs) for name, (_, item) in zip(names, found, strict=True) if name is not None]


def _is_pair(inputs: Sequence[str]) -> bool:
    """Return whether the inputs are two still images: neither would be of use by itself."""
    paths = [Path(text) for text in inputs]
    if len(paths) != 2 or not all(path.is_file() and path.suffix.lower() in IMAGE_SUFFIXES for path in paths):
        return False
    try:
        return all(read_header(read_bytes(path), str(path))[1].pages == 1 for path in paths)
    except FlowcliError:
        return False


def _candidate(place: Path, item: BatchItem) -> Candidate:
    path = Path(item.inputs[0])
    suffix = "" if _is_folder(path) else path.suffix

    def fingerprint() -> str | None:
        try:
            return item.fingerprint()
        except InputError:
            return None

    return Candidate(item.name, suffix, place, tuple(item.origin), fingerprint, item.is_pair)


def _items_of_text(text: str, output: Path, left_out: list[Path]) -> Iterator[tuple[Path, BatchItem]]:
    if is_remote(text):
        yield from _items_elsewhere(text)
        return
    path = Path(text)
    if not path.exists() and not any(mark in text for mark in "*?["):
        raise InputError(f"{text}: no such file or folder")
    for one in [path] if path.exists() else _expand(text, left_out):
        items = list(_items_of(one, output, left_out))
        if not items:
            results = f" but results of flowcli ({left_out[0]})" if left_out else ""
            raise InputError(f"{one}: expected videos, frames or a pair list, found none of them{results}")
        yield from items


def _items_elsewhere(address: str) -> Iterator[tuple[Path, BatchItem]]:
    # As of a folder here: the films in it, and each folder of frames. Places are the addresses as paths.
    remote = RemoteFiles(address)
    if remote.is_single:
        yield _place_of(address), BatchItem(PurePosixPath(name_of(address)).stem, (address,))
        return
    found = remote.find()
    root = address.rstrip("/")
    frames: dict[str, int] = {}
    count = 0
    for one in found:
        folder, _, name = one.rpartition("/")
        suffix = PurePosixPath(name).suffix.lower()
        if suffix in VIDEO_SUFFIXES and not is_result_file(Path(name)):
            relative = one.removeprefix(f"{root}/")
            stem = relative if relative != one else name
            count += 1
            yield _place_of(one), BatchItem(str(PurePosixPath(stem).with_suffix("")), (one,))
        elif suffix in IMAGE_SUFFIXES and not is_result_file(Path(name)):
            frames[folder] = frames.get(folder, 0) + 1
    for folder, number in frames.items():
        if number >= 2:
            count += 1
            name = PurePosixPath(folder).name if folder == root else folder.removeprefix(f"{root}/")
            yield _place_of(folder), BatchItem(name if "://" not in name else PurePosixPath(name).name, (folder,))
    if not count:
        raise InputError(f"{address}: expected videos or folders of frames, found none of them")


def _place_of(address: str) -> Path:
    return Path("/", *PurePosixPath(address.partition("://")[2]).parts[:-1])


def _items_of(path: Path, output: Path, left_out: list[Path]) -> Iterator[tuple[Path, BatchItem]]:
    # Each with the folder whose name tells it from another of the same name.
    if _is_same(path, output):
        raise UsageError(f"{path}: is both input and output; name another folder with -o, it may lie inside this one")
    if path.is_dir():
        yield from _search(path, path, output, left_out)
    elif path.suffix.lower() == ".csv":
        for row in _read_pairs(path):
            yield row.frame1.parent, BatchItem(row.name, (str(row.frame1), str(row.frame2)))
    elif path.suffix.lower() == LIST_SUFFIX:
        for text in read_list(path):
            yield from _items_of_text(text, output, left_out)
    else:
        yield path.parent, BatchItem(path.stem, (str(path),))


def _search(folder: Path, root: Path, output: Path, left_out: list[Path]) -> Iterator[tuple[Path, BatchItem]]:
    try:
        frames = list_images(folder)
        if len(frames) >= 2 and folder != root and is_marked(frames[0]):
            left_out.append(folder)
        elif len(frames) >= 2:
            name = folder.resolve().name if folder == root else folder.relative_to(root).as_posix()
            # A folder that was named is told from others by what it lies in.
            yield (folder.resolve().parent if folder == root else root), BatchItem(name, (str(folder),))
        entries = sorted(folder.iterdir(), key=natural_key)
    except OSError as error:
        raise InputError(f"{folder}: cannot be read: {error.strerror or error}") from error
    for entry in entries:
        if entry.name.startswith(".") or _is_same(entry, output):
            continue
        is_folder = entry.is_dir() and not entry.is_symlink()
        is_video = not is_folder and entry.suffix.lower() in VIDEO_SUFFIXES
        if (is_folder and is_result_folder(entry)) or (is_video and _is_result(entry)):
            left_out.append(entry)
        elif is_folder:
            yield from _search(entry, root, output, left_out)
        elif is_video:
            yield root, BatchItem(entry.relative_to(root).with_suffix("").as_posix(), (str(entry),))


def _is_result(path: Path) -> bool:
    return is_result_file(path) or is_marked(path)


def _expand(pattern: str, left_out: list[Path]) -> list[Path]:
    # All of them if they all are results, for then they are meant.
    found = expand_glob(pattern)
    results = [path for path in found if _is_result(path)]
    if len(results) == len(found):
        return found
    left_out += results
    return [path for path in found if path not in results]


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name in a list may be longer than the system takes; its item says so when it is opened
        return False


def _is_same(path: Path, output: Path) -> bool:
    # Also by another spelling, or by a link.
    try:
        return path.samefile(output)
    except OSError:
        return False


def _read_pairs(path: Path) -> Iterator[PairRow]:
    try:
        with path.open("rb", buffering=0) as stream:
            for row in read_pair_rows(stream, str(path), path.parent):
                if isinstance(row, BadRow):
                    raise FormatError(f"{path}: {row.reason}")
                yield row
    except OSError as error:
        raise FormatError(f"{path}: cannot be read: {error.strerror or error}") from error
