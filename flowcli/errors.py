"""Every error that flowcli raises on purpose.

FlowcliError            the user can mend it; the command line prints its one line and exits with 1
|-- InputError          an input is missing, of the wrong shape or of a kind we do not take
|   `-- UsageError      the request itself is wrong, whatever the files hold; exits with 2, as an unknown option does
|-- FormatError         a file's bytes are not what its format says
|-- OutputError         the result cannot be written where it was asked for
|-- WeightsError        a checkpoint is missing, damaged or of another network
`-- EngineError         the device or a worker cannot do the work

Messages are one line: what was expected, what was found, what to do. Other exceptions are bugs and keep their
traceback.
"""

from __future__ import annotations

import unicodedata

_LONGEST, _TAIL = 1000, 200


class FlowcliError(Exception):
    """Base of all errors with a message for the user: one line, whatever a file or its name puts into it."""

    def __init__(self, message: object = "") -> None:
        super().__init__(_as_one_line(str(message)))


def _as_one_line(text: str) -> str:
    # Text from files is quoted in messages: it must not move the cursor, nor fill the screen. A byte of a name that is
    # no UTF-8 stays what it is, and is written as that byte.
    text = _shorten(text)
    if text.isprintable():
        return text
    visible = (c if _may_stand(c) else ascii(c)[1:-1] for c in text)
    return _shorten("".join(visible))


def _may_stand(character: str) -> bool:
    byte = "\udc80" <= character <= "\udcff"
    return byte or character.isprintable() or unicodedata.category(character) == "Zs"


def _shorten(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - _TAIL - 5]} ... {text[-_TAIL:]}"


class InputError(FlowcliError):
    """An input is missing, of the wrong shape or of a kind we do not take."""


class UsageError(InputError):
    """The request itself is wrong: an unknown suffix or name, a value out of range, options that exclude each other."""


class FormatError(FlowcliError):
    """A file's bytes are not what its format says."""


class OutputError(FlowcliError):
    """The result cannot be written where it was asked for."""


class WeightsError(FlowcliError):
    """A checkpoint is missing, damaged or of another network."""


class EngineError(FlowcliError):
    """The device or a worker cannot do the work."""
