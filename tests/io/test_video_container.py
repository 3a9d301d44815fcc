"""Headers that say what is not so, or nothing that can be understood."""

import struct
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from video_faults import X264, decode_with_ffmpeg, encode, pictures, run

from flowcli.errors import FormatError
from flowcli.io.frames import Selection
from flowcli.io.sources import open_source
from flowcli.io.sources.open import expect_pairs
from flowcli.io.sources.video import VideoReader
from flowcli.io.video.join import join_videos
from flowcli.io.video.write import VideoSink


def replace_bytes(path, old, new):
    data = path.read_bytes()
    assert len(old) == len(new)
    assert old in data
    path.write_bytes(data.replace(old, new))


@pytest.mark.parametrize("suffix", ["mkv", "avi", "mp4", "flv", "nut", "mov"])
def test_tags_in_any_encoding(tmp_path, suffix):
    path = encode(tmp_path / f"clip.{suffix}", (*X264, "-metadata", "title=caf_"))
    expected = decode_with_ffmpeg(path)
    replace_bytes(path, b"caf_", b"caf\xe9")
    np.testing.assert_array_equal(list(VideoReader(path).read(0, None, 1)), expected)


def test_tags_of_a_stream_and_of_a_picture_in_any_encoding(tmp_path):
    path = encode(tmp_path / "clip.mkv", (*X264, "-metadata:s:v", "title=caf_", "-metadata:s:v", "language=xyz"))
    replace_bytes(path, b"caf_", b"\xff\xfe\xe9\x80")
    replace_bytes(path, b"xyz", b"\xff\xfe\xfd")
    assert VideoReader(path).footage.length == 40


def test_a_comment_that_cannot_be_encoded_is_written_all_the_same(tmp_path):
    # The name of a model is a file's, and those are bytes, too.
    frames, segments = pictures(4), []
    comment = "model caf\udce9"
    for k in range(2):
        path = tmp_path / f"{k}.mp4"
        with VideoSink(path, fps=Fraction(25), aspect=Fraction(1), comment=comment) as sink:
            for number in range(2):
                sink.write("", frames[2 * k + number], Fraction(number, 25), Fraction(1, 25))
        segments.append((path, Fraction(2 * k, 25)))
    join_videos(segments, tmp_path / "whole.mp4", comment)
    assert VideoReader(tmp_path / "whole.mp4").footage.length == 4


def test_segments_with_foreign_tags_are_joined(tmp_path):
    path = tmp_path / "0.mp4"
    with VideoSink(path, fps=Fraction(25), aspect=Fraction(1), comment="caf_") as sink:
        for number, frame in enumerate(pictures(3)):
            sink.write("", frame, Fraction(number, 25), Fraction(1, 25))
    replace_bytes(path, b"caf_", b"caf\xe9")
    join_videos([(path, Fraction(0))], tmp_path / "whole.mp4", "")
    assert VideoReader(tmp_path / "whole.mp4").footage.length == 3


@pytest.mark.parametrize("text", ["1/0", "1e99999999", "nan", "inf:00:00", "::", "99:99:99", "-1:00:00", "0:0:1e9"])
def test_durations_that_are_no_number(tmp_path, text):
    path = encode(tmp_path / "clip.mkv", X264)
    replace_bytes(path, b"00:00:01.600000000", text.encode().ljust(18, b"\0"))
    began = time.monotonic()
    reader = VideoReader(path)
    assert time.monotonic() - began < 5
    assert reader.footage.length == 40
    assert reader.footage.fps == 25
    assert expect_pairs([str(path)], Selection(), None) >= 0


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_a_matroska_duration_beyond_reason(tmp_path, value):
    path = encode(tmp_path / "clip.mkv", X264)
    data = bytearray(path.read_bytes())
    place = data.index(b"\x44\x89\x88")
    data[place + 3 : place + 11] = struct.pack(">d", value)
    path.write_bytes(data)
    source = open_source([str(path)])
    assert source.count == 39
    assert source.fps == 25


def test_a_rate_that_divides_by_zero(tmp_path):
    # AVI: microseconds per frame, and rate over scale of the stream.
    path = encode(tmp_path / "clip.avi", ("-c:v", "mjpeg"))
    data = bytearray(path.read_bytes())
    place = data.index(b"strh") + 8 + 20
    data[place : place + 8] = struct.pack("<II", 0, 25)
    path.write_bytes(data)
    source = open_source([str(path)])
    assert source.count == 39
    assert 0 < source.fps <= 10_000


