import errno
import json
from pathlib import Path

import pytest

from flowcli.errors import OutputError
from flowcli.io.own_results import STATE_FOLDER
from flowcli.jobs.attempt import Attempt, FileMark
from flowcli.jobs.journal import Journal

KIND = "flow.flo"


def begin(pairs=20, model="zero", **options):
    return Attempt(["/in/a.mp4"], "f00d", {"model": model}, pairs, 3.5, **options)


def latest(journal, item="a"):
    return list(journal.attempts(item, KIND).values())[-1]


def mark(**sizes):
    return {path.replace("_", "/"): FileMark(size, 5) for path, size in sizes.items()}


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert journal.attempts("a", KIND) == {}
    journal.start("a", KIND, begin())
    segment = {f"{STATE_FOLDER}/staged/0.mp4": FileMark(34, 5)}
    journal.part("a", KIND, begin(), 0, mark(a_0=12) | segment)
    journal.part("a", KIND, begin(), 1, mark(a_16=12))
    journal.start("b", KIND, begin(None))
    journal.end("a", KIND, begin(), 20, mark(a=56), "cut short")
    journal.close()
    again = Journal(path)
    assert again.attempts("a", KIND) == journal.attempts("a", KIND)
    found = latest(again)
    assert (found.origin, found.fingerprint, found.settings, found.scale) == (
        ["/in/a.mp4"],
        "f00d",
        {"model": "zero"},
        3.5,
    )
    assert (found.ended, found.pairs, found.fault) == (True, 20, "cut short")
    assert found.files == mark(a_0=12, a_16=12, a=56)
    assert not latest(again, "b").ended
    assert again.attempts("a", "pictures.mp4") == {}


