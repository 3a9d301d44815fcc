import resource
from contextlib import contextmanager
from fractions import Fraction

import cv2
import numpy as np
import pytest

from flowcli.errors import OutputError
from flowcli.io.sources.video import VideoReader
from flowcli.io.video.formats import VIDEO_FORMATS
from flowcli.io.video.write import VideoSink

RATE = Fraction(25, 2)


def smooth_pictures(count, height, width):
    """Flow-like pictures: smooth hues, which half-resolution chroma keeps."""
    y, x = np.mgrid[:height, :width]
    waves = [
        np.stack((x / width, y / height, (x + y) / (width + height)), -1) * 160 + 40 + 30 * np.sin(k / 5)
        for k in range(count)
    ]
    return [wave.astype(np.uint8) for wave in waves]


def write(path, pictures, *, times=None, fps=RATE, aspect=Fraction(1)):
    times = times or [k / fps for k in range(len(pictures) + 1)]
    with VideoSink(path, fps=fps, aspect=aspect, comment="flowcli test, scale 12 px") as sink:
        for picture, begin, end in zip(pictures, times, times[1:], strict=False):
            sink.write("unused", picture, begin, end - begin)


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
@pytest.mark.parametrize("size", [(48, 64), (45, 63)])
def test_another_decoder_finds_count_rate_size_and_colours(tmp_path, decode, probe, suffix, size):
    path = tmp_path / f"out{suffix}"
    pictures = smooth_pictures(20, *size)
    write(path, pictures)
    height, width = size
    even = (height + height % 2, width + width % 2) if suffix in (".mp4", ".mov") else size
    info = probe(path)
    assert (info["height"], info["width"]) == even
    assert info["rate"] == 12.5
    assert info["duration"] == pytest.approx(20 / 12.5, abs=0.011)
    assert "flowcli test, scale 12 px" in info["comment"]
    frames = decode(path)
    assert len(frames) == 20
    for frame, picture in zip(frames, pictures, strict=True):
        error = np.abs(frame[:height, :width].astype(int) - picture)
        assert error.mean() < (8 if suffix == ".gif" else 3)
        # No shift of the hue anywhere: what is left after a blur is the coding of the colours themselves.
        blurred = [cv2.GaussianBlur(image, (0, 0), 3).astype(int) for image in (frame[:height, :width], picture)]
        assert np.abs(blurred[0] - blurred[1]).mean() < 2


