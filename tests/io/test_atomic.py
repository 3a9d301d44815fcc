import errno
import os
import stat

import pytest

from flowcli.errors import FormatError, OutputError
from flowcli.io.atomic import TEMPORARY_PREFIX, check_writable, replace_when_complete, write_bytes


def test_the_final_name_appears_only_at_the_end(tmp_path):
    path = tmp_path / "out.flo"
    with replace_when_complete(path) as temporary:
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".flo"
        assert temporary.name.startswith(TEMPORARY_PREFIX)
        temporary.write_bytes(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.flo"]


@pytest.mark.parametrize("error", [FormatError("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_a_failure_leaves_the_old_file_and_no_other(error, tmp_path):
    path = tmp_path / "out.flo"
    path.write_bytes(b"old")
    with pytest.raises(type(error)), replace_when_complete(path) as temporary:
        temporary.write_bytes(b"half")
        raise error
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.flo"]


def test_a_full_disk_is_an_output_error_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match=r"out\.flo: cannot be written: No space left"):  # noqa: SIM117
        with replace_when_complete(tmp_path / "out.flo") as temporary:
            temporary.write_bytes(b"half")
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert not list(tmp_path.iterdir())


def test_no_folder_and_a_folder_in_the_way(tmp_path):
    with pytest.raises(OutputError, match="No such file or directory"):
        write_bytes(tmp_path / "none" / "out.flo", b"x")
    (tmp_path / "out.flo").mkdir()
    with pytest.raises(OutputError, match="found a folder"):
        write_bytes(tmp_path / "out.flo", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.flo"]


def test_a_folder_that_vanishes_meanwhile(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OutputError, match="cannot be written"):  # noqa: SIM117
        with replace_when_complete(folder / "out.flo") as temporary:
            temporary.write_bytes(b"x")
            temporary.unlink()
            folder.rmdir()


def test_a_link_stays_and_its_target_is_replaced(tmp_path):
    (tmp_path / "there").mkdir()
    target, link = tmp_path / "there" / "real.flo", tmp_path / "link.flo"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_bytes(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_permissions_follow_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_bytes(tmp_path / "a", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640


def test_a_name_as_long_as_the_system_allows(tmp_path):
    path = tmp_path / ("n" * 251 + ".flo")
    write_bytes(path, b"x")
    assert path.read_bytes() == b"x"


def test_check_writable(tmp_path, monkeypatch):
    check_writable(tmp_path / "new.flo", overwrite=False)
    assert not list(tmp_path.iterdir())
    (tmp_path / "old.flo").write_bytes(b"x")
    check_writable(tmp_path / "old.flo", overwrite=True)
    with pytest.raises(OutputError, match="already exists; use --overwrite"):
        check_writable(tmp_path / "old.flo", overwrite=False)
    with pytest.raises(OutputError, match="does not exist; create it"):
        check_writable(tmp_path / "none" / "a.flo", overwrite=True)
    with pytest.raises(OutputError, match="found a folder"):
        check_writable(tmp_path, overwrite=True)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(OutputError, match="not writable"):
        check_writable(tmp_path / "new.flo", overwrite=False)