def test_a_start_forgets(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.start("a", KIND, begin())
    journal.part("a", KIND, begin(), 0, mark(a=1))
    journal.start("a", KIND, begin(7))
    assert latest(journal).files == {}
    assert latest(journal).pairs == 7
    journal.close()


def test_other_settings_forget_nothing_until_they_are_done(tmp_path):
    path = tmp_path / "journal.jsonl"
    old, new = begin(), begin(model="other", staged=True)
    journal = Journal(path)
    journal.start("a", KIND, old)
    journal.end("a", KIND, old, 20, mark(a_0=12), None)
    journal.start("a", KIND, new)
    journal.part("a", KIND, new, 0, {f"{STATE_FOLDER}/staged/0": FileMark(13)})
    journal.close()
    journal = Journal(path)
    assert set(journal.attempts("a", KIND)) == {old.mark, new.mark}
    assert journal.attempts("a", KIND)[old.mark].files == mark(a_0=12)
    # Staged files do not carry their names.
    assert journal.attempts("a", KIND)[new.mark].files == {}
    journal.move("a", KIND, new, 20, mark(a_0=13), None)
    journal.close()
    journal = Journal(path)
    assert journal.attempts("a", KIND)[new.mark].moving
    journal.end("a", KIND, new, 20, mark(a_0=13), None)
    journal.close()
    found = Journal(path).attempts("a", KIND)
    assert list(found) == [new.mark]
    assert found[new.mark].files == mark(a_0=13)
    assert not found[new.mark].staged


def test_an_earlier_attempt_can_be_taken_up(tmp_path):
    path = tmp_path / "journal.jsonl"
    old, new = begin(), begin(model="other")
    journal = Journal(path)
    journal.start("a", KIND, old)
    journal.part("a", KIND, old, 0, mark(a_0=12))
    journal.start("a", KIND, new)
    journal.part("a", KIND, journal.attempts("a", KIND)[old.mark], 1, mark(a_16=12))
    journal.close()
    found = Journal(path).attempts("a", KIND)
    assert list(found) == [new.mark, old.mark]
    assert found[old.mark].files == mark(a_0=12, a_16=12)


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_torn_last_line_counts_as_not_written(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.start("a", KIND, begin())
    journal.part("a", KIND, begin(), 0, {"ä": FileMark(1)})
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Journal(path)
    assert latest(torn).parts == {}
    torn.part("a", KIND, begin(), 0, mark(b=2))
    torn.close()
    assert latest(Journal(path)).files == mark(b=2)


def test_the_journal_with_the_latest_start_counts_and_is_continued_here(tmp_path):
    first, second, third = (tmp_path / f"journal-{n}.jsonl" for n in "123")
    journal = Journal(first)
    journal.start("a", KIND, begin())
    journal.part("a", KIND, begin(), 0, mark(old=1))
    journal.start("b", KIND, begin())
    journal.close()
    journal = Journal(second, [first])
    journal.start("a", KIND, begin(7))
    journal.part("a", KIND, begin(7), 0, mark(a_0=12))
    journal.close()
    for order in ([first, second], [second, first]):
        assert latest(Journal(third, order)).files == mark(a_0=12)
    journal = Journal(third, [first, second])
    journal.part("a", KIND, latest(journal), 1, mark(a_16=12))
    journal.end("a", KIND, latest(journal), 7, {}, None)
    journal.end("b", KIND, latest(journal, "b"), 20, mark(b=3), None)
    journal.close()
    for journal in (Journal(third), Journal(first, [third, second])):
        assert latest(journal).files == mark(a_0=12, a_16=12)
        assert (latest(journal).ended, latest(journal).pairs, latest(journal).scale) == (True, 7, 3.5)
        assert latest(journal, "b").files == mark(b=3)


OLD = {
    "flow_suffix": ".flo",
    "pair_flow_suffix": ".flo",
    "picture_suffix": ".mp4",
    "backward": True,
    "occlusion": False,
    "selection": {"start": None, "end": None, "stride": 1},
    "fps": None,
    "resize": {"size": None, "factor": None},
    "look": {"style": "wheel", "scale": None, "legend": False},
    "part": 16,
}


def write_old(path, *, ended):
    settings = {"estimator": {"model": "zero"}, "outputs": OLD}
    start = {"event": "start", "item": "d/a", "origin": ["/in/a.mp4"], "fingerprint": "f00d", "settings": settings}
    part = {"d/a/0.flo": 12, "d/a.backward/0.flo": 12, ".flowcli/segments/x/000000.flow.mp4": 9}
    lines = [
        start | {"pairs": 2, "scale": 3.5, "turn": 0},
        {"event": "part", "item": "d/a", "part": 0, "files": part},
        {"event": "end", "item": "d/a", "pairs": 2, "files": {"d/a.flow.mp4": 30, "d/a.flow.backward.mp4": 31}}
        | {"fault": None},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines[: 3 if ended else 2]))


def test_a_journal_of_the_format_without_kinds_is_read(tmp_path):
    write_old(tmp_path / "journal.jsonl", ended=True)
    journal = Journal(tmp_path / "journal.jsonl")
    assert set(journal.kinds("d/a")) == {"flow.flo", "flow.backward.flo", "pictures.mp4", "pictures.backward.mp4"}
    (flow,) = journal.attempts("d/a", "flow.flo").values()
    assert flow.files == {"d/a/0.flo": FileMark(12)}
    assert (flow.ended, flow.pairs, flow.origin) == (True, 2, ["/in/a.mp4"])
    assert flow.settings["outputs"] == {key: OLD[key] for key in ("selection", "fps", "resize", "part")}
    (video,) = journal.attempts("d/a", "pictures.mp4").values()
    assert video.files == {"d/a.flow.mp4": FileMark(30)}
    assert video.settings["outputs"]["look"] == OLD["look"]  # pyright: ignore[reportIndexIssue]


def test_what_is_unfinished_in_it_is_continued_where_that_is_possible(tmp_path):
    write_old(tmp_path / "journal.jsonl", ended=False)
    journal = Journal(tmp_path / "journal.jsonl")
    assert set(journal.kinds("d/a")) == {"flow.flo", "flow.backward.flo"}
    (flow,) = journal.attempts("d/a", "flow.flo").values()
    assert flow.parts == {0: {"d/a/0.flo": FileMark(12)}}
    assert not flow.ended


GOOD = {"event": "start", "item": "a", "kind": KIND, "origin": ["/a"], "fingerprint": "f", "settings": {}} | {
    "pairs": 2,
    "scale": None,
    "staged": False,
    "turn": 0,
}


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b"3",
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b"9" * 5000,
        b'{"event": "part"}',
        b'{"event": "sleep", "item": "a"}',
        b'{"event": "part", "item": "a", "kind": "flow.flo", "part": 0, "files": {}}',
        *(
            json.dumps(GOOD | wrong).encode()
            for wrong in (
                {"item": 3},
                {"item": "../a"},
                {"item": "/a"},
                {"item": "\ud800"},
                {"item": "a\0"},
                {"origin": "a"},
                {"origin": []},
                {"origin": ["\ud800"]},
                {"settings": []},
                {"pairs": "many"},
                {"pairs": 10**30},
                {"scale": "wide"},
                {"scale": -1},
                {"scale": 10**400},
                {"turn": -1},
                {"kind": None},
            )
        ),
    ],
    ids=lambda line: line[:60].decode(errors="replace"),
)
def test_a_damaged_journal_is_refused_in_one_line(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_bytes(line + b"\n")
    with pytest.raises(OutputError, match="line 1 of the journal is damaged; remove the file to start") as caught:
        Journal(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("files", [{"../x": 1}, {"/x": 1}, {"a": "1"}, {"a": [1, 2, 3]}, {"a": -1}, [], {"": 1}])
def test_files_outside_the_folder_or_without_a_size_are_refused(tmp_path, files):
    path = tmp_path / "journal.jsonl"
    end = {"event": "end", "item": "a", "kind": KIND, "pairs": 1, "files": files, "fault": None}
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps(end) + "\n")
    with pytest.raises(OutputError, match="line 2 of the journal is damaged"):
        Journal(path)


def test_names_that_are_no_text_are_kept(tmp_path):
    name = b"caf\xe9".decode("utf-8", "surrogateescape")
    journal = Journal(tmp_path / "journal.jsonl")
    journal.start(name, KIND, begin())
    journal.end(name, KIND, begin(), 1, {name: FileMark(1)}, f"{name}: damaged")
    journal.close()
    assert latest(Journal(tmp_path / "journal.jsonl"), name).files == {name: FileMark(1)}


def test_a_journal_that_is_no_file_is_refused(tmp_path):
    (tmp_path / "journal.jsonl").mkdir()
    with pytest.raises(OutputError, match="found something that is no file"):
        Journal(tmp_path / "journal.jsonl")


def test_a_journal_that_is_removed_meanwhile_is_noticed(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.start("a", KIND, begin())
    path.unlink()
    with pytest.raises(OutputError, match="the journal was removed while the batch was running"):
        journal.part("a", KIND, begin(), 0, {})
    journal.close()


def test_a_full_disk_is_an_output_error(tmp_path):
    # Every write to this device fails as on a full disk.
    journal = Journal(tmp_path / "journal.jsonl")
    (tmp_path / "journal.jsonl").symlink_to(Path("/dev/full"))
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        journal.start("a", KIND, begin())
    assert journal.attempts("a", KIND) == {}
    journal.close()


@pytest.mark.parametrize(("number", "fatal"), [(errno.EINVAL, False), (errno.ENOSYS, False), (errno.EIO, True)])
def test_a_file_system_without_fsync_is_good_enough(tmp_path, monkeypatch, number, fatal):
    def fsync(_):
        raise OSError(number, "refused")

    monkeypatch.setattr("os.fsync", fsync)
    journal = Journal(tmp_path / "journal.jsonl")
    if fatal:
        with pytest.raises(OutputError, match="cannot be written: refused"):
            journal.start("a", KIND, begin())
    else:
        journal.start("a", KIND, begin())
    journal.close()
