"""Standard streams that may be closed, full, or unable to hold a name: the work is done, and the exit code is right."""

from __future__ import annotations

import codecs
import io
import os
import sys
from contextlib import suppress

from flowcli.errors import OutputError

# The bytes of a file name that are no text, as Python keeps them.
_FIRST_ESCAPE, _LAST_ESCAPE = 0xDC80, 0xDCFF
_HANDLER = "flowcli-names"
# 128 + SIGPIPE, as a shell says it.
_READER_GONE = 141


class _Patient(io.TextIOWrapper):
    """A stderr that may be full: messages are lost then, and nothing else."""

    def write(self, text: str) -> int:
        """Write as far as that is possible."""
        with suppress(OSError):
            return super().write(text)
        return len(text)

    def flush(self) -> None:
        """Flush as far as that is possible."""
        with suppress(OSError):
            super().flush()


class StandardOutput:
    """Whether everything could be written.

    Attributes:
        fault: what the system said when it could not, or None.
    """

    fault: OSError | None = None


def prepare_streams() -> None:
    """Put something in the place of closed streams, and let stdout and stderr hold any name.

    A name is written as it is: bytes that are no text as these bytes, characters that the encoding lacks as escapes.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # Otherwise the next file that is opened takes its place, and gets what is meant for a terminal.
            os.open(os.devnull, os.O_RDWR)
    sys.stdin = sys.stdin or _open_nothing("r")
    sys.stdout = sys.stdout or _open_nothing("w")
    sys.stderr = sys.stderr or _open_nothing("w")
    codecs.register_error(_HANDLER, _escape)
    if sys.stderr is sys.__stderr__ and isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr = _Patient(sys.stderr.buffer, sys.stderr.encoding, line_buffering=True)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_HANDLER)


def write_stdout(text: str) -> None:
    """Write to stdout at once. A full disk does not end the work: `flush_stdout` tells of it at the end.

    Raises:
        SystemExit: the reader has gone (`flowcli ... | head`): the exit code of a SIGPIPE death, without its noise.
    """
    if StandardOutput.fault is not None:
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)


def write_binary(data: bytes) -> None:
    """Write bytes to stdout at once, all of them.

    Raises:
        OutputError: they cannot be written.
        SystemExit: the reader has gone, as `write_stdout`.
    """
    try:
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    except OSError as error:
        discard_stdout()
        if isinstance(error, BrokenPipeError):
            raise SystemExit(_READER_GONE) from error
        raise OutputError(f"standard output: cannot be written: {error.strerror or error}") from error


def flush_stdout() -> OSError | None:
    """Write what is left, and return what the system said if not everything could be written.

    Raises:
        SystemExit: the reader has gone.
    """
    try:
        sys.stdout.flush()
    except OSError as error:
        _give_up(error)
    fault, StandardOutput.fault = StandardOutput.fault, None
    return fault


def discard_stdout() -> None:
    """Let what is left in the buffers go nowhere, so that Python does not complain at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _give_up(error: OSError) -> None:
    discard_stdout()
    if isinstance(error, BrokenPipeError):
        raise SystemExit(_READER_GONE) from error
    StandardOutput.fault = error


def _open_nothing(mode: str) -> io.TextIOWrapper:
    stream = open(os.devnull, mode, encoding="utf-8")  # noqa: PTH123, SIM115 - lives as long as the program
    assert isinstance(stream, io.TextIOWrapper)
    return stream


def _escape(error: UnicodeError) -> tuple[bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    escaped = b""
    for character in error.object[error.start : error.end]:
        code = ord(character)
        if _FIRST_ESCAPE <= code <= _LAST_ESCAPE:
            escaped += bytes([code - 0xDC00])
        else:
            escaped += character.encode("ascii", "backslashreplace")
    return escaped, error.end