def test_what_players_need(tmp_path, probe):
    for suffix, codec in ((".mp4", "h264"), (".webm", "vp9")):
        write(tmp_path / f"out{suffix}", smooth_pictures(3, 48, 64))
        assert probe(tmp_path / f"out{suffix}")["codec"] == codec
        assert probe(tmp_path / f"out{suffix}")["pixels"] == "yuv420p"
    data = (tmp_path / "out.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_what_editors_need(tmp_path, probe, decode):
    pictures = [np.random.default_rng(k).integers(0, 256, (45, 63, 3), np.uint8) for k in range(3)]
    write(tmp_path / "out.mkv", pictures)
    info = probe(tmp_path / "out.mkv")
    assert (info["codec"], info["pixels"]) == ("ffv1", "bgr0")
    np.testing.assert_array_equal(decode(tmp_path / "out.mkv"), pictures)
    smooth = smooth_pictures(3, 48, 64)
    write(tmp_path / "out.mov", smooth)
    info = probe(tmp_path / "out.mov")
    assert (info["codec"], info["pixels"]) == ("prores", "yuv422p10le")
    assert b"apch" in (tmp_path / "out.mov").read_bytes()  # 422 HQ
    assert np.abs(decode(tmp_path / "out.mov").astype(int) - smooth).mean() < 2


def test_the_padding_of_odd_sizes_repeats_the_edge(tmp_path, decode):
    path = tmp_path / "out.mp4"
    write(path, smooth_pictures(2, 45, 63))
    frame = decode(path)[0].astype(int)
    assert np.abs(frame[45] - frame[44]).mean() < 4
    assert np.abs(frame[:, 63] - frame[:, 62]).mean() < 4


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
def test_variable_times_are_kept(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    times = [Fraction(time, 100) for time in (0, 4, 12, 24, 40, 60, 84)]
    write(path, smooth_pictures(6, 48, 64), times=times, fps=Fraction(10))
    found = VideoReader(path).footage.times
    assert found is not None
    assert [float(time) for time in found] == pytest.approx([float(time) for time in times[:-1]], abs=0.002)


def test_a_gif_never_runs_faster_than_browsers_show_it(tmp_path, decode, probe):
    path = tmp_path / "out.gif"
    write(path, smooth_pictures(60, 32, 32), fps=Fraction(60))
    assert probe(path)["rate"] <= 50
    assert probe(path)["duration"] == pytest.approx(1, abs=0.03)
    assert 40 <= len(decode(path)) <= 50


def test_equal_pictures_stay_equal_in_a_gif(tmp_path, decode):
    path = tmp_path / "out.gif"
    write(path, smooth_pictures(1, 48, 64) * 5)
    frames = decode(path)
    assert (frames == frames[0]).all()


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
def test_the_same_pictures_make_the_same_bytes(tmp_path, suffix):
    # Several times: an encoder that reads memory it never wrote differs once in six.
    contents = set()
    for _ in range(2 if suffix == ".gif" else 20):
        write(tmp_path / f"out{suffix}", smooth_pictures(8, 48, 64))
        contents.add((tmp_path / f"out{suffix}").read_bytes())
    assert len(contents) == 1


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
def test_one_pixel(tmp_path, decode, suffix):
    path = tmp_path / f"out{suffix}"
    write(path, [np.full((1, 1, 3), (200, 100, 50), np.uint8)] * 2)
    np.testing.assert_allclose(decode(path)[0][0, 0], (200, 100, 50), atol=4)


def test_pixels_that_are_not_square_stay_so(tmp_path):
    path = tmp_path / "out.mp4"
    write(path, smooth_pictures(2, 48, 64), aspect=Fraction(16, 11))
    assert VideoReader(path).footage.aspect == Fraction(16, 11)


def test_an_exception_leaves_no_file_and_what_was_there(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"before")
    with (
        pytest.raises(RuntimeError, match="stop"),
        VideoSink(path, fps=RATE, aspect=Fraction(1), comment="") as sink,
    ):
        sink.write("unused", smooth_pictures(1, 48, 64)[0], Fraction(0), 1 / RATE)
        raise RuntimeError("stop")
    assert [p.name for p in tmp_path.iterdir()] == ["out.mp4"]
    assert path.read_bytes() == b"before"


def test_a_folder_that_is_removed_meanwhile_is_an_output_error(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with (
        pytest.raises(OutputError, match=r"out\.mp4: cannot be written"),
        VideoSink(folder / "out.mp4", fps=RATE, aspect=Fraction(1), comment="") as sink,
    ):
        sink.write("unused", smooth_pictures(1, 48, 64)[0], Fraction(0), 1 / RATE)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    assert not folder.exists()


@contextmanager
def files_no_larger_than(size):
    """What the kernel does to a full disk, for this process: writing beyond `size` bytes of a file fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("suffix", VIDEO_FORMATS)
@pytest.mark.parametrize("size", [0, 700, 2000])
def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path, suffix, size):
    noise = np.random.default_rng(0).integers(0, 256, (6, 64, 64, 3), np.uint8)
    with (
        pytest.raises(OutputError, match=rf"out{suffix}: cannot be written: File too large"),
        files_no_larger_than(size),
    ):
        write(tmp_path / f"out{suffix}", noise)
    assert list(tmp_path.iterdir()) == []


def test_without_pictures_there_is_no_file(tmp_path):
    write(tmp_path / "out.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="cannot be written: No such file"):
        write(tmp_path / "nowhere" / "out.mp4", smooth_pictures(1, 48, 64))
