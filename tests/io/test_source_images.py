"""What a sequence of image files is: its range of values, its gaps, and files that hold several images."""

import io
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image
from tiff_files import make_tiff

from flowcli.errors import FormatError, InputError, UsageError
from flowcli.io.flow.listing import list_flows
from flowcli.io.frames import Moment, Selection, find_gaps, survey_folder
from flowcli.io.image import ValueRange, write_image
from flowcli.io.sources import expect_pairs, open_source


def write_deep(folder, frames, shift, name="f{:03d}.png"):
    for k, frame in enumerate(frames):
        pixels = frame.astype(np.uint16)
        cv2.imwrite(str(folder / name.format(k)), (pixels << shift if shift >= 0 else pixels >> -shift)[..., ::-1])


def frames_of(source):
    pairs = list(source.pairs())
    return [pairs[0].frame1, *(pair.frame2 for pair in pairs)]


# --- the range of values ---


@pytest.mark.parametrize("shift", [0, 1, 2, 4])
def test_a_folder_of_a_camera_with_few_bits_gives_its_8_bits(shift, tmp_path, moving_frames):
    frames = moving_frames(20)
    write_deep(tmp_path, frames, shift)
    source = open_source([str(tmp_path)])
    assert all((found == frame).all() for found, frame in zip(frames_of(source), frames, strict=True))
    (note,) = source.notes
    assert note.startswith(f"{tmp_path}: 16-bit samples: the values 0:{2 ** (8 + shift) - 1} become black to white")


