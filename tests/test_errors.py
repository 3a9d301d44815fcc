"""What any message to the user keeps to, whoever raises it."""

import os
import pickle

import pytest

from flowcli import errors
from flowcli.errors import FlowcliError


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.png: expected 1, found 2", "a.png: expected 1, found 2"),
        ("光流 поток é\u3000.flo", "光流 поток é\u3000.flo"),
        ("two\nlines\r\x1b[2J\0\x85\u2028", r"two\nlines\r\x1b[2J\x00\x85\u2028"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("half a character: \ud800", r"half a character: \ud800"),
    ],
    ids=["plain", "letters", "ends of lines", "direction", "half a character"],
)
def test_messages_are_one_line_that_every_terminal_takes(text: str, message: str) -> None:
    for kind in (FlowcliError, errors.FormatError, errors.UsageError):
        error = kind(text)
        assert str(error) == message
        assert str(pickle.loads(pickle.dumps(error))) == message
        message.encode("utf-8")


def test_a_byte_of_a_name_that_is_no_utf8_stays_that_byte() -> None:
    assert os.fsencode(str(FlowcliError(os.fsdecode(b"caf\xe9.png: no such file")))) == b"caf\xe9.png: no such file"


@pytest.mark.parametrize("content", ["x" * 200_000, "x" + "\0" * 900 + "x"])
def test_messages_do_not_fill_the_screen(content: str) -> None:
    message = str(FlowcliError(f"a.csv: found {content}; do this"))
    assert len(message) == 1000
    assert message.startswith("a.csv: found x")
    assert message.endswith("x; do this")
