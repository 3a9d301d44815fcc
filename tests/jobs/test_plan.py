import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from flowcli import __version__
from flowcli.errors import FormatError, InputError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_result
from flowcli.io.video.write import VideoSink
from flowcli.jobs.plan import BatchItem, plan_batch


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """in/{clip10.mp4, clip9.mkv, notes.dat, day/{clip9.mp4, frames/{0.png, 1.png}}, one/only.png, .hidden/x.mp4}"""
    monkeypatch.chdir(tmp_path)
    for name in (
        "in/clip10.mp4",
        "in/clip9.mkv",
        "in/notes.dat",
        "in/day/clip9.mp4",
        "in/day/frames/0.png",
        "in/day/frames/1.png",
        "in/one/only.png",
        "in/.hidden/x.mp4",
    ):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(name.encode())
    return tmp_path


def plan(*inputs, output="out"):
    return [(item.name, item.inputs) for item in plan_batch(inputs, Path(output))]


def test_a_folder_is_searched_for_videos_and_folders_of_frames(tree):
    assert plan("in") == [
        ("clip9", ("in/clip9.mkv",)),
        ("clip10", ("in/clip10.mp4",)),
        ("day/clip9", ("in/day/clip9.mp4",)),
        ("day/frames", ("in/day/frames",)),
    ]


def test_inputs_keep_the_order_given_and_globs_are_expanded(tree):
    assert [name for name, _ in plan("in/day/frames", "in/clip10.mp4")] == ["frames", "clip10"]
    assert [name for name, _ in plan("in/clip*")] == ["clip9", "clip10"]
    # Named by itself, a file is tried whatever it is called.
    assert plan("in/notes.dat") == [("notes", ("in/notes.dat",))]


def test_equal_names_are_told_apart(tree):
    Path("in/clip10.mkv").touch()
    assert [name for name, _ in plan("in/clip10.mp4", "in/clip10.mkv")] == ["clip10.mp4", "clip10.mkv"]
    Path("in/clip9.mp4").touch()
    assert [name for name, _ in plan("in/clip9.mp4", "in/day/clip9.mp4")] == ["in/clip9.mp4", "day/clip9.mp4"]
    # The same input over again is one item.
    assert [name for name, _ in plan("in/clip9.mp4", "in/clip9.mp4")] == ["clip9"]


