from fractions import Fraction
from pathlib import Path

import pytest

from flowcli.errors import InputError
from flowcli.io.frames import Moment, Selection, expand_glob, list_images, natural_key


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("120", 120),
        ("4.5", Fraction(9, 2)),
        ("4s", Fraction(4)),
        ("1:30", Fraction(90)),
        ("1:02:03.5", Fraction(7447, 2)),
    ],
)
def test_moments_are_frame_numbers_or_times(text, value):
    moment = Moment.parse(text)
    assert moment.value == value
    assert type(moment.value) is type(value)


@pytest.mark.parametrize("text", ["", "soon", "-3", "1:", "1:2:3:4", "4 s", "٣", "1e3"])
def test_other_text_is_no_moment(text):
    with pytest.raises(ValueError, match="expected a frame number"):
        Moment.parse(text)


def test_a_time_selects_the_first_frame_at_or_after_it():
    fps = Fraction(10)
    assert Moment(Fraction(1, 2)).index(None, fps) == 5
    assert Moment(Fraction(51, 100)).index(None, fps) == 6
    times = [Fraction(0), Fraction(1, 10), Fraction(2)]
    assert [Moment(Fraction(t)).index(times, fps) for t in ("0", "0.1", "0.2", "2", "3")] == [0, 1, 2, 2, 3]


def test_selection_is_clamped_to_what_there_is():
    selection = Selection(Moment(3), Moment(99), 2)
    assert selection.indices(10, Fraction(25)) == (3, 10)
    assert selection.indices(None, Fraction(25)) == (3, 99)
    assert Selection().indices(None, Fraction(25)) == (0, None)


def test_a_stride_below_one_is_refused():
    with pytest.raises(InputError, match="at least 1 frame, got 0"):
        Selection(stride=0)


def test_natural_order_counts():
    names = ["f10.png", "f9.png", "F2.png", "f02b.png", "f2.png", "10.png", "9.png", "a.png"]
    ordered = [path.name for path in sorted(map(Path, names), key=natural_key)]
    assert ordered == ["9.png", "10.png", "a.png", "F2.png", "f2.png", "f02b.png", "f9.png", "f10.png"]
    assert len({natural_key(Path(name)) for name in names}) == len(names)


def test_folders_list_their_images_only(tmp_path):
    for name in ("f10.png", "f9.PNG", "notes.txt", ".f8.png"):
        (tmp_path / name).touch()
    (tmp_path / "f11.jpg").touch()
    assert [path.name for path in list_images(tmp_path)] == ["f9.PNG", "f10.png", "f11.jpg"]


def test_globs_are_sorted_and_must_match(tmp_path):
    for name in ("f10.png", "f9.png"):
        (tmp_path / name).touch()
    (tmp_path / "f1.png").mkdir()
    assert [path.name for path in expand_glob(f"{tmp_path}/f*.png")] == ["f9.png", "f10.png"]
    with pytest.raises(InputError, match="no file matches"):
        expand_glob(f"{tmp_path}/g*.png")
