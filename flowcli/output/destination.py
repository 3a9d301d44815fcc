"""Where results go: one file, a folder with one file per pair, or a video; and the checks before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from flowcli.errors import InputError, OutputError, UsageError
from flowcli.io.atomic import check_writable
from flowcli.io.flow import FORMATS, find_format
from flowcli.io.image import PICTURE_SUFFIXES
from flowcli.io.names import LONGEST_NAME, shorten_name
from flowcli.io.video.formats import VIDEO_FORMATS

VIDEO_SUFFIXES = tuple(VIDEO_FORMATS)
# What standard output is called.
STREAM = "-"
# Of the motion statistics of one clip: one line of JSON per pair.
ROWS_SUFFIX = ".stats.jsonl"


@dataclass(frozen=True)
class Destination:
    """One output as the user named it.

    Attributes:
        path: the file, or the folder of files.
        suffix: of the file, or of each file in the folder; lower case, with its dot.
        is_folder: whether `path` is a folder.
    """

    path: Path
    suffix: str
    is_folder: bool

    @property
    def is_video(self) -> bool:
        """Whether all pairs go into one video file."""
        return not self.is_folder and self.suffix in VIDEO_SUFFIXES

    @property
    def is_stream(self) -> bool:
        """Whether it is standard output."""
        return str(self.path) == STREAM and not self.is_folder

    @property
    def is_joined(self) -> bool:
        """Whether all pairs go into one file, which can be put together from files of some of them each."""
        return self.is_video or self.suffix == ROWS_SUFFIX

    def file(self, name: str) -> Path:
        """Return the path for the result of the pair `name`."""
        if not self.is_folder:
            return self.path
        return self.path / f"{shorten_name(name, LONGEST_NAME - len(self.suffix))}{self.suffix}"

    def variant(self, word: str) -> Destination:
        """Return the destination next to this one with `.word` in its name."""
        if self.is_folder:
            return Destination(self.path.with_name(f"{self.path.name}.{word}"), self.suffix, True)
        stem = self.path.name[: -len(self.suffix)]
        return Destination(self.path.with_name(f"{stem}.{word}{self.suffix}"), self.suffix, False)

    def check(self, names: Iterable[str], *, overwrite: bool) -> None:
        """Raise OutputError if writing the results of the pairs `names` is bound to fail; makes the folder."""
        if not self.is_folder:
            check_writable(self.path, overwrite)
            return
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise OutputError(f"{self.path}: expected a folder, found a file; give another name") from None
        except OSError as error:
            raise OutputError(f"{self.path}: the folder cannot be made: {error.strerror or error}") from error
        if not os.access(self.path, os.W_OK | os.X_OK):
            raise OutputError(f"{self.path}: the folder is not writable")
        for name in () if overwrite else names:
            if self.file(name).exists():
                raise OutputError(f"{self.file(name)}: already exists; use --overwrite to replace it")


def flow_destination(text: str, folder_suffix: str = ".flo") -> Destination:
    """Return where `-o text` puts flow: a file by its suffix, otherwise a folder of files with `folder_suffix`.

    Raises:
        UsageError: a suffix that is not in FORMATS.
        InputError: a format whose Python module is not installed.
    """
    if text == STREAM:
        return Destination(Path(text), ".flo", False)
    if _names_folder(text):
        row = find_format(f"flow{folder_suffix}")
        row.check_available()
        return Destination(Path(text), row.suffix, True)
    try:
        row = find_format(text)
    except InputError as error:
        # Of a file to be read it may be said that it is at fault; not of one to be made.
        raise UsageError(str(error)) from None
    row.check_available()
    return Destination(Path(text), row.suffix, False)


def picture_destination(text: str, folder_suffix: str = ".png") -> Destination:
    """Return where `-v text` puts pictures: an image or video file by its suffix, otherwise a folder of images.

    Raises:
        UsageError: an unknown suffix.
    """
    if text == STREAM:
        return Destination(Path(text), ".y4m", False)
    suffix = folder_suffix if _names_folder(text) else Path(text).suffix.lower()
    known = PICTURE_SUFFIXES if _names_folder(text) else (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES)
    if suffix not in known:
        hint = "; -o writes flow data" if suffix in FORMATS else ""
        raise UsageError(f"{text}: expected a picture or video ending in {' '.join(known)}, found '{suffix}'{hint}")
    return Destination(Path(text), suffix, _names_folder(text))


def _names_folder(text: str) -> bool:
    return text.endswith(("/", os.sep)) or Path(text).is_dir() or not Path(text).suffix
