"""Patterns, lists and YUV4MPEG2 on stdin."""

import io
from fractions import Fraction

import numpy as np
import pytest

from flowcli.errors import FormatError, InputError, UsageError
from flowcli.io.file_lists import expand_pattern, is_pattern, read_list
from flowcli.io.frames import Selection
from flowcli.io.image import write_image
from flowcli.io.sources import open_source


@pytest.fixture
def folder(tmp_path, moving_frames):
    for k, frame in enumerate(moving_frames(4)):
        frame[0, 0] = k
        write_image(tmp_path / f"frame_{k + 8:03d}.png", frame)
    return tmp_path


def numbers(source):
    return [(int(pair.frame1[0, 0, 0]), int(pair.frame2[0, 0, 0])) for pair in source.pairs()]


@pytest.mark.parametrize("name", ["frame_%03d.png", "frame_###.png"])
def test_a_pattern_is_a_sequence(folder, name):
    source = open_source([str(folder / name)])
    assert numbers(source) == [(0, 1), (1, 2), (2, 3)]
    assert source.stem == folder.name and source.notes == ()
    (folder / "frame_009.png").unlink()
    assert "1 frame is missing by number" in open_source([str(folder / name)]).notes[0]


def test_which_names_fit_a_pattern(tmp_path):
    for name in ("a_1.png", "a_10.png", "a_010.png", "a_1000.png", "a_x.png", "b_1.png", "a_1.png.bak", "a_2.png"):
        (tmp_path / name).touch()
    assert [path.name for path in expand_pattern(f"{tmp_path}/a_%d.png")] == [
        "a_1.png",
        "a_2.png",
        "a_10.png",
        "a_1000.png",
    ]
    assert [path.name for path in expand_pattern(f"{tmp_path}/a_%03d.png")] == ["a_010.png", "a_1000.png"]
    with pytest.raises(InputError, match="no file has a name like this"):
        expand_pattern(f"{tmp_path}/c_%d.png")
    with pytest.raises(InputError, match="expected one number in the name"):
        expand_pattern(f"{tmp_path}/%d_%d.png")
    with pytest.raises(InputError, match="cannot be read"):
        expand_pattern(f"{tmp_path}/missing/%d.png")
    # A file that is really called so is that file.
    (tmp_path / "100%d.png").touch()
    assert not is_pattern(f"{tmp_path}/100%d.png")


def test_a_list_keeps_its_order(folder):
    (folder / "some.txt").write_text(
        "\ufeff# frames\nframe_010.png\n\nfile 'frame_008.png'\r\nframe_011.png\n", encoding="utf-8"
    )
    source = open_source([str(folder / "some.txt")])
    assert numbers(source) == [(2, 0), (0, 3)]
    assert source.stem == "some" and source.notes == () and not source.is_pair


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", InputError, "found none"),
        (b"# nothing\n", InputError, "found none"),
        (b"\xff\xfe\x00", FormatError, "one a line"),
        (b"\xff\xfe", FormatError, "in UTF-8"),
        (b"a\0b", FormatError, "one a line"),
        (b"file ''\n", FormatError, "expected a name after the word file"),
        (b"missing.png\nalso.png\n", InputError, "no such file"),
        (b"clip.mp4\nother.mp4\n", InputError, "expected an image"),
    ],
)
def test_lists_that_are_none(tmp_path, content, error, message):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(error, match=message):
        open_source([str(tmp_path / "a.txt")])


def test_a_list_beside_what_it_names(tmp_path):
    (tmp_path / "a.txt").write_text("sub/x.png\n/absolute/y.png\ns3://bucket/z.png\n")
    assert read_list(tmp_path / "a.txt") == [f"{tmp_path}/sub/x.png", "/absolute/y.png", "s3://bucket/z.png"]


class Pipe(io.RawIOBase):
    """Gives a few bytes at a time, as pipes do."""

    def __init__(self, data):
        self._data = io.BytesIO(data)

    def readable(self):
        return True

    def read(self, size=-1):
        return self._data.read(min(size, 1000) if size >= 0 else 1000)


def y4m(ffmpeg, frames, pixels="yuv444p", *options):
    height, width = frames.shape[1:3]
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "30000/1001", "-i", "-"]
    # FFmpeg has no tag of the matrix in this format; BT.601 is what is taken for small pictures.
    return ffmpeg(
        *source, "-pix_fmt", pixels, "-strict", "-1", *options, "-f", "yuv4mpegpipe", "-", data=frames.tobytes()
    )


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv422p", "yuv444p", "gray", "yuv420p10le"])
def test_y4m_on_stdin(ffmpeg, moving_frames, pixels):
    frames = moving_frames(5)
    source = open_source(["-"], stdin=Pipe(y4m(ffmpeg, frames, pixels)))
    assert (source.stem, source.size, source.fps) == ("stdin", (48, 64), Fraction(30000, 1001))
    pairs = list(source.pairs())
    assert [pair.name for pair in pairs] == [f"frame_{k:06d}" for k in range(4)]
    assert pairs[2].time == 2 * Fraction(1001, 30000)
    for pair, first in zip(pairs, frames, strict=False):
        expected = first if pixels != "gray" else np.repeat((first @ [0.299, 0.587, 0.114])[..., None], 3, axis=2)
        assert np.abs(pair.frame1 - expected.astype(float)).mean() < 4


def test_a_selection_of_y4m(ffmpeg, moving_frames):
    frames = moving_frames(7)
    from flowcli.io.frames import Moment

    source = open_source(["-"], stdin=Pipe(y4m(ffmpeg, frames)), selection=Selection(Moment(1), Moment(6), 2))
    assert [pair.name for pair in source.pairs()] == ["frame_000001", "frame_000003"]


def test_a_y4m_that_breaks_off_gives_the_frames_before(ffmpeg, moving_frames):
    data = y4m(ffmpeg, moving_frames(5))
    found = []
    with pytest.raises(FormatError, match="stdin: expected whole frames in YUV4MPEG2, the stream broke off"):
        for pair in open_source(["-"], stdin=Pipe(data[:-100])).pairs():
            found.append(pair)
    assert len(found) == 3


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"YUV4MPEG2 W60000 H60000 F25:1\nFRAME\n" + bytes(100), "at most 67108864 pixels"),
        (b"YUV4MPEG2 W0 H9 F25:1\nFRAME\n", "at least one pixel"),
        (b"YUV4MPEG2 W64\n", "expected width and height"),
        (b"YUV4MPEG2 " + b"X" * 9000, "expected a header"),
        (b"YUV4MPEG2 W64 H48 F25:1\n", "YUV4MPEG2"),
        (b"YUV4MPEG2 W64 H48 F25:1 Cnonsense\nFRAME\n" + bytes(9000), "YUV4MPEG2"),
        (b"YUV4MPEG2 W64 H48 F25:1\nFRAMX\n" + bytes(9000), "YUV4MPEG2"),
    ],
)
def test_a_y4m_that_is_none(data, message):
    with pytest.raises(FormatError, match=message):
        list(open_source(["-"], stdin=Pipe(data)).pairs())


def test_what_y4m_says_itself(ffmpeg, moving_frames):
    data = y4m(ffmpeg, moving_frames(2))
    with pytest.raises(UsageError, match="knows its frame rate"):
        open_source(["-"], stdin=Pipe(data), fps=Fraction(10))
    with pytest.raises(UsageError, match="say their size with --size"):
        open_source(["-"], stdin=Pipe(b"\1\2\3" * 1000))
