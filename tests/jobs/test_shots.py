from fractions import Fraction

import numpy as np
import pytest

from flowcli.errors import FormatError, InputError
from flowcli.io.image import write_image
from flowcli.io.sources import FramePair, open_source
from flowcli.jobs.shots import Shots


@pytest.fixture
def images(tmp_path):
    paths = []
    for number in range(4):
        paths.append(tmp_path / f"frame{number}.png")
        write_image(paths[-1], np.full((5, 6, 3), number, np.uint8))
    return paths


def test_without_frames_there_are_times(images):
    shots = list(Shots([], 3, Fraction(10)))
    assert [(shot.frame, shot.frame2) for shot in shots] == [(None, None)] * 3
    assert [shot.time for shot in shots] == [0, Fraction(1, 10), Fraction(2, 10)]
    assert {shot.duration for shot in shots} == {Fraction(1, 10)}


def test_a_folder_gives_consecutive_frames(images):
    shots = Shots([str(images[0].parent)], 3, Fraction(8))
    assert shots.fps == 8
    assert [(shot.frame[0, 0, 0], shot.frame2[0, 0, 0], shot.time) for shot in shots] == [
        (0, 1, 0),
        (1, 2, Fraction(1, 8)),
        (2, 3, Fraction(2, 8)),
    ]


def test_one_flow_takes_one_image_or_two(images):
    (shot,) = Shots([str(images[2])], 1, None)
    assert shot.frame[0, 0, 0] == 2
    assert shot.frame2 is None
    (shot,) = Shots([str(images[2]), str(images[3])], 1, None)
    assert (shot.frame[0, 0, 0], shot.frame2[0, 0, 0]) == (2, 3)


@pytest.mark.parametrize(("count", "message"), [(2, "3 frames for 2 flow files"), (1, "2 frames for 1 flow file,")])
def test_another_number_of_frames_is_refused(images, count, message):
    with pytest.raises(InputError, match=f"expected {message}.*found 4"):
        Shots([str(images[0].parent)], count, None)


class Stream:
    """A source whose length is not known beforehand."""

    fps, aspect, count, paths = Fraction(5), Fraction(1), None, ()

    def pairs(self, start, stop):
        frame = np.zeros((5, 6, 3), np.uint8)
        yield FramePair("only", frame, frame, Fraction(0), Fraction(1, 5))


def test_frames_that_end_early_are_an_error(monkeypatch):
    monkeypatch.setattr("flowcli.jobs.shots.open_source", lambda inputs, fps, selection: Stream())
    shots = iter(Shots(["clip.mp4"], 3, None))
    assert next(shots).frame.shape == (5, 6, 3)
    with pytest.raises(InputError, match="expected 4 frames for 3 flow files, they ended after 2"):
        next(shots)


def test_frames_with_damage_serve_as_well(make_video, moving_frames):
    path = make_video("clip.mkv", moving_frames(40), "-g", "10", "-bf", "0")
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 60] = bytes(60)
    path.write_bytes(data)
    source = open_source([str(path)])
    with pytest.raises(FormatError, match="damaged"):
        list(source.pairs())
    assert source.count is not None
    assert len(list(Shots([str(path)], source.count, None))) == source.count
