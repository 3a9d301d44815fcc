"""What the user is told of damaged files, and which frames are used."""

import numpy as np
import pytest
from video_faults import FAULTS, X264, decode_with_ffmpeg, encode, pictures

from flowcli.errors import FormatError
from flowcli.io.frames import Moment, Selection
from flowcli.io.sources import open_source
from flowcli.io.sources.video import VideoReader
from flowcli.io.video import index
from flowcli.io.video.bitstream import HeaderWatch, find_look
from flowcli.io.video.damage import Damage, name_ranges


def read(source):
    pairs = []
    with pytest.raises(FormatError) as error:
        for pair in source.pairs():
            pairs.append(pair)
    assert "\n" not in str(error.value)
    return pairs, str(error.value)


def test_decoding_goes_on_after_a_bad_packet_and_the_frames_are_named(tmp_path):
    clean = encode(tmp_path / "clean.mkv", (*X264, "-g", "10", "-bf", "0"))
    path = tmp_path / "clip.mkv"
    FAULTS["damaged head"](clean, path)
    expected = decode_with_ffmpeg(path)
    pairs, message = read(open_source([str(path)]))
    assert len(pairs) == len(expected) - 1
    # Up to the next key frame.
    assert "clip.mkv: frames 17-19 are damaged" in message or "clip.mkv: frames 17-18 are damaged" in message
    assert "FFmpeg says: " in message
    assert "do not trust the flow there" in message


@pytest.mark.parametrize(("start", "end"), [(0, 15), (22, 40)])
def test_damage_outside_of_the_selection_is_no_fault(tmp_path, start, end):
    clean = encode(tmp_path / "clean.mkv", (*X264, "-g", "10", "-bf", "0"))
    path = tmp_path / "clip.mkv"
    FAULTS["damaged head"](clean, path)
    source = open_source([str(path)], selection=Selection(Moment(start), Moment(end)))
    expected = decode_with_ffmpeg(path)[start:end]
    for pair, frame in zip(source.pairs(), expected, strict=False):
        np.testing.assert_array_equal(pair.frame1, frame)


def test_damage_before_a_pair_is_told_from_wherever_the_reading_begins(tmp_path):
    # As a batch does that was cut off after the damage.
    clean = encode(tmp_path / "clean.mkv", (*X264, "-g", "10", "-bf", "0"))
    path = tmp_path / "clip.mkv"
    FAULTS["damaged head"](clean, path)
    source = open_source([str(path)])
    _, whole = read(source)
    with pytest.raises(FormatError) as error:
        list(source.pairs(30))
    assert str(error.value) == whole


@pytest.mark.parametrize("suffix", ["mkv", "mp4", "h264"])
@pytest.mark.parametrize("instant", [0, 2**26])
def test_a_file_that_is_cut_gives_what_can_be_trusted(tmp_path, monkeypatch, suffix, instant):
    monkeypatch.setattr(index, "AN_INSTANT", instant)
    noise = np.random.default_rng(0).integers(0, 256, (40, 48, 64, 3), np.uint8)
    clean = encode(tmp_path / f"clean.{suffix}", (*X264, "-g", "8", "-movflags", "+faststart"), noise)
    path = tmp_path / f"clip.{suffix}"
    FAULTS["cut short"](clean, path)
    whole = decode_with_ffmpeg(clean)
    pairs, message = read(open_source([str(path)]))
    assert 15 < len(pairs) < 35
    assert "clip." in message
    for number, pair in enumerate(pairs[:-2]):
        np.testing.assert_array_equal(pair.frame1, whole[number])


def test_a_recording_that_begins_between_key_frames_says_so(tmp_path, monkeypatch):
    clean = encode(tmp_path / "clean.mkv", (*X264, "-g", "8", "-bf", "0"))
    path = tmp_path / "clip.mkv"
    FAULTS["begins between key frames"](clean, path)
    for instant in (2**26, 0):
        monkeypatch.setattr(index, "AN_INSTANT", instant)
        source = open_source([str(path)])
        assert source.count == 31
        (note,) = source.notes
        assert note == f"{path}: begins between key frames: 3 frames at its start cannot be decoded and do not count"
        assert len(list(source.pairs())) == 31


