"""Where results go: one file, a folder with one file per pair, or a video; and the checks before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from flowcli.errors import InputError, OutputError, UsageError
from flowcli.io.atomic import check_writable
from flowcli.io.flow import FORMATS, find_format, two_stream
from flowcli.io.flow.clips import CLIP_FORMATS, ClipFormat, find_clip_format
from flowcli.io.flow.two_stream import name_two_stream
from flowcli.io.image import PICTURE_SUFFIXES
from flowcli.io.names import LONGEST_NAME, shorten_name
from flowcli.io.sources import PairName
from flowcli.io.video.formats import VIDEO_FORMATS

VIDEO_SUFFIXES = tuple(VIDEO_FORMATS)
# What standard output is called.
STREAM = "-"
# Of the motion statistics of one clip: one line of JSON per pair.
ROWS_SUFFIX = ".stats.jsonl"


class Form(Enum):
    """What a destination is besides a file, a folder or a video."""

    PLAIN = "by its suffix"
    CLIP = "one array for all pairs"
    SEGMENT = "a part of such an array"
    TWO_STREAM = "two grey pictures for each pair"
    TWO_STREAM_BACKWARD = "the same for the flow from frame 2 to frame 1"


@dataclass(frozen=True)
class Destination:
    """One output as the user named it.

    Attributes:
        path: the file, or the folder of files.
        suffix: of the file, or of each file in the folder; lower case, with its dot.
        is_folder: whether `path` is a folder with files for each pair.
        form: more about it.
    """

    path: Path
    suffix: str
    is_folder: bool
    form: Form = Form.PLAIN

    @property
    def is_video(self) -> bool:
        """Whether all pairs go into one video file."""
        return not self.is_folder and self.suffix in VIDEO_SUFFIXES

    @property
    def is_clip(self) -> bool:
        """Whether all pairs go into one array."""
        return self.form in (Form.CLIP, Form.SEGMENT)

    @property
    def is_stream(self) -> bool:
        """Whether it is standard output."""
        return str(self.path) == STREAM and not self.is_folder

    @property
    def is_joined(self) -> bool:
        """Whether all pairs go into one file, which can be put together from files of some of them each."""
        return self.is_video or self.is_clip or self.suffix == ROWS_SUFFIX

    @property
    def clip_format(self) -> ClipFormat:
        """The row of CLIP_FORMATS of a clip; a segment of one is an .npy, whatever it will be part of."""
        row = find_clip_format(self.suffix)
        assert row is not None and self.is_clip
        return row

    def files(self, name: str) -> list[Path]:
        """Return the paths of everything that is written for the pair `name`."""
        if self.form is Form.CLIP:
            return self.clip_format.files(self.path)
        if self.form in (Form.TWO_STREAM, Form.TWO_STREAM_BACKWARD):
            pair = name if isinstance(name, PairName) else PairName(name)
            backward = self.form is Form.TWO_STREAM_BACKWARD
            return name_two_stream(self.path, pair.frame, pair.step, backward=backward)
        return [self.file(name)]

    def file(self, name: str) -> Path:
        """Return the path for the result of the pair `name`, of which there is one."""
        if not self.is_folder:
            return self.path
        return self.path / f"{shorten_name(name, LONGEST_NAME - len(self.suffix))}{self.suffix}"

    def variant(self, word: str) -> Destination:
        """Return the destination next to this one with `.word` in its name."""
        if self.is_folder:
            form = Form.TWO_STREAM_BACKWARD if self.form is Form.TWO_STREAM else self.form
            return Destination(self.path.with_name(f"{self.path.name}.{word}"), self.suffix, True, form)
        stem = self.path.name[: -len(self.suffix)]
        return Destination(self.path.with_name(f"{stem}.{word}{self.suffix}"), self.suffix, False, self.form)

    def check(self, names: Iterable[str], *, overwrite: bool) -> None:
        """Raise OutputError if writing the results of the pairs `names` is bound to fail; makes the folder."""
        if not self.is_folder:
            for path in self.files(""):
                is_folder = self.form is Form.CLIP and self.clip_format.is_folder
                check_writable(path, overwrite, is_folder=is_folder)
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
            for path in self.files(name):
                if path.exists():
                    raise OutputError(f"{path}: already exists; use --overwrite to replace it")


def flow_destination(text: str, kind: str = ".flo", *, is_pair: bool = True) -> Destination:
    """Return where `-o text` puts flow: a file by its suffix, otherwise a folder of files.

    Args:
        text: as typed.
        kind: what `find_kind` returns, for the files in a folder.
        is_pair: whether there is one flow and no clip, so that an .npy is one.

    Raises:
        UsageError: a suffix that is not in FORMATS, or a folder for what is one file.
        InputError: a format whose Python module is not installed.
    """
    if text == STREAM:
        return Destination(Path(text), ".flo", False)
    clip = find_clip_format(Path(text).suffix)
    if clip is not None and _names_clip(text, clip, is_pair=is_pair):
        clip.check_available()
        return Destination(Path(text), clip.suffix, False, Form.CLIP)
    if _names_folder(text):
        if kind in CLIP_FORMATS:
            suffix = CLIP_FORMATS[kind].suffix
            raise UsageError(
                f"{text}: --format {kind} is one file for all; name it, such as {text.rstrip('/')}{suffix}"
            )
        if kind == two_stream.NAME:
            return Destination(Path(text), two_stream.SUFFIX, True, Form.TWO_STREAM)
        row = find_format(f"flow{kind}")
        row.check_available()
        return Destination(Path(text), row.suffix, True)
    try:
        row = find_format(text)
    except InputError as error:
        # Of a file to be read it may be said that it is at fault; not of one to be made.
        raise UsageError(str(error)) from None
    row.check_available()
    return Destination(Path(text), row.suffix, False)


def _names_clip(text: str, clip: ClipFormat, *, is_pair: bool) -> bool:
    if text.endswith(("/", os.sep)) or (is_pair and clip.suffix in FORMATS):
        return False
    return clip.is_folder or not Path(text).is_dir()


def place_flow(folder: Path, stem: str, kind: str, *, is_pair: bool) -> Destination:
    """Return where a batch puts the flow of the item `stem`: one file, or a folder of files.

    Args:
        folder: for the results.
        stem: a relative path.
        kind: what `find_kind` returns.
        is_pair: whether the item is one pair.
    """
    if kind in CLIP_FORMATS:
        suffix = CLIP_FORMATS[kind].suffix
        return Destination(folder / f"{stem}{suffix}", suffix, False, Form.CLIP)
    if kind == two_stream.NAME:
        return Destination(folder / stem, two_stream.SUFFIX, True, Form.TWO_STREAM)
    if is_pair:
        return Destination(folder / f"{stem}{kind}", kind, False)
    return Destination(folder / stem, kind, True)


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
