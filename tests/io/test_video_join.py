from fractions import Fraction

import numpy as np
import pytest

from flowcli.errors import OutputError
from flowcli.io.sources.video import VideoReader
from flowcli.io.video.join import join_videos
from flowcli.io.video.write import VideoSink


def write_segments(folder, suffix, frames, times, length=7):
    """One file per `length` frames, each with times from 0 on; returns what join_videos wants."""
    segments = []
    for begin in range(0, len(frames), length):
        path = folder / f"{begin:03d}{suffix}"
        with VideoSink(path, fps=Fraction(25), aspect=Fraction(4, 3), comment="") as sink:
            for k in range(begin, min(begin + length, len(frames))):
                sink.write("unused", frames[k], times[k] - times[begin], times[k + 1] - times[k])
        segments.append((path, times[begin]))
    return segments


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mov", ".mkv"])
@pytest.mark.parametrize("count", [1, 7, 8, 40])
def test_segments_become_one_video_with_every_frame_in_its_time(tmp_path, moving_frames, decode, probe, suffix, count):
    frames = moving_frames(count)
    segments = write_segments(tmp_path, suffix, frames, [Fraction(k, 25) for k in range(count + 1)])
    path = tmp_path / f"whole{suffix}"
    join_videos(segments, path, "made by a test")
    decoded = decode(path)
    assert len(decoded) == count
    assert np.abs(decoded.astype(int) - frames).mean() < 3
    np.testing.assert_array_equal(decoded, np.concatenate([decode(segment) for segment, _ in segments]))
    assert probe(path)["comment"] == "made by a test"
    assert probe(path)["duration"] == pytest.approx(count / 25, abs=0.01)
    footage = VideoReader(path).footage
    assert footage.length == count
    assert footage.times is None
    # FFmpeg takes it from the stream of H.264; its other muxers do not take the shape of pixels from the encoder.
    assert footage.aspect == (Fraction(4, 3) if suffix == ".mp4" else 1)
    if count > 1:
        assert footage.fps == 25


@pytest.mark.parametrize("suffix", [".mp4", ".webm", ".mov", ".mkv"])
def test_irregular_times_are_kept(tmp_path, moving_frames, suffix):
    times = [Fraction(k * k, 1000) for k in range(21)]
    path = tmp_path / f"whole{suffix}"
    join_videos(write_segments(tmp_path, suffix, moving_frames(20), times), path, "")
    found = VideoReader(path).footage.times
    assert found is not None
    assert [float(time) for time in found] == pytest.approx([float(time) for time in times[:-1]], abs=0.0021)


def test_an_mp4_starts_with_its_index(tmp_path, moving_frames):
    path = tmp_path / "whole.mp4"
    join_videos(write_segments(tmp_path, ".mp4", moving_frames(9), [Fraction(k, 25) for k in range(10)]), path, "")
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_missing_or_damaged_segment_leaves_no_video(tmp_path, moving_frames):
    segments = write_segments(tmp_path, ".mp4", moving_frames(14), [Fraction(k, 25) for k in range(15)])
    segments[1][0].write_bytes(b"damaged")
    with pytest.raises(OutputError, match=r"whole\.mp4: its segments cannot be joined"):
        join_videos(segments, tmp_path / "whole.mp4", "")
    segments[1][0].unlink()
    with pytest.raises(OutputError, match=r"whole\.mp4: "):
        join_videos(segments, tmp_path / "whole.mp4", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000.mp4"]
