import gc
from fractions import Fraction

import numpy as np
import pytest
from av.video.frame import VideoFrame

from flowcli.errors import FormatError, InputError
from flowcli.io.frames import Moment, Selection
from flowcli.io.sources import open_source
from flowcli.io.sources.video import VideoReader

CODECS = {
    "clip.m2ts": ["-g", "6", "-mpegts_m2ts_mode", "1"],
    "clip.mp4": ["-g", "6"],
    "clip.mkv": ["-g", "6"],
    "clip.ts": ["-g", "6"],
    "clip.avi": ["-c:v", "mpeg4", "-q:v", "3"],
    "clip.webm": ["-c:v", "libvpx-vp9", "-cpu-used", "8", "-g", "6"],
    "clip.h264": [],
}


@pytest.mark.parametrize("name", CODECS)
def test_every_frame_equals_that_of_another_decoder(make_video, moving_frames, decode, name):
    path = make_video(name, moving_frames(20), *CODECS[name])
    reader = VideoReader(path)
    assert reader.footage.length == 20
    assert reader.footage.fps == 25
    assert reader.footage.times is None
    frames = list(reader.read(0, None, 1))
    np.testing.assert_array_equal(frames, decode(path))
    # From any frame on, wherever the keyframes are.
    for first in (1, 5, 6, 13, 19):
        np.testing.assert_array_equal(list(reader.read(first, first + 2, 1)), frames[first : first + 2])
    np.testing.assert_array_equal(list(reader.read(4, 18, 5)), frames[4:18:5])


