"""The end of an attempt: what was staged takes its names, what it replaces goes, and so does unfinished work."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

from flowcli.errors import OutputError
from flowcli.io.atomic import replace_when_complete
from flowcli.jobs.attempt import Attempt, FileMark, Files, place_work
from flowcli.jobs.journal import Journal
from flowcli.output.plan import Output


def name_finally(files: Files, output: Output, folder: Path) -> Files:
    """Return the files of a staged attempt under the paths that they will have."""
    place = output.destination.path
    final = place if output.destination.is_folder else place.parent
    return {(final / Path(path).name).relative_to(folder).as_posix(): mark for path, mark in files.items()}


def finish_attempt(
    journal: Journal, item: str, output: Output, attempt: Attempt, folder: Path, ending: tuple[int, Files, str | None]
) -> None:
    """Note that an attempt is complete; a staged one takes its names, whatever had them before goes.

    Args:
        journal: of the folder.
        item: name of the item.
        output: what is complete.
        attempt: at it.
        folder: for the results.
        ending: the pairs, the files beyond those of the parts (of a staged attempt all, under their final names), and
            why it is not complete.

    Raises:
        OutputError: the files cannot be moved; the next run will try again.
    """
    pairs, files, fault = ending
    if attempt.staged:
        if not attempt.moving:
            journal.move(item, output.kind, attempt, pairs, files, fault)
        work = _work(folder, item, output, attempt)
        for path in files:
            _move(work / Path(path).name, folder / path)
        for other in journal.attempts(item, output.kind).values():
            if other.mark != attempt.mark:
                _remove_unchanged(folder, {path: mark for path, mark in other.files.items() if path not in files})
    journal.end(item, output.kind, attempt, pairs, files, fault)
    remove_work(folder, item, output.kind)


def remove_work(folder: Path, item: str, kind: str, mark: str = "*") -> None:
    """Remove the unfinished work on an output: that of one attempt, or of all."""
    begin = place_work(folder, item, kind)
    for path in begin.parent.glob(f"{begin.name}-{mark}"):
        shutil.rmtree(path, ignore_errors=True)


def remove_files(paths: Iterable[Path]) -> None:
    """Remove files, as far as they are there; raises OutputError."""
    for path in list(paths):
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(f"{path}: cannot be removed: {error.strerror or error}") from error


def _work(folder: Path, item: str, output: Output, attempt: Attempt) -> Path:
    begin = place_work(folder, item, output.kind)
    return begin.with_name(f"{begin.name}-{attempt.mark}")


def _move(source: Path, final: Path) -> None:
    # A link at the final path keeps pointing where it did; its target is replaced.
    target = Path(os.path.realpath(final))
    try:
        if not source.exists():
            # Moved before the program was killed; if it is gone, the next run will notice.
            return
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            # An array in a folder of its own; a folder does not take the place of another by itself.
            remove_files([target])
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise OutputError(f"{final}: cannot be written: {error.strerror or error}") from error
        with replace_when_complete(target, is_folder=source.is_dir()) as temporary:
            if source.is_dir():
                shutil.copytree(source, temporary)
            else:
                shutil.copyfile(source, temporary)
                shutil.copystat(source, temporary)
        remove_files([source])


def _remove_unchanged(folder: Path, files: Files) -> None:
    # Files of the result before that the new one lacks; those that somebody has changed are not ours to remove.
    remove_files(folder / path for path, mark in files.items() if mark.same(FileMark.of(folder / path)))
