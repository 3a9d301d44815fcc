"""What this program makes itself, and must not take for input: told by name, by a journal or by a mark inside."""

from __future__ import annotations

import glob
import re
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePath

from flowcli.io.png_mark import is_marked_png
from flowcli.io.video.mark import is_marked_video

# In an output folder: the journal, the lock and what is unfinished.
STATE_FOLDER = ".flowcli"
# NAME.flow.png, NAME.backward.flo, NAME.flow.backward.mp4, NAME.occlusion.png, NAME.confidence.png; folders without
# the last suffix.
_ENDINGS = frozenset({".flow", ".backward", ".occlusion", ".confidence"})


# A flow of `flowcli.io.flow.exr`: after each name its type, a flag, three reserved bytes and two samplings.
_EXR_FLOW = re.compile(rb"\x76\x2f\x31\x01.*\0channels\0chlist\0.{4}u\0.{16}v\0.{16}\0", re.DOTALL)
_START = 4096


def is_result_file(path: Path) -> bool:
    """Return whether a file is called as the pictures and videos of flow are that this program makes."""
    return PurePath(path.stem).suffix in _ENDINGS


def is_result_folder(path: Path) -> bool:
    """Return whether a folder is called as those for results are, or has a journal of results in it."""
    return path.suffix in _ENDINGS or any((path / STATE_FOLDER).glob("journal*.jsonl"))


def is_marked(path: Path) -> bool:
    """Return whether a file says by its content that this program made it, whatever it is called.

    Pictures and KITTI flow in PNG, videos, and EXR files with the channels of flow do; an unreadable file does not.
    """
    try:
        with path.open("rb") as stream:
            start = stream.read(_START)
            if is_marked_png(start) or _EXR_FLOW.search(start):
                return True
            stream.seek(0)
            return is_marked_video(stream)
    except OSError:
        return False


def leave_out_results(paths: Sequence[Path]) -> list[Path]:
    """Return the paths that are no results; all of them if they all are, for then they are meant.

    Results are told by their names, and among files of several kinds, such as 001.png beside 001.jpg, by the mark too:
    looking into every file of a folder that holds frames of one kind would cost more than it finds.
    """
    mixed = len({path.suffix.lower() for path in paths}) > 1
    return [path for path in paths if not (is_result_file(path) or (mixed and is_marked(path)))] or list(paths)


def describe_left_out(inputs: Iterable[str]) -> str | None:
    """Return a line that says which results `open_source` leaves out of these folders and globs, or None."""
    from flowcli.io.image import IMAGE_SUFFIXES

    found: list[Path] = []
    for text in inputs:
        path = Path(text)
        if path.is_dir():
            found += [one for one in path.iterdir() if not one.name.startswith(".")]
        elif not path.exists() and any(mark in text for mark in "*?["):
            found += [Path(one) for one in glob.glob(text, recursive=True)]  # noqa: PTH207
    pictures = [path for path in found if path.suffix.lower() in IMAGE_SUFFIXES]
    results = sorted(set(pictures).difference(leave_out_results(pictures)))
    if not results:
        return None
    return f"left out as results of flowcli: {results[0]}{f' and {len(results) - 1} more' if len(results) > 1 else ''}"
