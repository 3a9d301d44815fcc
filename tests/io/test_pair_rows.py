"""Rows of a list of pairs, as they arrive."""

import io
import os
from pathlib import Path

import pytest

from flowcli.errors import FormatError
from flowcli.io.pair_rows import BadRow, PairRow, read_lines, read_pair_rows


class Pieces:
    """A stream that gives so many bytes at a time, as a pipe may."""

    def __init__(self, data, size):
        self.stream, self.size = io.BytesIO(data), size

    def read(self, size):
        return self.stream.read(min(size, self.size))


def rows(text, **options):
    stream = io.BytesIO(text if isinstance(text, bytes) else text.encode())
    return list(read_pair_rows(stream, "list", options.get("folder", Path("in"))))


def test_names_and_paths():
    text = "dataset,name,frame1,frame2,more\ns,a,x/0.png,/y/1.png,?\n,b/./c,0.png, 1.png\n,,d/e.jpg,f.jpg\n"
    assert rows(text) == [
        PairRow(2, "s/a", Path("in/x/0.png"), Path("/y/1.png")),
        PairRow(3, "b/c", Path("in/0.png"), Path("in/1.png")),
        PairRow(4, "e", Path("in/d/e.jpg"), Path("in/f.jpg")),
    ]


@pytest.mark.parametrize("name", ["../x", "/x", "x/../../y", ".", ".flowcli/x"])
def test_a_bad_row_is_its_own_fault(name):
    bad, good = rows(f"name,frame1,frame2\n{name},0.png,1.png\nok,0.png,1.png\n")
    assert bad == BadRow(2, f"expected a plain name in line 2, got {name}")
    assert good == PairRow(3, "ok", Path("in/0.png"), Path("in/1.png"))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_they_do_everywhere_in_pieces_of_any_size(size, end):
    data = ("\ufeffnämé" + end + "second" + end + end + "last").encode()
    assert list(read_lines(Pieces(data, size), "list")) == [f"nämé{end}", f"second{end}", end, "last"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "got no header"),
        ("frame1,frame\na,b\n", "got frame1,frame$"),
        (b"frame1,frame2\n\xff\n", "UTF-8"),
        ("frame1,frame2\na,b\0\n", "got a zero byte in line 2"),
        ("frame1,frame2\n" + "x" * 70000, "got more than 65536 letters in line 2"),
        ("frame1,frame2\n" + "x" * 70000 + "\n", "got more than 65536 letters in line 2"),
        ('frame1,frame2\n"a"b,c\n', "expected a UTF-8 CSV"),
    ],
)
def test_what_is_no_list(text, expected):
    with pytest.raises(FormatError, match=expected):
        rows(text)


def test_a_row_is_there_before_the_next_one_is_written():
    ends = os.pipe()
    with os.fdopen(ends[0], "rb", buffering=0) as stream, os.fdopen(ends[1], "wb", buffering=0) as writer:
        reading = read_pair_rows(stream, "list", Path())
        writer.write(b"frame1,frame2\na,b\n")
        assert next(reading) == PairRow(2, "a", Path("a"), Path("b"))
        writer.write(b"c,d\ne,")
        assert next(reading) == PairRow(3, "c", Path("c"), Path("d"))
        writer.close()
        assert next(reading).line == 4
