import io
from fractions import Fraction

import numpy as np
import pytest

from flowcli.errors import FormatError, InputError, UsageError
from flowcli.io.frames import Moment, Selection
from flowcli.io.image import write_image
from flowcli.io.sources import images, open_source


@pytest.fixture
def folder(tmp_path, moving_frames):
    """Eleven frames, frame0.png ... frame10.png, whose pixel (0, 0) holds their number."""
    for k, frame in enumerate(moving_frames(11)):
        frame[0, 0] = k
        write_image(tmp_path / f"frame{k}.png", frame)
    return tmp_path


def numbers(source):
    return [(int(pair.frame1[0, 0, 0]), int(pair.frame2[0, 0, 0])) for pair in source.pairs()]


def test_a_folder_gives_consecutive_pairs_in_natural_order(folder):
    source = open_source([str(folder)])
    assert (source.stem, source.size, source.count, source.fps) == (folder.name, (48, 64), 10, 25)
    assert numbers(source) == [(k, k + 1) for k in range(10)]
    assert [pair.name for pair in source.pairs()] == [f"frame{k}" for k in range(10)]


def test_every_image_is_read_once(folder, monkeypatch):
    read = []
    original = images.read_stored
    monkeypatch.setattr(images, "read_stored", lambda path: read.append(path.name) or original(path))
    list(open_source([str(folder)]).pairs())
    assert sorted(read) == sorted(f"frame{k}.png" for k in range(11))


def test_no_more_than_two_frames_are_held(folder):
    import weakref

    alive = weakref.WeakSet()
    for pair in open_source([str(folder)]).pairs():
        alive.add(pair)
        del pair
        assert len(alive) <= 1


def test_glob_and_several_images_are_sequences(folder):
    assert numbers(open_source([f"{folder}/frame1*.png"])) == [(1, 10)]
    three = [str(folder / f"frame{k}.png") for k in (10, 2, 9)]
    source = open_source(three)
    assert not source.is_pair
    assert numbers(source) == [(2, 9), (9, 10)]


def test_two_images_keep_their_order(folder):
    source = open_source([str(folder / "frame5.png"), str(folder / "frame3.png")])
    assert source.is_pair
    assert source.stem == "frame5"
    assert numbers(source) == [(5, 3)]


@pytest.mark.parametrize(
    ("start", "end", "stride", "expected"),
    [
        (2, 6, 1, [(2, 3), (3, 4), (4, 5)]),
        (None, None, 4, [(0, 4), (4, 8)]),
        (Fraction(1, 2), Fraction(1), 2, [(5, 7), (7, 9)]),
        (9, 99, 1, [(9, 10)]),
    ],
)
def test_selection_by_frame_and_time(folder, start, end, stride, expected):
    selection = Selection(start and Moment(start), end and Moment(end), stride)
    source = open_source([str(folder)], selection=selection, fps=Fraction(10))
    assert numbers(source) == expected
    assert source.count == len(expected)
    assert source.fps == Fraction(10, stride)
    pairs = list(source.pairs())
    assert [pair.time for pair in pairs] == [k * stride / Fraction(10) for k in range(len(pairs))]
    assert all(pair.duration == Fraction(stride, 10) for pair in pairs)


def test_pairs_can_start_and_stop_anywhere(folder):
    source = open_source([str(folder)], selection=Selection(Moment(1), None, 2))
    everything = list(source.pairs())
    for pair, other in zip(source.pairs(2, 4), everything[2:4], strict=True):
        assert (pair.name, pair.time) == (other.name, other.time)
        assert (pair.frame1 == other.frame1).all()
        assert (pair.frame2 == other.frame2).all()


def test_samples_are_spread_and_never_more_than_there_are(folder):
    source = open_source([str(folder)])
    assert [int(frame[0, 0, 0]) for frame, _ in source.sample(3)] == [1, 5, 8]
    assert len(list(source.sample(99))) == 10


def test_repeated_stems_are_numbered(folder):
    write_image(folder / "frame3.bmp", np.zeros((48, 64, 3), np.uint8))
    names = [pair.name for pair in open_source([str(folder)]).pairs()]
    assert len(set(names)) == len(names) == 11
    assert names[0] == "000000_frame0"


def test_a_frame_of_another_size_ends_the_sequence_and_says_where(folder):
    write_image(folder / "frame7.png", np.zeros((48, 60, 3), np.uint8))
    pairs = open_source([str(folder)]).pairs()
    assert [next(pairs).name for _ in range(6)] == [f"frame{k}" for k in range(6)]
    with pytest.raises(InputError, match=r"frames of 64x48 .* found 60x48 at frame 7; use --end 7 .* --start 7"):
        next(pairs)


