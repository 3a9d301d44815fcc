from fractions import Fraction
from pathlib import Path

import cv2
import imageio.v3 as imageio
import numpy as np
import pytest
from PIL import Image

from flowcli import __version__
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.frames import list_images
from flowcli.io.image import encode_image, write_image, write_result
from flowcli.io.own_results import describe_left_out, is_marked, is_result_file, is_result_folder
from flowcli.io.sources import open_source
from flowcli.io.video.write import VideoSink

PICTURE = np.random.default_rng(3).integers(0, 256, (9, 14, 3)).astype(np.uint8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("g").mkdir()
    for name in ("001.png", "002.png", "001.flow.png", "001.flow.backward.png", "002.occlusion.jpg"):
        write_image(Path("g") / name, np.zeros((8, 9, 3), np.uint8))


@pytest.mark.parametrize(
    "name", ["001.flow.png", "a.flow.mp4", "a.backward.png", "a.flow.backward.webm", "a.occlusion.mp4"]
)
def test_names_of_results(name):
    assert is_result_file(Path(name))


@pytest.mark.parametrize("name", ["001.png", "flow.png", "flow.mp4", "overflow.png", "a.flow", "a.v2.mp4", ".flow.png"])
def test_names_of_other_files(name):
    assert not is_result_file(Path(name))


def test_folders_of_results():
    assert is_result_folder(Path("a.flow"))
    assert not is_result_folder(Path("g"))
    Path("g/.flowcli").mkdir()
    assert not is_result_folder(Path("g"))
    Path("g/.flowcli/journal-1-of-2.jsonl").touch()
    assert is_result_folder(Path("g"))


def test_results_are_no_frames():
    assert [path.name for path in list_images(Path("g"))] == ["001.png", "002.png"]
    for text in ("g", "g/*"):
        source = open_source([text])
        assert (source.count, source.name(0)) == (1, "001")
        assert describe_left_out([text]) == "left out as results of flowcli: g/001.flow.backward.png and 2 more"
    assert describe_left_out(["g/00?.png", "g/001.png", "absent"]) is None


def test_who_names_them_means_them():
    assert open_source(["g/*.flow*.png"]).count == 1
    assert describe_left_out(["g/*.flow*.png"]) is None
    assert open_source(["g/001.png", "g/001.flow.png"]).is_pair


def test_other_readers_see_the_pixels_and_the_mark_of_a_picture():
    write_result("p.png", PICTURE)
    assert is_marked(Path("p.png"))
    with Image.open("p.png") as image:
        assert image.text == {"Software": f"flowcli {__version__}"}  # pyright: ignore[reportAttributeAccessIssue]
        assert np.array_equal(np.asarray(image), PICTURE)
    assert np.array_equal(np.asarray(cv2.imread("p.png", cv2.IMREAD_UNCHANGED))[..., ::-1], PICTURE)
    assert np.array_equal(imageio.imread("p.png"), PICTURE)
    # Nothing but the chunk is other than in a picture that is no result.
    plain = encode_image(PICTURE, ".png")
    marked = Path("p.png").read_bytes()
    assert marked[:33] + marked[33 + 12 + len(f"Software.flowcli {__version__}") :] == plain


def test_other_readers_see_kitti_flow():
    uv = np.full((4, 6, 2), (1.5, -2), np.float32)
    write_flow("f.png", FlowField(uv))
    assert is_marked(Path("f.png"))
    read = np.asarray(cv2.imread("f.png", cv2.IMREAD_UNCHANGED))
    assert (read.dtype, read[1, 2].tolist()) == (np.uint16, [1, 2**15 - 128, 2**15 + 96])


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif"])
@pytest.mark.parametrize("comment", [f"flowcli {__version__}: optical flow", "made by hand"])
def test_videos_are_told_by_their_comment(name, comment):
    with VideoSink(Path(name), fps=Fraction(25), aspect=Fraction(1), comment=comment) as sink:
        for k in range(3):
            sink.write("", np.roll(np.tile(PICTURE, (4, 4, 1)), k, 1), Fraction(k, 25), Fraction(1, 25))
    assert is_marked(Path(name)) == comment.startswith("flowcli")


def test_exr_flow_is_told_by_its_channels():
    write_flow("f.exr", FlowField(np.zeros((4, 6, 2), np.float32)))
    assert is_marked(Path("f.exr"))


def test_what_bears_no_mark():
    with Image.fromarray(PICTURE) as image:
        image.save("a.png")
        image.save("a.gif")
    # A box of no length, and one that leads back, must not hold up the search.
    for name, content in {"a.mp4": b"\0\0\0\x18ftypisom" + bytes(200), "b.mp4": b"\0\0\0\x08ftyp" * 99}.items():
        Path(name).write_bytes(content)
    Path("cut.png").write_bytes(Path("a.png").read_bytes()[:20])
    for name in ("a.png", "a.gif", "a.mp4", "b.mp4", "cut.png", "absent.png", "g"):
        assert not is_marked(Path(name)), name


def test_results_beside_frames_of_another_kind_are_no_frames():
    Path("j").mkdir()
    for number in (1, 2):
        Image.fromarray(PICTURE).save(f"j/{number}.jpg")
        write_result(f"j/{number}.png", PICTURE)
    assert [path.name for path in list_images(Path("j"))] == ["1.jpg", "2.jpg"]
    assert describe_left_out(["j"]) == "left out as results of flowcli: j/1.png and 1 more"
