"""Interlaced video and high dynamic range become pictures as a screen shows them, and the user is told."""

import numpy as np
import pytest
from video_faults import X264, decode_with_ffmpeg, encode, pictures, run

from flowcli.io.sources import open_source
from flowcli.io.sources.video import VideoReader
from flowcli.io.video import index
from flowcli.io.video.picture import _compress, _to_light


def make_interlaced(path, *codec):
    # 50 pictures per second, of which 25 frames keep the even lines of one and the odd lines of the next.
    frames = pictures(48)
    combed = frames[::2].copy()
    combed[:, 1::2] = frames[1::2, 1::2]
    return encode(path, (*codec, "-flags", "+ildct+ilme", "-vf", "setfield=tff", "-g", "6"), combed)


INTERLACED = {
    "clip.mp4": (*X264, "-crf", "5", "-x264-params", "tff=1:keyint=6"),
    "clip.ts": (*X264, "-crf", "5", "-x264-params", "tff=1:keyint=6"),
    "clip.mpg": ("-c:v", "mpeg2video", "-q:v", "2"),
}


@pytest.mark.parametrize("instant", [0, 2**25])
@pytest.mark.parametrize("name", INTERLACED)
def test_interlaced_video_is_deinterlaced_and_said(tmp_path, monkeypatch, name, instant):
    monkeypatch.setattr(index, "AN_INSTANT", instant)
    path = make_interlaced(tmp_path / name, *INTERLACED[name])
    source = open_source([str(path)])
    assert source.notes == (f"{path}: is interlaced; its frames are deinterlaced (FFmpeg's bwdif)",)
    assert source.count == 23
    reader = VideoReader(path)
    frames = list(reader.read(0, None, 1))
    filtered = np.frombuffer(
        run(
            "-i", path, "-vf", "bwdif=mode=send_frame", "-fps_mode", "passthrough",
            "-f", "rawvideo", "-pix_fmt", "rgb24", "-",
        ),
        np.uint8,
    ).reshape(-1, 48, 64, 3)  # fmt: skip
    assert len(filtered) == len(frames)
    # The filter's first frame has none before it.
    np.testing.assert_array_equal(frames[1:], filtered[1:])
    # From anywhere: a frame depends on its neighbours.
    for start in (1, 5, 6, 7, 17, 22):
        np.testing.assert_array_equal(list(reader.read(start, start + 2, 1)), frames[start : start + 2])
    np.testing.assert_array_equal(list(reader.read(3, 20, 4)), frames[3:20:4])
    assert measure_combs(frames) < 0.5 * measure_combs(decode_with_ffmpeg(path))


def test_pictures_too_narrow_for_the_filter_are_left_as_they_are(tmp_path):
    # Their planes of colour have a single column.
    frames = np.ascontiguousarray(pictures(4)[:, :, :2])
    path = encode(tmp_path / "clip.mpg", ("-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-q:v", "2"), frames)
    assert "is interlaced" in open_source([str(path)]).notes[0]
    read = np.array(list(VideoReader(path).read(0, None, 1)))
    assert read.shape == frames.shape
    # Colours are those of two columns together.
    assert np.abs(read.mean((2, 3)) - frames.mean((2, 3))).max() < 12


def measure_combs(frames):
    """How far lines are from the mean of their neighbours, in levels."""
    grey = np.asarray(frames).astype(float).mean(3)
    return np.abs(grey[:, 1:-1] - (grey[:, :-2] + grey[:, 2:]) / 2).mean()


def test_progressive_video_is_left_alone(tmp_path):
    path = encode(tmp_path / "clip.mp4", X264)
    assert open_source([str(path)]).notes == ()
    np.testing.assert_array_equal(list(VideoReader(path).read(0, None, 1)), decode_with_ffmpeg(path))


def make_bright(path, transfer):
    # A ramp of code values, as if it were light; what the curve makes of it is known.
    ramp = np.repeat(np.linspace(0, 255, 64, dtype=np.uint8)[None, :, None], 48, axis=0)
    frames = np.broadcast_to(ramp[None], (4, 48, 64, 1)).repeat(3, axis=3)
    return encode(
        path,
        (
            *("-c:v", "libx265", "-pix_fmt", "yuv420p10le", "-crf", "4", "-vf", "scale=out_color_matrix=bt2020nc"),
            *("-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-x265-params"),
            f"log-level=none:colorprim=bt2020:transfer={transfer}:colormatrix=bt2020nc",
        ),
        np.ascontiguousarray(frames),
    )


@pytest.mark.parametrize(("transfer", "name"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_high_dynamic_range_is_mapped_and_said(tmp_path, transfer, name):
    path = make_bright(tmp_path / "clip.mp4", transfer)
    source = open_source([str(path)])
    (note,) = source.notes
    assert note == f"{path}: is in high dynamic range ({name}); its frames are mapped to the range of a screen"
    frame = next(iter(source.pairs())).frame1
    grey = frame[24].astype(int)
    # Grey stays grey, brighter stays brighter, and the whole range of the screen is used.
    assert np.abs(grey - grey.mean(1, keepdims=True)).max() <= 3
    assert (np.diff(grey[:, 1]) >= -1).all()
    assert grey[0].max() <= 2
    assert grey[-1].min() >= 250


@pytest.mark.parametrize(
    # SMPTE ST 2084, table of code values; reference white of ITU-R BT.2408 is at 58 % of PQ.
    ("code", "nits"),
    [(0, 0), (0.508, 100), (0.5807, 203), (0.7518, 1000), (1, 10_000)],
)
def test_the_curve_of_pq(code, nits):
    assert _to_light(16)[round(code * 65535)] * 203 == pytest.approx(nits, rel=0.01, abs=1e-3)


def test_the_curve_of_hlg():
    light = _to_light(18)
    assert light[0] == 0
    assert light[round(0.5 * 65535)] == pytest.approx(1 / 12, rel=1e-3)
    assert light[65535] == pytest.approx(1, rel=1e-5)


def test_tones_are_kept_where_there_is_room():
    light = np.linspace(0, 1000 / 203, 500, dtype=np.float32)
    mapped = _compress(light)
    np.testing.assert_array_equal(mapped[light <= 0.5], light[light <= 0.5])
    assert (np.diff(mapped) >= 0).all()
    assert mapped[-1] == pytest.approx(1)