def test_a_damaged_frame_ends_the_sequence(folder):
    (folder / "frame4.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    pairs = open_source([str(folder)]).pairs()
    assert [next(pairs).name for _ in range(3)] == ["frame0", "frame1", "frame2"]
    with pytest.raises(FormatError, match=r"frame4\.png"):
        next(pairs)
    # The first pass over the motion leaves it out.
    assert len(list(open_source([str(folder)]).sample(99))) == 8


def test_too_few_frames(folder, tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="at least two images, found 0"):
        open_source([str(empty)])
    with pytest.raises(InputError, match="got a single image"):
        open_source([str(folder / "frame1.png")])
    with pytest.raises(InputError, match="at least two frames, 1 of the 11 there are selected"):
        open_source([str(folder)], selection=Selection(Moment(10)))
    with pytest.raises(InputError, match="at least two frames, 0 of the 11 there are selected"):
        open_source([str(folder)], selection=Selection(Moment(5), Moment(4)))


def test_wrong_mixtures(folder, tmp_path):
    with pytest.raises(InputError, match="give two images, or one folder"):
        open_source([str(folder), str(folder / "frame1.png")])
    with pytest.raises(InputError, match="no such file or folder"):
        open_source([str(folder / "frame99.png")])


def raw(frames, size, cut=0, **options):
    data = b"".join(frame.tobytes() for frame in frames)
    return open_source(["-"], size=size, stdin=io.BytesIO(data[: len(data) - cut]), **options)


def test_raw_frames(moving_frames):
    frames = moving_frames(5)
    source = raw(frames, (48, 64), fps=Fraction(10))
    assert (source.stem, source.size, source.count, source.fps) == ("stdin", (48, 64), None, 10)
    pairs = list(source.pairs())
    assert [pair.name for pair in pairs] == [f"frame_{k:06d}" for k in range(4)]
    assert [pair.time for pair in pairs] == [Fraction(k, 10) for k in range(4)]
    for k, pair in enumerate(pairs):
        assert (pair.frame1 == frames[k]).all()
        assert (pair.frame2 == frames[k + 1]).all()


def test_raw_frames_arrive_in_small_pieces(moving_frames):
    class Trickle(io.BytesIO):
        def read(self, size=-1):
            return super().read(min(size, 1000))

    frames = moving_frames(3)
    source = open_source(["-"], size=(48, 64), stdin=Trickle(frames.tobytes()))
    assert all((pair.frame2 == frames[k + 1]).all() for k, pair in enumerate(source.pairs()))


def test_raw_selection(moving_frames):
    source = raw(moving_frames(9), (48, 64), selection=Selection(Moment(1), Moment(8), 3))
    assert [pair.name for pair in source.pairs()] == ["frame_000001", "frame_000004"]


def test_a_raw_frame_cut_short_is_a_fault_after_the_pairs_before(moving_frames):
    pairs = raw(moving_frames(3), (48, 64), cut=1).pairs()
    assert next(pairs).name == "frame_000000"
    with pytest.raises(FormatError, match=r"frames of 9216 bytes \(64x48 RGB24\), frame 2 has 9215"):
        next(pairs)


@pytest.mark.parametrize("count", [0, 1])
def test_too_few_raw_frames(moving_frames, count):
    with pytest.raises(InputError, match=f"at least two frames, found {count}"):
        list(raw(moving_frames(count), (48, 64)).pairs())


def test_size_belongs_to_raw_frames(folder):
    with pytest.raises(InputError, match="say their size with --size"):
        open_source(["-"], stdin=io.BytesIO())
    with pytest.raises(InputError, match="--size is for raw frames"):
        open_source([str(folder)], size=(48, 64))
    with pytest.raises(UsageError, match="at most"):
        raw([], (100_000, 100_000))


def test_as_many_pairs_as_frames(folder):
    source = open_source([str(folder)], same_length=True)
    assert source.count == 11
    pairs = list(source.pairs())
    assert numbers(source) == [*((k, k + 1) for k in range(10)), (9, 10)]
    assert [pair.name for pair in pairs] == [f"frame{k}" for k in range(11)]
    assert [pair.time for pair in pairs] == [Fraction(k, 25) for k in range(11)]
    assert [pair.repeats for pair in pairs] == [False] * 10 + [True]
    assert pairs[-1].duration == Fraction(1, 25)
    # From anywhere, the last one alone included.
    for start in (0, 4, 9, 10):
        found = [(pair.name, pair.repeats, pair.frame1[0, 0, 0]) for pair in source.pairs(start)]
        assert found == [(pair.name, pair.repeats, pair.frame1[0, 0, 0]) for pair in pairs[start:]]
    assert [pair.name for pair in source.pairs(8, 10)] == ["frame8", "frame9"]
    assert [pair.name for pair in source.pairs(8, 11)] == ["frame8", "frame9", "frame10"]
    assert list(source.pairs(11)) == []
    assert [int(frame[0, 0, 0]) for frame, _ in source.sample(99)] == list(range(10))


@pytest.mark.parametrize(("end", "stride", "names"), [(8, 2, ["1", "3", "5", "7"]), (None, 4, ["1", "5", "9"])])
def test_as_many_pairs_as_selected_frames(folder, end, stride, names):
    selection = Selection(Moment(1), end and Moment(end), stride)
    source = open_source([str(folder)], selection=selection, same_length=True)
    assert source.count == len(names)
    assert [pair.name for pair in source.pairs()] == [f"frame{name}" for name in names]


def test_two_images_stay_one_pair(folder):
    source = open_source([str(folder / "frame5.png"), str(folder / "frame3.png")], same_length=True)
    assert source.count == 1
    assert numbers(source) == [(5, 3)]


def test_as_many_pairs_as_raw_frames(moving_frames):
    source = raw(moving_frames(4), (48, 64), same_length=True)
    assert source.count is None
    assert [pair.name for pair in source.pairs()] == [f"frame_{k:06d}" for k in range(4)]


def test_after_a_damaged_frame_nothing_is_repeated(folder):
    (folder / "frame4.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    pairs = open_source([str(folder)], same_length=True).pairs()
    assert [next(pairs).name for _ in range(3)] == ["frame0", "frame1", "frame2"]
    with pytest.raises(FormatError, match=r"frame4\.png"):
        next(pairs)
