import pytest

from flowcli.errors import OutputError
from flowcli.jobs.journal import ItemRecord, Journal


def record(pairs=20):
    return ItemRecord(["/in/a.mp4"], "f00d", {"model": "zero"}, pairs, 3.5)


def test_what_is_written_is_read_again(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    assert journal.items == {}
    journal.start("a", record())
    journal.part("a", 0, {"a/0.flo": 12, ".flowcli/segments/a/0.mp4": 34})
    journal.part("a", 1, {"a/16.flo": 12})
    journal.start("b", record(None))
    journal.end("a", 20, {"a.mp4": 56}, "cut short")
    journal.close()
    again = Journal(path)
    assert again.items == journal.items
    item = again.items["a"]
    assert (item.origin, item.fingerprint, item.settings, item.scale) == (["/in/a.mp4"], "f00d", {"model": "zero"}, 3.5)
    assert (item.ended, item.pairs, item.fault) == (True, 20, "cut short")
    assert item.files == {"a/0.flo": 12, ".flowcli/segments/a/0.mp4": 34, "a/16.flo": 12, "a.mp4": 56}
    assert not again.items["b"].ended


def test_a_start_forgets(tmp_path):
    journal = Journal(tmp_path / "journal.jsonl")
    journal.start("a", record())
    journal.part("a", 0, {"a": 1})
    journal.start("a", record(7))
    assert journal.items["a"].files == {}
    assert journal.items["a"].pairs == 7
    journal.close()


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_torn_last_line_counts_as_not_written(tmp_path, cut):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.start("a", record())
    journal.part("a", 0, {"ä": 1})
    journal.close()
    path.write_bytes(path.read_bytes()[:-cut])
    torn = Journal(path)
    assert torn.items["a"].parts == {}
    torn.part("a", 0, {"b": 2})
    torn.close()
    assert Journal(path).items["a"].files == {"b": 2}


def test_the_journal_with_the_latest_start_counts_and_is_continued_here(tmp_path):
    first, second, third = (tmp_path / f"journal-{n}.jsonl" for n in "123")
    journal = Journal(first)
    journal.start("a", record())
    journal.part("a", 0, {"old": 1})
    journal.start("b", record())
    journal.close()
    journal = Journal(second, [first])
    journal.start("a", record(7))
    journal.part("a", 0, {"a/0.flo": 12})
    journal.close()
    for order in ([first, second], [second, first]):
        assert Journal(third, order).items["a"].files == {"a/0.flo": 12}
    journal = Journal(third, [first, second])
    journal.part("a", 1, {"a/16.flo": 12})
    journal.end("a", 7, {}, None)
    journal.end("b", 20, {"b": 3}, None)
    journal.close()
    for journal in (Journal(third), Journal(first, [third, second])):
        assert journal.items["a"].files == {"a/0.flo": 12, "a/16.flo": 12}
        assert (journal.items["a"].ended, journal.items["a"].pairs, journal.items["a"].scale) == (True, 7, 3.5)
        assert journal.items["b"].files == {"b": 3}


@pytest.mark.parametrize("line", ["{", "[]", '{"event": "part"}', '{"event": "sleep", "item": "a"}', "3"])
def test_a_damaged_journal_is_refused(tmp_path, line):
    path = tmp_path / "journal.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(OutputError, match="line 1 of the journal is damaged; remove the file to start"):
        Journal(path)


def test_a_journal_that_is_removed_meanwhile_is_noticed(tmp_path):
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    journal.start("a", record())
    path.unlink()
    with pytest.raises(OutputError, match="the journal was removed while the batch was running"):
        journal.part("a", 0, {})
    journal.close()


def test_a_full_disk_is_an_output_error(tmp_path):
    from pathlib import Path

    # Every write to this device fails as on a full disk.
    journal = Journal(tmp_path / "journal.jsonl")
    (tmp_path / "journal.jsonl").symlink_to(Path("/dev/full"))
    with pytest.raises(OutputError, match="cannot be written: No space left on device"):
        journal.start("a", record())
    assert journal.items == {}
    journal.close()
