"""Writing one clip, and joining it from parts: a file appears under its name when it is complete."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import OutputError
from flowcli.io.atomic import replace_when_complete, write_bytes
from flowcli.io.flow.clips.clip import ClipFacts, ClipFormat, ClipWriter
from flowcli.io.flow.clips.npy import NpyClip


class ClipFile(AbstractContextManager["ClipFile"]):
    """One array being written.

    Args:
        path: of the result.
        row: of CLIP_FORMATS.
        is_segment: whether it is a part to be joined with others, which is always an .npy without anything beside it.

    Every method raises OutputError.
    """

    def __init__(self, path: Path, row: ClipFormat, *, is_segment: bool = False) -> None:
        self._path, self._row, self._is_segment = path, row, is_segment
        self._stack = ExitStack()
        self._facts: ClipFacts | None = None
        self._writer: ClipWriter | None = None

    def __enter__(self) -> ClipFile:
        is_folder = self._row.is_folder and not self._is_segment
        temporary = self._stack.enter_context(replace_when_complete(self._path, is_folder=is_folder))
        try:
            self._writer = NpyClip(temporary) if self._is_segment else self._row.writer(temporary)
        except OSError as error:
            self._stack.close()
            raise self._refused(error) from error
        return self

    def append(self, flow: NDArray[np.floating], facts: ClipFacts) -> None:
        """Add one flow; `facts` are those of all so far."""
        assert self._writer is not None
        self._facts = facts
        try:
            self._writer.append(flow)
        except OSError as error:
            raise self._refused(error) from error

    def __exit__(self, *error: object) -> bool | None:
        """Complete the file, or drop it after an exception."""
        assert self._writer is not None
        if error[0] is None and self._facts is not None:
            try:
                self._writer.close(self._facts)
                self._write_sidecar(self._facts)
            except OSError as fault:
                self._stack.__exit__(type(fault), fault, None)
                raise self._refused(fault) from fault
        else:
            self._writer.abandon()
        return self._stack.__exit__(*error)  # pyright: ignore[reportArgumentType]

    def _write_sidecar(self, facts: ClipFacts) -> None:
        if self._row.sidecar is not None and not self._is_segment:
            text = json.dumps(facts.attributes(), indent=2) + "\n"
            write_bytes(self._path.with_suffix(self._row.sidecar), text.encode())

    def _refused(self, error: OSError) -> OutputError:
        return OutputError(f"{self._path}: cannot be written: {error.strerror or error}")


def join_clips(segments: Iterable[Path], path: Path, row: ClipFormat, facts: ClipFacts) -> None:
    """Write the segments one after the other into the clip `path`.

    Args:
        segments: files of a ClipFile that is a segment, all of one size, layout and dtype.
        path: the clip.
        row: of CLIP_FORMATS.
        facts: of the whole clip.

    Raises:
        OutputError: a segment is gone or damaged, or the clip cannot be written.
    """
    with ClipFile(path, row) as clip:
        for segment in segments:
            try:
                flows = np.load(segment, mmap_mode="r", allow_pickle=False)
            except (OSError, ValueError) as error:
                raise OutputError(f"{path}: its segments cannot be joined: {error}") from error
            for flow in flows:
                clip.append(flow, facts)