def test_a_frame_that_is_lost_in_a_long_film_keeps_its_number(tmp_path, monkeypatch):
    monkeypatch.setattr(index, "AN_INSTANT", 0)
    clean = encode(tmp_path / "clean.mov", ("-c:v", "png"))
    path = tmp_path / "clip.mov"
    FAULTS["damaged head"](clean, path)
    reader = VideoReader(path)
    frames = []
    with pytest.raises(FormatError, match=r"clip\.mov: frame 17 is damaged .*do not trust"):
        for frame in reader.read(0, None, 1):
            frames.append(frame)
    originals = pictures()
    # The one before stands in.
    np.testing.assert_array_equal(frames, [*originals[:17], originals[16], *originals[18:]])
    np.testing.assert_array_equal(list(reader.read(17, 20, 1)), frames[17:20])


def test_one_line_for_all_that_is_wrong():
    damage = Damage([3, 4, 5, 9], [7, 7, 20], "its last frame is incomplete", "error while decoding MB 1 3")
    assert damage.describe(0, 30, 30) == (
        "frames 3-5, 9 are damaged and 3 frames are lost before frames 7, 20 (FFmpeg says: error while decoding MB "
        "1 3); do not trust the flow there; damaged or cut short after frame 29 (its last frame is incomplete); "
        "the frames before were used"
    )
    assert damage.describe(9, 11, 30) == "frame 9 is damaged (FFmpeg says: error while decoding MB 1 3); " + (
        "do not trust the flow there"
    )
    assert damage.describe(10, 20, 30) is None
    assert Damage().describe(0, 30, 30) is None
    assert name_ranges(range(0, 40, 2)) == "0, 2, 4, 6, 8, 10, 12, 14 and 12 more places"


def units(*parts):
    return b"".join(b"\0\0\0\1" + part for part in parts)


@pytest.mark.parametrize(
    ("data", "frames", "key"),
    [
        (units(b"\x65\x88\x80"), 1, True),  # IDR, I
        (units(b"\x41\x9a\x00"), 1, False),  # P
        (units(b"\x06\x06\x01\xc0\x80", b"\x41\xb0\x80"), 1, True),  # recovery at once, I
        (units(b"\x06\x06\x01\xc0\x80", b"\x41\xe0\x80"), 1, False),  # recovery at once, P
        (units(b"\x06\x06\x01\x50\x80", b"\x41\xb0\x80"), 1, False),  # recovery after a frame
        (units(b"\x67\x42"), None, False),  # headers alone
        (units(b"\xe5\x88\x80"), None, False),  # the forbidden bit
        (b"", None, False),
    ],
)
def test_a_look_at_h264(data, frames, key):
    look = find_look("h264", None)
    assert look is not None
    glimpse = look(data)
    assert (glimpse.frames, glimpse.key) == (frames, key)


def test_lengths_that_cannot_be_are_a_sign_of_damage():
    look = find_look("h264", b"\x01\x64\0\x0a\xff\xe1\0\0")
    assert look is not None
    assert look(b"\0\0\0\3\x65\x88\x80").frames == 1
    assert look(b"\0\0\0\x09\x65\x88\x80").frames is None
    assert look(b"\0\0\0\0").frames is None


def test_a_key_frame_without_the_headers_in_force_is_none_to_begin_with():
    watch = HeaderWatch(b"..\x67old\x68old..")
    assert watch.suffices((b"\x67old", b"\x68old"))
    assert watch.suffices(())
    assert watch.suffices((b"\x67new", b"\x68new"))
    assert not watch.suffices(())
    assert watch.suffices((b"\x67new", b"\x68new"))