def test_a_pair_list(tree):
    Path("in/pairs.csv").write_text(
        "name,frame1,frame2,note\nfirst,day/frames/0.png,day/frames/1.png,x\n,day/frames/1.png,one/only.png,\n"
    )
    assert plan("in/pairs.csv") == [
        ("first", ("in/day/frames/0.png", "in/day/frames/1.png")),
        ("1", ("in/day/frames/1.png", "in/one/only.png")),
    ]
    Path("in/pairs.csv").write_text("dataset,name,frame1,frame2,flow\nsintel,alley,a.png,b.png,c.flo\n")
    assert plan("in/pairs.csv") == [("sintel/alley", ("in/a.png", "in/b.png"))]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "got no header"),
        ("a,b\n1,2\n", "got a,b"),
        ("frame1,frame2\na.png,\n", "got none in line 2"),
        ("name,frame1,frame2\n../x,a.png,b.png\n", r"expected a plain name in line 2, got \.\./x"),
        ("name,frame1,frame2\n/x,a.png,b.png\n", "expected a plain name"),
        ("frame1,frame2\n\xff", "UTF-8"),
        ("frame1,frame2\na.png,b\0.png\n", "(got a zero byte in line 2|NUL)"),
        ("frame1,frame2,name\na.png,b.png,x\0\n", "(got a zero byte in line 2|NUL)"),
    ],
)
def test_what_is_no_pair_list(tree, text, expected):
    Path("in/pairs.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match=rf"pairs\.csv: .*{expected}"):
        plan("in/pairs.csv")


def test_a_name_longer_than_the_system_takes_is_the_fault_of_its_item(tree):
    long = "y" * 300
    Path("in/pairs.csv").write_text(f"frame1,frame2\n{long}.png,b.png\na.png,b.png\n")
    assert [inputs for _, inputs in plan("in/pairs.csv")] == [(f"in/{long}.png", "in/b.png"), ("in/a.png", "in/b.png")]


def test_the_output_folder_is_not_searched(tree):
    Path("in/out").mkdir()
    Path("in/out/clip9.flow.mp4").touch()
    assert all("out" not in inputs[0] for _, inputs in plan("in", output="in/out"))
    with pytest.raises(InputError, match="is both input and output"):
        plan("in", output="in/../in")
    Path("link").symlink_to("in")
    with pytest.raises(InputError, match="is both input and output"):
        plan("in", output="link")


def test_results_are_no_inputs(tree):
    for name in ("clip10.flow.mp4", "clip10.flow.backward.webm", "clip10.occlusion.mp4", "earlier/x.mp4"):
        Path("in", name).parent.mkdir(exist_ok=True)
        Path("in", name).touch()
    for name in ("clip9.flow/0.png", "clip9.flow/1.png", "day/frames/0.flow.png", "day/frames/0.occlusion.png"):
        Path("in", name).parent.mkdir(exist_ok=True)
        Path("in", name).touch()
    Path("in/earlier/.flowcli").mkdir()
    Path("in/earlier/.flowcli/journal.jsonl").touch()
    said = []
    names = [item.name for item in plan_batch(["in"], Path("out"), said.append)]
    assert names == ["clip9", "clip10", "day/clip9", "day/frames"]
    assert said == ["left out as results of flowcli: in/clip9.flow and 4 more"]
    frames = BatchItem("frames", ("in/day/frames",))
    before = frames.fingerprint()
    Path("in/day/frames/1.flow.png").touch()
    assert frames.fingerprint() == before
    # Who names it means it.
    assert plan("in/earlier") == [("x", ("in/earlier/x.mp4",))]
    assert plan("in/clip10.flow.mp4") == [("clip10.flow", ("in/clip10.flow.mp4",))]
    assert plan("in/clip10*.mp4") == [("clip10", ("in/clip10.mp4",))]
    with pytest.raises(InputError, match=r"found none of them but results of flowcli \(only/a\.flow\.mp4\)"):
        Path("only").mkdir()
        Path("only/a.flow.mp4").touch()
        plan("only")


def test_what_is_not_there(tree):
    with pytest.raises(InputError, match=r"nowhere\.mp4: no such file or folder"):
        plan("nowhere.mp4")
    with pytest.raises(InputError, match="no file matches"):
        plan("in/z*.mp4")
    with pytest.raises(InputError, match="in/one: expected videos, frames or a pair list, found none"):
        plan("in/one")


def test_fingerprints_change_with_the_files(tree):
    clip = BatchItem("clip", ("in/clip9.mkv",))
    frames = BatchItem("frames", ("in/day/frames",))
    before = clip.fingerprint(), frames.fingerprint()
    assert (clip.fingerprint(), frames.fingerprint()) == before
    os.utime("in/clip9.mkv", ns=(1, 1))
    Path("in/day/frames/2.png").touch()
    assert clip.fingerprint() != before[0]
    assert frames.fingerprint() != before[1]
    touched = clip.fingerprint()
    Path("in/clip9.mkv").write_bytes(b"longer than before")
    os.utime("in/clip9.mkv", ns=(1, 1))
    assert clip.fingerprint() != touched
    Path("in/clip9.mkv").unlink()
    with pytest.raises(InputError, match=r"clip9\.mkv: cannot be read: No such file"):
        clip.fingerprint()


def test_results_in_other_places_are_no_inputs_unless_named(tree):
    """What `estimate -o in/flow/ --format kitti -v in/viz/` and `render -o in/r.mp4` leave among the inputs."""
    picture = np.zeros((16, 16, 3), np.uint8)
    for folder in ("in/viz/more", "in/day/flow"):
        Path(folder).mkdir(parents=True)
    for k in range(2):
        write_result(f"in/viz/{k}.png", picture)
        write_flow(f"in/day/flow/{k}.png", FlowField(np.zeros((16, 16, 2), np.float32)))
    with VideoSink(Path("in/r.mp4"), fps=Fraction(25), aspect=Fraction(1), comment=f"flowcli {__version__}") as sink:
        sink.write("0", picture, Fraction(0), Fraction(1, 25))
    Path("in/viz/more/filmed.mp4").write_bytes(b"a video")
    said: list[str] = []
    names = [item.name for item in plan_batch(["in"], Path("out"), said.append)]
    assert names == ["clip9", "clip10", "day/clip9", "day/frames", "viz/more/filmed"]
    assert said == ["left out as results of flowcli: in/day/flow and 2 more"]
    assert [name for name, _ in plan("in/*.mp4")] == ["clip10"]
    assert [name for name, _ in plan("in/viz", "in/r.mp4")] == ["viz", "more/filmed", "r"]
    assert [name for name, _ in plan("in/r.*")] == ["r"]


def test_an_empty_name_is_not_the_current_folder(tree):
    with pytest.raises(UsageError, match="got an empty one; is a variable unset"):
        plan("in", "")
