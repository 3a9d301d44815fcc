import pytest

from flowcli.jobs.shard import WHOLE, Shard


def test_every_item_belongs_to_exactly_one_part():
    for count in range(1, 8):
        parts = [Shard(number, count).take(range(5)) for number in range(1, count + 1)]
        assert sorted(item for part in parts for item in part) == list(range(5))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_parse():
    assert Shard.parse("2/8") == Shard(2, 8)
    assert Shard.parse("1/1") == WHOLE


@pytest.mark.parametrize("text", ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/2/3", "1 / 2", "a/b", "²/3"])
def test_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="expected I/N such as 2/8"):
        Shard.parse(text)


def test_whose_file_it_is_is_told_by_its_mark():
    assert [Shard(2, 3).owns(mark) for mark in ("2-of-3", "1-of-3", "3-of-3", "2-of-4", "")] == [
        True,
        False,
        False,
        True,
        True,
    ]
    assert all(WHOLE.owns(mark) for mark in ("", "2-of-3"))
