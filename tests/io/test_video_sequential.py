"""From wherever frames are read, they are those that one pass of the ffmpeg program from the start gives."""

import av
import numpy as np
import pytest
from video_faults import CLIPS, FAULTS, decode_with_ffmpeg, encode, remux, with_data

from flowcli.errors import FlowcliError, FormatError
from flowcli.io.sources import video as reading
from flowcli.io.sources.video import VideoReader
from flowcli.io.video import index

STARTS = (1, 6, 7, 13, 18, 21, 25, 33)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """clips(name) -> a row of CLIPS, encoded once."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name):
        path = folder / name
        return path if path.exists() else encode(path, CLIPS[name])

    return get


@pytest.fixture
def as_a_long_film(monkeypatch):
    """Every file counts as one that is too long to be decoded in advance."""
    monkeypatch.setattr(index, "AN_INSTANT", 0)


def collect(frames):
    """(frames, what was wrong in the end)"""
    found = []
    try:
        for frame in frames:
            found.append(frame)
    except FormatError as error:
        return found, str(error)
    return found, None


def make(clips, name, fault, tmp_path):
    path = tmp_path / name
    try:
        FAULTS[fault](clips(name), path)
    except (ValueError, av.FFmpegError) as error:
        pytest.fail(f"cannot be made: {error}")
    return path


# What PyAV's muxers cannot write.
NOT_REMUXED = {"av1.mp4", "h264.h264", "mpeg4.m4v", "mjpeg.mjpeg"}
CASES = [
    (name, fault)
    for name in CLIPS
    for fault in FAULTS
    if name not in NOT_REMUXED or fault in ("none", "flipped bits", "blank", "cut short")
]


@pytest.mark.parametrize(("name", "fault"), CASES, ids=lambda text: text.replace(" ", "-"))
def test_frames_from_any_start_are_those_of_one_pass(clips, tmp_path, name, fault):
    path = make(clips, name, fault, tmp_path)
    expected = decode_with_ffmpeg(path)
    if len(expected) == 0:
        with pytest.raises(FlowcliError):
            VideoReader(path)
        return
    reader = VideoReader(path)
    frames, wrong = collect(reader.read(0, None, 1))
    # Half a frame at the end is left out.
    assert len(frames) == reader.footage.length
    assert len(expected) - len(frames) in ((0, 1) if wrong else (0,))
    damaged = set(reader._index.damage.damaged)
    for number, frame in enumerate(frames):
        if number not in damaged and name.split(".")[0] != "vp8":
            np.testing.assert_array_equal(frame, expected[number], err_msg=f"frame {number}")
    for start in STARTS:
        found, _ = collect(reader.read(start, start + 3, 1))
        assert len(found) == max(0, min(3, len(frames) - start))
        for number, frame in enumerate(found, start):
            np.testing.assert_array_equal(frame, frames[number], err_msg=f"frame {number} from {start}")


@pytest.mark.parametrize("fault", ["none", "begins between key frames", "all marked as key"])
@pytest.mark.parametrize("name", [name for name in CLIPS if name not in NOT_REMUXED])
def test_a_long_film_too(clips, tmp_path, as_a_long_film, name, fault):
    path = make(clips, name, fault, tmp_path)
    expected = decode_with_ffmpeg(path)
    reader = VideoReader(path)
    assert reader.footage.length == len(expected)
    exact = name not in ("vp8.webm", "mpeg4.avi") or fault == "none"
    frames, _ = collect(reader.read(0, None, 1))
    assert len(frames) == len(expected)
    for start in (0, *STARTS):
        found, _ = collect(reader.read(start, start + 3, 1))
        wanted = (expected if exact else frames)[start : start + 3]
        assert len(found) == len(wanted)
        for frame, other in zip(found, wanted, strict=True):
            np.testing.assert_array_equal(frame, other)


@pytest.mark.parametrize("name", ["h264.mp4", "h264.mkv", "h264.ts", "open.mp4", "hevc.mp4", "mpeg2.mpg", "vp9.webm"])
def test_clean_files_are_sought_in(clips, monkeypatch, as_a_long_film, name):
    reader = VideoReader(clips(name))
    decoded = 0
    decode_packets = reading.decode_packets

    def count(*arguments):
        nonlocal decoded
        for frame in decode_packets(*arguments):
            decoded += 1
            yield frame

    monkeypatch.setattr(reading, "decode_packets", count)
    list(reader.read(35, 37, 1))
    # From the key frame before, and what the decoder had ready.
    assert decoded <= 14


@pytest.mark.parametrize("fault", ["damaged head", "flipped bits", "two packets lost"])
@pytest.mark.parametrize("name", ["h264.mkv", "hevc.mp4", "mpeg4.mp4", "vp9.webm", "prores.mov", "mjpeg.avi"])
def test_damage_in_a_long_film_does_not_move_frames(clips, tmp_path, as_a_long_film, name, fault):
    path = make(clips, name, fault, tmp_path)
    reader = VideoReader(path)
    frames, _ = collect(reader.read(0, None, 1))
    for start in (25, 33):
        found, _ = collect(reader.read(start, start + 3, 1))
        assert len(found) == len(frames[start : start + 3])
        assert np.array_equal(found, frames[start : start + 3])


def test_parameters_that_were_sent_once_are_not_lost_by_a_seek(tmp_path, as_a_long_film):
    # Two recordings in one file: the headers of the second come once, with its first frame.
    parts = [
        encode(tmp_path / f"{cabac}.h264", (*CLIPS["h264.h264"], "-bf", "0", "-x264-params", f"cabac={cabac}"))
        for cabac in (1, 0)
    ]
    joined = tmp_path / "joined.h264"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))

    def send_once(number, packet):
        packet.pts = packet.dts = number
        units = [b"\0\0\0\1" + unit.strip(b"\0") for unit in bytes(packet).split(b"\0\0\1") if unit.strip(b"\0")]
        kept = [unit for unit in units if unit[4] & 31 not in (7, 8) or number in (0, 40)]
        return with_data(packet, b"".join(kept))

    path = remux(joined, tmp_path / "joined.mkv", send_once)
    expected = decode_with_ffmpeg(path)
    assert len(expected) == 80
    reader = VideoReader(path)
    for start in (20, 45, 50, 60, 77):
        np.testing.assert_array_equal(list(reader.read(start, start + 2, 1)), expected[start : start + 2])


def pack(path, target):
    """DivX's way of B-frames in AVI: with the frame that they need, and an empty one in their place."""
    waiting = []

    def change(number, packet):
        data = bytes(packet)
        vop = data.find(b"\0\0\1\xb6")
        packet.pts = packet.dts = number
        waiting.append(data if number else data[:vop] + b"\0\0\1\xb2DivX503b1393p" + data[vop:])

    remux(path, target, change)
    packed, place = [], 0
    while place < len(waiting):
        group = [waiting[place]]
        while place + len(group) < len(waiting) and is_b(waiting[place + len(group)]):
            group.append(waiting[place + len(group)])
        packed.append(b"".join(group[:2]))
        packed += [b"\0\0\1\xb6\x51\x80\x7f"] * (len(group) - 1) if len(group) > 1 else []
        place += len(group)

    def replace(number, packet):
        packet.pts = packet.dts = number
        return with_data(packet, packed[number]) if number < len(packed) else False

    return remux(path, target, replace)


def is_b(data):
    return data[data.find(b"\0\0\1\xb6") + 4] >> 6 == 2


@pytest.mark.parametrize("length", [0, 2**25])
def test_packed_bitstreams(tmp_path, monkeypatch, length):
    monkeypatch.setattr(index, "AN_INSTANT", length)
    plain = encode(tmp_path / "plain.avi", ("-c:v", "mpeg4", "-q:v", "3", "-g", "8", "-bf", "1"))
    path = pack(plain, tmp_path / "packed.avi")
    expected = decode_with_ffmpeg(path)
    assert len(expected) > 35
    reader = VideoReader(path)
    assert reader.footage.length == len(expected)
    np.testing.assert_array_equal(collect(reader.read(0, None, 1))[0], expected)
    for start in (9, 20, 31):
        np.testing.assert_array_equal(collect(reader.read(start, start + 3, 1))[0], expected[start : start + 3])
