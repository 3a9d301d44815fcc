"""Names of items from run to run: who was there first keeps its name."""

import os
from pathlib import Path

import pytest

from flowcli.errors import OutputError
from flowcli.jobs.attempt import Attempt
from flowcli.jobs.journal import Journal
from flowcli.jobs.plan import plan_batch


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def touch(*names):
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(os.fsencode(name))


def run(*inputs):
    """Plan a batch and note its items in the journal of the folder; returns their names."""
    items = plan_batch(inputs, Path("out"))
    Path("out/.flowcli").mkdir(parents=True, exist_ok=True)
    journal = Journal(Path("out/.flowcli/journal.jsonl"))
    for item in items:
        journal.start(item.name, "flow.flo", Attempt(item.origin, item.fingerprint(), {}, None, None))
    journal.close()
    return {item.inputs[0]: item.name for item in items}


def test_a_newcomer_with_the_same_stem_gets_the_longer_name():
    touch("in/clip.mp4")
    assert run("in") == {"in/clip.mp4": "clip"}
    touch("in/clip.mkv", "in/clip/0.png", "in/clip/1.png")
    assert run("in") == {"in/clip": "in/clip", "in/clip.mkv": "clip.mkv", "in/clip.mp4": "clip"}
    assert run("in") == {"in/clip": "in/clip", "in/clip.mkv": "clip.mkv", "in/clip.mp4": "clip"}
    # Gone and back again.
    Path("in/clip.mp4").rename("clip.mp4")
    assert run("in") == {"in/clip": "in/clip", "in/clip.mkv": "clip.mkv"}
    Path("clip.mp4").rename("in/clip.mp4")
    assert run("in")["in/clip.mp4"] == "clip"


def test_a_second_root_moves_nothing():
    touch("one/day/clip.mp4", "two/day/clip.mp4")
    assert run("one") == {"one/day/clip.mp4": "day/clip"}
    assert run("two", "one") == {"two/day/clip.mp4": "two/day/clip.mp4", "one/day/clip.mp4": "day/clip"}
    # And from another root it is the same input.
    assert run("one/day") == {"one/day/clip.mp4": "day/clip"}


def test_two_newcomers_both_get_the_longer_name():
    touch("one/day/clip.mp4", "two/day/clip.mp4")
    both = {"one/day/clip.mp4": "one/day/clip.mp4", "two/day/clip.mp4": "two/day/clip.mp4"}
    assert run("one", "two") == both
    # Whichever is asked for later, and whatever else comes.
    assert run("two") == {"two/day/clip.mp4": "two/day/clip.mp4"}
    touch("three/day/clip.mp4")
    assert run("one", "two", "three") == both | {"three/day/clip.mp4": "three/day/clip.mp4"}


def test_names_do_not_depend_on_how_much_of_a_plan_is_noted_already():
    touch("in/clip.mp4", "in/clip.mkv")
    expected = {item.inputs[0]: item.name for item in plan_batch(["in"], Path("out"))}
    assert expected == {"in/clip.mp4": "clip.mp4", "in/clip.mkv": "clip.mkv"}
    Path("out/.flowcli").mkdir(parents=True)
    journal = Journal(Path("out/.flowcli/journal-1-of-2.jsonl"))
    origin = [str(Path("in/clip.mkv").resolve())]
    journal.start("clip.mkv", "flow.flo", Attempt(origin, "x", {}, None, None))
    journal.close()
    assert {item.inputs[0]: item.name for item in plan_batch(["in"], Path("out"))} == expected


def test_inputs_that_were_moved_keep_their_names():
    touch("in/day/clip.mp4")
    assert run("in") == {"in/day/clip.mp4": "day/clip"}
    Path("in").rename("elsewhere")
    assert run("elsewhere") == {"elsewhere/day/clip.mp4": "day/clip"}


def test_names_that_differ_in_case_alone_are_told_apart():
    touch("in/Clip.mp4", "in/clip.mkv")
    assert run("in") == {"in/Clip.mp4": "Clip.mp4", "in/clip.mkv": "clip.mkv"}


def test_links_keep_their_own_names():
    touch("in/m.mp4")
    assert run("in") == {"in/m.mp4": "m"}
    Path("in/a.mp4").symlink_to("m.mp4")
    assert run("in") == {"in/m.mp4": "m", "in/a.mp4": "a"}
    assert run("in") == {"in/m.mp4": "m", "in/a.mp4": "a"}


def test_a_list_says_the_names_of_its_pairs():
    touch("0.png", "1.png", "2.png")
    Path("pairs.csv").write_text("name,frame1,frame2\nfirst,0.png,1.png\n")
    assert [item.name for item in plan_batch(["pairs.csv"], Path("out"))] == ["first"]
    run("pairs.csv")
    Path("pairs.csv").write_text("name,frame1,frame2\nother,0.png,1.png\n")
    assert [item.name for item in plan_batch(["pairs.csv"], Path("out"))] == ["other"]
    # The name belongs to other frames already.
    Path("pairs.csv").write_text("name,frame1,frame2\nfirst,0.png,2.png\n")
    assert [item.name for item in plan_batch(["pairs.csv"], Path("out"))] == ["first.png"]


def test_the_longest_names_leave_room_for_the_endings_of_outputs():
    names = ["x" * 246 + ".mp4", "x" * 245 + "y.mp4", "ä" * 125 + ".mp4"]
    touch(*(f"in/{name}" for name in names))
    found = [item.name for item in plan_batch(["in"], Path("out"))]
    assert len(set(found)) == 3
    assert all(len(os.fsencode(f"{name}.flow.backward.webm")) <= 255 for name in found)
    assert found == [item.name for item in plan_batch(["in"], Path("out"))]


def test_a_name_that_is_no_text():
    name = os.fsdecode(b"in/caf\xe9.mp4")
    touch(name)
    assert run("in") == {name: os.fsdecode(b"caf\xe9")}
    assert run("in") == {name: os.fsdecode(b"caf\xe9")}


def test_a_damaged_journal_is_told_before_anything_is_done():
    touch("in/clip.mp4", "out/.flowcli/journal.jsonl")
    Path("out/.flowcli/journal.jsonl").write_text("no journal\n")
    with pytest.raises(OutputError, match="line 1 of the journal is damaged"):
        plan_batch(["in"], Path("out"))
