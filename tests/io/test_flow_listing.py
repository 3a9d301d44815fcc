import pytest

from flowcli.errors import InputError
from flowcli.io.flow.listing import flow_stem, list_flows, name_results


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    return [folder / name for name in names]


def test_files_folders_and_globs_in_natural_order(tmp_path):
    touch(tmp_path, "f10.flo", "f2.flo", "f1.flo", "notes.txt", ".hidden.flo")
    expected = [tmp_path / f"f{number}.flo" for number in (1, 2, 10)]
    assert list_flows([str(tmp_path)]) == expected
    assert list_flows([str(tmp_path / "*.flo")]) == expected
    assert list_flows([str(path) for path in reversed(expected)]) == expected


def test_png_in_a_folder_is_flow_only_if_nothing_else_is(tmp_path):
    a, b = touch(tmp_path, "a.png", "b.PNG")
    assert list_flows([str(tmp_path)]) == [a, b]
    (c,) = touch(tmp_path, "a.flo")
    assert list_flows([str(tmp_path)]) == [c]
    assert list_flows([str(a)]) == [a]


def test_nothing_there(tmp_path):
    (tmp_path / "empty").mkdir()
    for text, message in [
        ("none.flo", "no such file or folder"),
        ("empty", "expected flow files .*found none"),
        ("*.flo", "no file matches"),
    ]:
        with pytest.raises(InputError, match=message):
            list_flows([str(tmp_path / text)])
    (photo,) = touch(tmp_path, "photo.jpg")
    with pytest.raises(InputError, match=r"photo\.jpg: expected a flow file"):
        list_flows([str(photo)])


def test_names(tmp_path):
    assert flow_stem(tmp_path / "a.b.half.exr") == "a.b"
    assert name_results([tmp_path / "a.flo", tmp_path / "b.png"]) == ["a", "b"]
    assert name_results([tmp_path / "x" / "a.flo", tmp_path / "y" / "a.flo"]) == ["000000_a", "000001_a"]