@pytest.mark.parametrize(
    "matrix",
    [
        ["-display_rotation", "90"],
        ["-display_rotation", "-90"],
        ["-display_rotation", "180"],
        ["-display_hflip"],
        ["-display_vflip", "-display_rotation", "90"],
    ],
)
def test_rotation_and_mirroring_are_applied(make_video, moving_frames, ffmpeg, tmp_path, matrix):
    plain = make_video("plain.mp4", moving_frames(4), "-vf", "setsar=4/3")
    turned = tmp_path / "turned.mp4"
    ffmpeg(*matrix, "-i", plain, "-c", "copy", turned)
    raw = ffmpeg("-i", turned, "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    reader = VideoReader(turned)
    quarter = "90" in matrix or "-90" in matrix
    assert reader.footage.size == ((64, 48) if quarter else (48, 64))
    assert reader.footage.aspect == (Fraction(3, 4) if quarter else Fraction(4, 3))
    expected = np.frombuffer(raw, np.uint8).reshape(4, *reader.footage.size, 3)
    np.testing.assert_array_equal(list(reader.read(0, None, 1)), expected)


def test_frames_are_freed_at_once_and_not_by_the_collector_of_cycles(make_video, moving_frames):
    reader = VideoReader(make_video("clip.mp4", moving_frames(40)))
    gc.collect()
    gc.disable()
    try:
        for _ in reader.read(0, None, 1):
            pass
        assert sum(type(thing) is VideoFrame for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()


def test_odd_sizes(make_video, moving_frames, decode):
    path = make_video("odd.mp4", moving_frames(3, 45, 63), "-pix_fmt", "yuv444p")
    frames = list(VideoReader(path).read(0, None, 1))
    assert frames[0].shape == (45, 63, 3)
    np.testing.assert_array_equal(frames, decode(path))


def test_variable_frame_rate_keeps_the_time_of_every_frame(make_video, moving_frames):
    # Frames 0 1 2 ... at 0, 1, 4, 9, 16 ... hundredths of a second.
    path = make_video(
        "vfr.mp4", moving_frames(10), "-vf", "settb=1/100,setpts=N*N", "-fps_mode", "passthrough", rate="100"
    )
    source = open_source([str(path)])
    assert source.count == 9
    pairs = list(source.pairs())
    assert [pair.time for pair in pairs] == [Fraction(k * k, 100) for k in range(9)]
    assert [pair.duration for pair in pairs] == [Fraction(2 * k + 1, 100) for k in range(9)]
    assert source.fps == pytest.approx(9 / 0.81, rel=1e-3)
    late = open_source([str(path)], selection=Selection(Moment(Fraction("0.2")), Moment(Fraction("0.6")), 2))
    assert [pair.name for pair in late.pairs()] == ["vfr_000005"]


@pytest.mark.parametrize("rate", ["30000/1001", "25/2", "24", "60"])
@pytest.mark.parametrize("container", ["mp4", "mkv"])
def test_frame_rates_are_exact_although_matroska_rounds_to_milliseconds(make_video, moving_frames, rate, container):
    reader = VideoReader(make_video(f"clip.{container}", moving_frames(12), rate=rate))
    assert reader.footage.times is None
    assert reader.footage.fps == Fraction(rate)


def test_sound_and_a_late_start_do_not_matter(make_video, moving_frames, ffmpeg, tmp_path):
    plain = make_video("plain.mp4", moving_frames(10))
    path = tmp_path / "sound.mkv"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=3", "-itsoffset", "1.5", "-i", plain, "-c:v", "copy", path)
    reader = VideoReader(path)
    assert reader.footage.length == len(list(reader.read(0, None, 1))) == 10


def test_one_frame_is_too_few(make_video, moving_frames):
    path = make_video("one.mp4", moving_frames(1))
    with pytest.raises(InputError, match="one: expected at least two frames, 1 of the 1 there are selected"):
        open_source([str(path)])


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.ts", "clip.avi"])
def test_a_truncated_video_gives_what_it_holds_and_says_so(make_video, name):
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    options = ["-movflags", "+faststart"] if name.endswith("mp4") else []
    path = make_video(name, noise, *CODECS[name], *options)
    whole = list(VideoReader(path).read(0, None, 1))
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    source = open_source([str(path)])
    pairs = []
    with pytest.raises(FormatError, match=r"clip.*(cut short|incomplete).*the frames before were used"):
        for pair in source.pairs():
            pairs.append(pair)
    assert 10 < len(pairs) < 30
    assert source.count is not None
    assert len(pairs) in (source.count, source.count - 1)
    for k, pair in enumerate(pairs):
        np.testing.assert_array_equal(pair.frame1, whole[k])


def test_the_part_before_the_damage_is_no_fault(make_video):
    noise = np.random.default_rng(0).integers(0, 256, (80, 48, 64, 3), np.uint8)
    path = make_video("clip.mkv", noise)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 3 // 4])
    source = open_source([str(path)], selection=Selection(end=Moment(10)))
    assert len(list(source.pairs())) == source.count == 9
    source = open_source([str(path)], selection=Selection(end=Moment(Fraction("0.4"))))
    assert len(list(source.pairs())) == source.count == 9


def test_without_its_index_an_mp4_cannot_be_opened(make_video, moving_frames):
    path = make_video("clip.mp4", moving_frames(10))
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(FormatError, match=r"clip\.mp4: expected an image or a video, FFmpeg says"):
        open_source([str(path)])


def test_frames_that_change_size_end_the_sequence(make_video, moving_frames, tmp_path):
    small = make_video("small.ts", moving_frames(10))
    large = make_video("large.ts", moving_frames(10, 96, 128), "-output_ts_offset", "0.4")
    path = tmp_path / "both.ts"
    path.write_bytes(small.read_bytes() + large.read_bytes())
    pairs = open_source([str(path)]).pairs()
    assert len([next(pairs) for _ in range(9)]) == 9
    with pytest.raises(InputError, match=r"frames of 64x48 as the first, found 128x96 at frame 10; use --end 10"):
        next(pairs)


@pytest.mark.parametrize("content", [b"", b"plain text\n" * 100, bytes(5000)])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.dat"])
def test_what_is_no_video(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError, match=rf"{name}: expected an image or a video"):
        open_source([str(path)])


def test_sound_alone_is_no_video(tmp_path, ffmpeg):
    path = tmp_path / "sound.wav"
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", path)
    with pytest.raises(FormatError, match="found no video stream"):
        open_source([str(path)])


def test_a_name_that_looks_like_a_protocol(make_video, moving_frames, tmp_path):
    path = make_video("clip.mp4", moving_frames(3)).rename(tmp_path / "concat:a|b.mp4")
    assert open_source([str(path)]).count == 2


def test_a_video_that_disappears_is_a_fault(make_video, moving_frames):
    path = make_video("clip.mp4", moving_frames(5))
    source = open_source([str(path)])
    path.unlink()
    with pytest.raises(InputError, match=r"clip\.mp4: no such file"):
        next(source.pairs())


def test_a_video_knows_its_rate(make_video, moving_frames):
    with pytest.raises(InputError, match="a video knows its frame rate"):
        open_source([str(make_video("clip.mp4", moving_frames(5)))], fps=Fraction(10))
