"""CSV lists of pairs."""

from pathlib import Path

import numpy as np
import pytest
from memory_peak import measure_peak

from flowcli.errors import FlowcliError, FormatError, InputError
from flowcli.evaluation import pair_list
from flowcli.evaluation.pair_list import read_pair_list
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.image import write_image

HEADER = "dataset,name,frame1,frame2,flow"
ROW = "set,one,data/a.png,data/b.png,data/t.flo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    for name in ("a.png", "b.png"):
        write_image(tmp_path / "data" / name, np.zeros((2, 3, 3), np.uint8))
    write_flow(tmp_path / "data/t.flo", FlowField(np.ones((2, 3, 2), np.float32)))
    return tmp_path


def write_list(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_paths_are_relative_to_the_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    (pair,) = read_pair_list(write_list(folder, f"{HEADER}\n{ROW}\n"))
    assert (pair.dataset, pair.name) == ("set", "one")
    assert pair.frame1 == folder / "data/a.png"
    assert pair.read_truth().uv.max() == 1.0
    assert pair.read_matched is None


def test_order_is_kept_and_further_columns_and_byte_order_mark_are_ignored(folder: Path) -> None:
    text = f"\ufeffnote,{HEADER}\nx,b,{ROW.split(',', 1)[1]}\ny,{ROW}\n"
    assert [(pair.dataset, pair.name) for pair in read_pair_list(write_list(folder, text))] == [
        ("b", "one"),
        ("set", "one"),
    ]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("", FormatError, "got an empty file"),
        ("dataset,name,frame1,flow\n", FormatError, "got 'dataset,name,frame1,flow'; add frame2"),
        (f"{HEADER}\n", FormatError, "at least one pair"),
        (f"{HEADER}\nset,one,data/a.png\n", FormatError, "got none for frame2,flow in line 2"),
        (f"{HEADER}\n,one,data/a.png,data/b.png,data/t.flo\n", FormatError, "got none for dataset in line 2"),
        (f"{HEADER}\n{ROW}\n{ROW}\n", FormatError, "got 'set,one' again in line 3"),
        (f"{HEADER}\n{ROW}\nset,two,data/a.png,data/c.png,data/t.flo\n", InputError, r"line 3 names .*c\.png"),
        (f'{HEADER}\nset,"one', FormatError, "expected UTF-8 CSV"),
        (f"{HEADER}\n{ROW}\0\n", FormatError, "a zero byte in line 2"),
        ("\0" * 100, FormatError, "a zero byte in line 1"),
        (f"{HEADER}\n{'x' * 70_000},{ROW}\n", FormatError, "more than 65536 letters in line 2"),
        (HEADER + "," * 70_000, FormatError, "more than 65536 letters in line 1"),
        (HEADER + '\nset,"' + "one\n" * 40_000 + '"\n', FormatError, "field larger than field limit"),
        (f'{HEADER}\nset,one,"a\nb\x1b[2J",data/b.png,data/t.flo\n', InputError, r"line 3 names .*a\\nb\\x1b"),
        (f"{HEADER}\nset,one,{'x' * 5000},data/b.png,data/t.flo\n", InputError, "line 2 names .*, found no file"),
        (f"{HEADER}\nset,one,data,data/b.png,data/t.flo\n", InputError, "line 2 names .*, found no file"),
    ],
)
def test_a_bad_list_is_refused_in_one_line(folder: Path, text: str, error: type[FlowcliError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        read_pair_list(write_list(folder, text))
    assert str(folder / "pairs.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_binary_file_is_refused(folder: Path) -> None:
    with pytest.raises(FormatError, match="expected UTF-8 CSV"):
        read_pair_list(folder / "data/a.png")


def test_a_folder_and_an_unreadable_list(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="found a folder"):
        read_pair_list(folder)

    path = write_list(folder, HEADER)

    def refuse_opening(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse_opening)
    with pytest.raises(InputError, match=r"pairs\.csv: cannot be read: Permission denied"):
        read_pair_list(path)


def test_very_long_lists_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_list, "MAX_PAIRS", 2)
    rows = [f"set,{index},data/a.png,data/b.png,data/t.flo" for index in range(3)]
    with pytest.raises(FormatError, match="at most 2 pairs"):
        read_pair_list(write_list(folder, "\n".join([HEADER, *rows])))
    with (folder / "long.csv").open("wb") as file:
        file.truncate(2**30)  # without a byte on the disk
    with pytest.raises(FormatError, match="at most 16 MiB, found more"):
        read_pair_list(folder / "long.csv")


@pytest.mark.slow
def test_the_longest_list_takes_a_quarter_of_a_gigabyte(folder: Path) -> None:
    rows = [f"s,{index},data/a.png,data/b.png,data/t.flo" for index in range(pair_list.MAX_PAIRS)]
    path = write_list(folder, "\n".join([HEADER, *rows]))
    peak, outcome = measure_peak(
        "from flowcli.evaluation.pair_list import read_pair_list", "pairs = read_pair_list(Path(sys.argv[1]))", path
    )
    assert outcome == "done"
    assert peak < 2**28


def test_a_missing_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found no file"):
        read_pair_list(tmp_path / "none.csv")
