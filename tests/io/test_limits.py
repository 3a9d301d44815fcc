import os

import pytest

from flowcli.errors import FormatError, InputError
from flowcli.io import limits
from flowcli.io.limits import check_size, read_bytes


def test_sizes():
    check_size("x", 8192, 8192)
    check_size("x", 1, 2**26)
    for height, width in [(0, 5), (5, 0), (-1, -1)]:
        with pytest.raises(FormatError, match="x: expected at least one pixel"):
            check_size("x", height, width)
    with pytest.raises(FormatError, match="x: expected at most 67108864 pixels"):
        check_size("x", 8192, 8193)


def test_whole_files_are_read(tmp_path):
    for content in (b"", b"abc"):
        (tmp_path / "a").write_bytes(content)
        assert read_bytes(tmp_path / "a") == content


def test_missing_folder_and_unreadable(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such file"):
        read_bytes(tmp_path / "a")
    with pytest.raises(InputError, match="found a folder"):
        read_bytes(tmp_path)
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        (tmp_path / "a").write_bytes(b"x")
        read_bytes(tmp_path / "a" / "b")


def test_a_huge_sparse_file_is_not_read(tmp_path):
    with (tmp_path / "huge.flo").open("wb") as file:
        os.truncate(file.fileno(), 2**40)
    with pytest.raises(InputError, match="expected at most 1025 MiB"):
        read_bytes(tmp_path / "huge.flo")


def test_a_device_without_end_is_not_read(monkeypatch):
    monkeypatch.setattr(limits, "MAX_FILE_BYTES", 1000)
    with pytest.raises(InputError, match="found more"):
        read_bytes("/dev/zero")