def test_the_range_is_that_of_the_whole_sequence_wherever_it_is_read(tmp_path, moving_frames):
    frames = moving_frames(40)
    write_deep(tmp_path, frames // 4, 2)
    write_deep(tmp_path, frames[:3], 6, "late{:03d}.png")  # sorted last, sixteen times brighter
    whole = frames_of(open_source([str(tmp_path)]))
    part = frames_of(open_source([str(tmp_path)], selection=Selection(Moment(5), Moment(9))))
    assert all((a == b).all() for a, b in zip(part, whole[5:9], strict=True))
    assert whole[42].max() > 200


def test_both_frames_of_a_pair_have_one_range(tmp_path, moving_frames):
    frames = moving_frames(2)
    write_deep(tmp_path, [frames[0] // 8, frames[1]], 2)
    first, second = frames_of(open_source([str(tmp_path / "f000.png"), str(tmp_path / "f001.png")]))
    np.testing.assert_array_equal(first, frames[0] // 8)
    np.testing.assert_array_equal(second, frames[1])


def test_a_range_that_is_named(tmp_path, moving_frames):
    frames = moving_frames(3)
    write_deep(tmp_path, frames, 2)
    full = open_source([str(tmp_path)], values="full")
    assert full.notes == ()
    assert frames_of(full)[0].max() == frames[0].max() >> 6
    named = open_source([str(tmp_path)], values=ValueRange(0, 511))
    assert named.notes == ()
    np.testing.assert_array_equal(frames_of(named)[0], (frames[0].astype(int) * 2).clip(0, 255))


def test_8_bit_frames_have_no_range_and_no_note(tmp_path, moving_frames):
    for k, frame in enumerate(moving_frames(3)):
        write_image(tmp_path / f"{k}.png", frame // 3)
    source = open_source([str(tmp_path)])
    assert source.notes == ()
    assert (frames_of(source)[0] == moving_frames(1)[0] // 3).all()


def test_a_range_is_not_for_videos(tmp_path, make_video, moving_frames):
    path = make_video("clip.mp4", moving_frames(4))
    with pytest.raises(UsageError, match="--range LOW:HIGH is for images"):
        open_source([str(path)], values=ValueRange(0, 99))
    with pytest.raises(UsageError, match="--range LOW:HIGH is for images"):
        open_source(["-"], size=(4, 4), stdin=io.BytesIO(), values=ValueRange(0, 99))


# --- gaps and other files ---


@pytest.mark.parametrize(
    ("names", "gaps"),
    [
        (["001", "002", "004"], [("002", "004", 1)]),
        (["frame_1", "frame_2", "frame_3", "frame_10", "frame_11"], [("frame_3", "frame_10", 6)]),
        (["a0_08", "a0_09", "a0_10", "a0_12", "b0_01", "b0_02"], [("a0_10", "a0_12", 1)]),
        (["0000", "0010", "0020", "0040", "0050"], [("0020", "0040", 1)]),
        (["0", "5", "10", "15"], []),
        (["1403636579763555584", "1403636579813555456", "1403636579863555584", "1403636579963555584"], []),
        (["first", "second"], []),
        (["1"], []),
        (["7", "9"], []),
    ],
)
def test_numbers_that_are_missing(names, gaps):
    found = find_gaps([Path(f"{name}.png") for name in names])
    assert [(before.stem, after.stem, count) for before, after, count in found] == gaps


def test_gaps_and_other_files_are_said_once_and_strict_refuses_them(tmp_path, moving_frames):
    for k in (1, 2, 4, 5, 9):
        write_image(tmp_path / f"{k:03d}.png", moving_frames(1)[0])
    for name in ("a.gif", "notes.txt", "b.gif", "c.gif", ".hidden", "Thumbs.db"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    others, gaps = open_source([str(tmp_path)]).notes
    assert others == f"{tmp_path}: 4 other files (a.gif, b.gif, c.gif, ...) left out, by name no frames"
    assert gaps == (
        f"{tmp_path}: 4 frames are missing by number (002.png -> 004.png, 005.png -> 009.png); "
        "these pairs span more than one step"
    )
    with pytest.raises(
        InputError, match=r"4 other files .*; 4 frames are missing by number .*; --strict allows neither"
    ):
        open_source([str(tmp_path)], strict=True)
    globbed = open_source([f"{tmp_path}/*.png"])
    assert "002.png -> 004.png" in globbed.notes[0] and len(globbed.notes) == 1
    with pytest.raises(InputError, match="missing by number"):
        open_source([f"{tmp_path}/*.png"], strict=True)
    # Only what is used matters.
    assert open_source([f"{tmp_path}/*.png"], selection=Selection(end=Moment(2)), strict=True).count == 1
    assert open_source([str(tmp_path / "001.png"), str(tmp_path / "009.png")], strict=True).notes == ()


def test_a_folder_without_frames_says_what_is_in_it(tmp_path):
    for name in ("a.gif", "b.gif"):
        (tmp_path / name).touch()
    assert survey_folder(tmp_path) == ([], [tmp_path / "a.gif", tmp_path / "b.gif"])
    with pytest.raises(InputError, match=r"at least two images, found 0 and 2 other files \(a\.gif, b\.gif\)"):
        open_source([str(tmp_path)])


@pytest.mark.parametrize("text", ["", "  "])
def test_an_empty_name_is_not_the_current_folder(text, tmp_path, monkeypatch, moving_frames):
    monkeypatch.chdir(tmp_path)
    for k, frame in enumerate(moving_frames(3)):
        write_image(f"{k}.png", frame)
    with pytest.raises(UsageError, match="got an empty one"):
        open_source([text])
    with pytest.raises(UsageError, match="got an empty one"):
        open_source(["0.png", text])
    with pytest.raises(UsageError, match="got an empty one"):
        list_flows([text])


# --- one file with several images ---


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
@pytest.mark.parametrize(
    "options", [{}, {"bigtiff": True}, {"compression": "zlib", "predictor": False}, {"tile": (16, 16)}]
)
def test_a_tiff_of_several_pages_is_a_sequence(dtype, options, tmp_path, moving_frames):
    frames = moving_frames(6)
    pages = frames if dtype == "u1" else (frames.astype(dtype) * (4 if dtype == "u2" else 1 / 255)).astype(dtype)
    tifffile.imwrite(tmp_path / "stack.tif", pages, photometric="rgb", **options)
    source = open_source([str(tmp_path / "stack.tif")], fps=Fraction(10))
    assert (source.stem, source.size, source.count, source.fps) == ("stack", (48, 64), 5, 10)
    assert [pair.name for pair in source.pairs(3)] == ["stack_000003", "stack_000004"]
    for found, frame in zip(frames_of(source), frames, strict=True):
        np.testing.assert_array_equal(found, frame)
    assert len(source.notes) == (dtype != "u1")
    assert expect_pairs([str(tmp_path / "stack.tif")], Selection(), None) == 5


def test_previews_and_pages_of_another_size_are_no_frames(tmp_path, moving_frames):
    frames = moving_frames(3)
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        for frame in frames:
            writer.write(frame, photometric="rgb")
            writer.write(frame[::4, ::4], photometric="rgb", subfiletype=1)
    found = frames_of(open_source([str(tmp_path / "a.tif")]))
    assert all((a == b).all() for a, b in zip(found, frames, strict=True))


def test_a_large_stack_is_mapped(tmp_path, monkeypatch, moving_frames):
    monkeypatch.setattr("flowcli.io.sources.stack._READ_AT_MOST", 100)
    frames = moving_frames(4)
    data = make_tiff(frames[0], more_pages=frames[1:], compression="lzw", predictor=2)
    for name, content in (("a.tif", data), ("b.tif", make_tiff(frames[0], more_pages=frames[1:]))):
        (tmp_path / name).write_bytes(content)
        found = frames_of(open_source([str(tmp_path / name)]))
        assert all((a == b).all() for a, b in zip(found, frames, strict=True))


@pytest.mark.parametrize("kind", ["WEBP", "PNG"])
def test_an_animation_is_a_sequence_with_its_times(kind, tmp_path, moving_frames):
    frames = moving_frames(5)
    images = [Image.fromarray(frame) for frame in frames]
    path = tmp_path / f"a.{kind.lower()}"
    options = {"lossless": True} if kind == "WEBP" else {}
    images[0].save(path, save_all=True, append_images=images[1:], duration=[40, 80, 40, 40, 200], **options)
    source = open_source([str(path)])
    assert source.count == 4
    assert source.fps == Fraction(5) / Fraction("0.4")
    pairs = list(source.pairs())
    assert [pair.time for pair in pairs] == [0, Fraction("0.04"), Fraction("0.12"), Fraction("0.16")]
    for found, frame in zip(frames_of(source), frames, strict=True):
        np.testing.assert_array_equal(found, frame)
    part = list(source.pairs(2, 3))
    np.testing.assert_array_equal(part[0].frame1, frames[2])
    with pytest.raises(UsageError, match="an animation knows its times"):
        open_source([str(path)], fps=Fraction(10))


def test_an_apng_whose_first_picture_is_no_frame(tmp_path, moving_frames):
    frames = [Image.fromarray(frame) for frame in moving_frames(3)]
    cover = Image.new("RGB", frames[0].size, "red")
    cover.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=50)
    found = frames_of(open_source([str(tmp_path / "a.png")]))
    assert all((a == np.asarray(b)).all() for a, b in zip(found, frames, strict=True))


def test_a_single_image_is_no_sequence(tmp_path, moving_frames):
    for name in ("a.tif", "a.webp", "a.png"):
        write_image(tmp_path / name, moving_frames(1)[0])
        with pytest.raises(InputError, match=r"got a single image"):
            open_source([str(tmp_path / name)])


def test_a_damaged_page_ends_the_sequence(tmp_path, moving_frames):
    frames = moving_frames(4)
    data = bytearray(make_tiff(frames[0], more_pages=frames[1:], compression="deflate", strip_rows=48))
    third = [at for at in range(len(data)) if data[at : at + 2] == b"\x78\x9c"][2]
    data[third + 10 : third + 20] = bytes(10)
    (tmp_path / "a.tif").write_bytes(data)
    pairs = open_source([str(tmp_path / "a.tif")]).pairs()
    assert next(pairs).name == "a_000000"
    with pytest.raises(FormatError, match=r"a\.tif"):
        next(pairs)


def test_files_of_several_pages_in_a_folder_give_their_first_and_say_so(tmp_path, moving_frames):
    frames = moving_frames(4)
    for k in range(2):
        tifffile.imwrite(tmp_path / f"{k}.tif", frames[2 * k : 2 * k + 2], photometric="rgb")
    source = open_source([str(tmp_path)])
    assert [found.tolist() for found in frames_of(source)] == [frames[0].tolist(), frames[2].tolist()]
    assert source.notes == (
        f"{tmp_path}: 0.tif holds 2 images, of which the first is used; by itself it is a sequence",
    )


def test_two_gifs_that_are_named_are_stills(tmp_path, moving_frames):
    for k, frame in enumerate(moving_frames(2)):
        Image.fromarray(frame).save(tmp_path / f"{k}.gif")
    assert open_source([str(tmp_path / "0.gif"), str(tmp_path / "1.gif")]).count == 1