def test_side_data_without_a_name(tmp_path):
    # EXIF in the pictures of motion JPEG, as cameras write it.
    path = encode(tmp_path / "plain.avi", ("-c:v", "mjpeg", "-q:v", "3"))
    expected = decode_with_ffmpeg(path)
    tiff = b"II*\0\x08\0\0\0\x01\0\x0f\x01\x02\0\x04\0\0\0Cam\0\0\0\0\0"
    exif = b"Exif\0\0" + tiff
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    target = tmp_path / "exif.avi"
    with av.open(str(path)) as reader, av.open(str(target), "w") as writer:
        copy = writer.add_stream_from_template(reader.streams.video[0])
        for packet in reader.demux(video=0):
            if packet.size:
                data = bytes(packet)
                other = av.Packet(data[:2] + segment + data[2:])
                other.pts, other.dts, other.time_base = packet.pts, packet.dts, packet.time_base
                other.is_keyframe, other.stream = True, copy
                writer.mux(other)
    with av.open(str(target)) as reader, pytest.raises(ValueError, match="not a valid Type"):
        _ = next(reader.decode(video=0)).side_data
    np.testing.assert_array_equal(list(VideoReader(target).read(0, None, 1)), expected)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_the_default_stream_is_the_video(tmp_path, suffix):
    small = encode(tmp_path / f"small.{suffix}", X264, pictures(10, 32, 48))
    large = encode(tmp_path / f"large.{suffix}", X264, pictures(10))
    path = tmp_path / f"both.{suffix}"
    run(
        "-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "0", "-disposition:v:1", "default", path,
    )  # fmt: skip
    reader = VideoReader(path)
    assert reader.footage.size == (48, 64)
    np.testing.assert_array_equal(list(reader.read(0, None, 1)), decode_with_ffmpeg(large))


def test_a_cover_is_not_the_video(tmp_path):
    cover = encode(tmp_path / "cover.png", ("-frames:v", "1"), pictures(1, 32, 32))
    film = encode(tmp_path / "film.mp4", X264)
    path = tmp_path / "clip.mp4"
    run(
        "-i", cover, "-i", film, "-map", "0", "-map", "1", "-c", "copy",
        "-disposition:v:0", "attached_pic", path,
    )  # fmt: skip
    reader = VideoReader(path)
    assert (reader.footage.size, reader.footage.length) == ((48, 64), 40)


@pytest.mark.parametrize("suffix", ["h264", "hevc", "m4v", "m2v"])
@pytest.mark.parametrize("rate", ["30", "24000/1001", "50"])
def test_the_rate_of_raw_streams(tmp_path, suffix, rate):
    codec = {
        "h264": X264,
        "hevc": ("-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=none"),
        "m4v": ("-c:v", "mpeg4"),
        "m2v": ("-c:v", "mpeg2video"),
    }[suffix]
    footage = VideoReader(encode(tmp_path / f"clip.{suffix}", codec, pictures(12), rate)).footage
    assert footage.fps == Fraction(rate)
    assert footage.times is None
    assert footage.length == 12


def test_a_second_program_that_turns_up_late(tmp_path):
    # Its packets begin in the middle of the transport stream.
    first = encode(tmp_path / "first.ts", X264)
    both = tmp_path / "both.ts"
    run("-i", first, "-i", first, "-map", "0", "-map", "1", "-c", "copy", both)
    late = tmp_path / "late.ts"
    late.write_bytes(first.read_bytes() + both.read_bytes())
    reader = VideoReader(late)
    assert reader.footage.length >= 40


def test_a_codec_that_ffmpeg_does_not_know(tmp_path):
    path = encode(tmp_path / "clip.mkv", X264)
    replace_bytes(path, b"V_MPEG4/ISO/AVC", b"V_NOBODYKNOWS/1")
    with pytest.raises(FormatError, match=r"clip\.mkv: (its video is of a kind|expected)"):
        VideoReader(path)


def test_an_edit_list_cuts_as_its_player_would(tmp_path):
    whole = encode(tmp_path / "whole.mp4", (*X264, "-g", "8"))
    path = tmp_path / "edited.mp4"
    # Copied from between two key frames on: the list tells which frames are not shown.
    run("-ss", "0.44", "-i", whole, "-c", "copy", path)
    expected = decode_with_ffmpeg(path)
    reader = VideoReader(path)
    assert reader.footage.length == len(expected)
    np.testing.assert_array_equal(list(reader.read(0, None, 1)), expected)
    for start in (3, 8, 20):
        np.testing.assert_array_equal(list(reader.read(start, start + 3, 1)), expected[start : start + 3])
