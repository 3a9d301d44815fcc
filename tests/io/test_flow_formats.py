"""The contract of every row of FORMATS: what is written comes back, and no damaged file gets through."""

import dataclasses

import numpy as np
import pytest

from flowcli.errors import FlowcliError, FormatError, InputError, OutputError
from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS, find_format, read_flow, write_flow

ROWS = pytest.mark.parametrize("suffix", list(FORMATS))


def make_field(height: int = 23, width: int = 37, spread: float = 40.0) -> FlowField:
    random = np.random.default_rng(7)
    uv = random.normal(0, spread, (height, width, 2)).astype(np.float32)
    return FlowField(uv, random.random((height, width)) > 0.2)


@ROWS
@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (23, 37)])
@pytest.mark.parametrize("known", [True, False])
def test_what_is_written_comes_back(suffix, height, width, known, tmp_path):
    row = FORMATS[suffix]
    field = make_field(height, width)
    if known:
        field = FlowField(np.nan_to_num(field.uv))
    path = tmp_path / f"flow{suffix}"
    write_flow(path, field)
    read = read_flow(path)
    np.testing.assert_array_equal(read.known, field.known)
    expected, found = field.uv[field.known], read.uv[field.known]
    allowed = row.step / 2 + row.relative_step / 2 * np.abs(expected)
    assert (np.abs(found - expected) <= allowed).all()
    if row.exact:
        np.testing.assert_array_equal(found, expected)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


@ROWS
def test_values_beyond_the_range_are_clipped_not_wrapped(suffix):
    row = FORMATS[suffix]
    high, low = min(row.highest, 3e8), max(row.lowest, -3e8)
    uv = np.array([[[3e8, -3e8], [high, low]]], np.float32)
    read = row.decode(row.encode(FlowField(uv)), "x")
    np.testing.assert_allclose(read.uv, [[[high, low], [high, low]]], rtol=1e-6)


@ROWS
def test_all_unknown(suffix):
    row = FORMATS[suffix]
    read = row.decode(row.encode(FlowField(np.zeros((3, 4, 2), np.float32), np.zeros((3, 4), bool))), "x")
    assert not read.known.any()


@ROWS
def test_the_field_is_left_as_it_was(suffix):
    field = make_field()
    before = field.uv.copy(), field.known.copy()
    FORMATS[suffix].encode(field)
    np.testing.assert_array_equal(field.uv, before[0])
    np.testing.assert_array_equal(field.known, before[1])


@ROWS
def test_the_same_field_gives_the_same_bytes(suffix, monkeypatch):
    first = FORMATS[suffix].encode(make_field())
    monkeypatch.setattr("time.time", lambda: 2e9)  # no format may store the hour
    assert FORMATS[suffix].encode(make_field()) == first


@ROWS
@pytest.mark.parametrize("part", [0.0, 0.02, 0.3, 0.7, -1])
def test_a_file_cut_short_is_refused(suffix, part, tmp_path):
    data = FORMATS[suffix].encode(make_field())
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(data[: int(len(data) * part)] if part >= 0 else data[:part])
    with pytest.raises(FormatError, match="cut") as error:
        read_flow(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@ROWS
def test_bytes_after_the_end_are_refused(suffix, tmp_path):
    path = tmp_path / f"more{suffix}"
    path.write_bytes(FORMATS[suffix].encode(make_field()) + b"and more")
    with pytest.raises(FormatError, match="more"):
        read_flow(path)


@ROWS
@pytest.mark.parametrize("content", [b"hello, this is a text file\n" * 9, b"\0" * 400])
def test_other_data_are_refused(suffix, content, tmp_path):
    path = tmp_path / f"text{suffix}"
    path.write_bytes(content)
    with pytest.raises(FormatError, match="text"):
        read_flow(path)


@ROWS
@pytest.mark.slow
def test_no_single_damaged_byte_crashes(suffix):
    row = FORMATS[suffix]
    data = row.encode(make_field(5, 6))
    outcomes = set()
    for position in range(0, len(data), max(1, len(data) // 150)):
        damaged = bytearray(data)
        damaged[position] ^= 0xFF
        try:
            row.decode(bytes(damaged), "damaged.bin")
            outcomes.add("read")  # a damaged pixel value is still a pixel value
        except FlowcliError as error:
            assert "damaged.bin" in str(error)
            outcomes.add("refused")
    assert "refused" in outcomes


@ROWS
def test_paths_in_any_script(suffix, tmp_path):
    path = tmp_path / f"光流 поток é{suffix}"
    write_flow(path, make_field())
    assert read_flow(path).size == (23, 37)


@ROWS
def test_a_failed_write_leaves_nothing(suffix, tmp_path):
    with pytest.raises(OutputError, match="missing"):
        write_flow(tmp_path / "missing" / f"flow{suffix}", make_field())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["flow.tiff", "flow", "flow.flo.txt"])
def test_an_unknown_suffix_lists_the_known_ones(name, tmp_path):
    for attempt in (lambda: read_flow(tmp_path / name), lambda: write_flow(tmp_path / name, make_field())):
        with pytest.raises(InputError) as error:
            attempt()
        assert all(suffix in str(error.value) for suffix in FORMATS)


def test_the_longest_suffix_wins_in_any_case():
    assert find_format("A.HALF.EXR").name == "half-exr"
    assert find_format("a.exr").name == "exr"
    assert find_format("a.FLO").name == "flo"


def test_a_missing_module_is_one_line_that_says_what_to_install(tmp_path, monkeypatch):
    absent = dataclasses.replace(FORMATS[".flo5"], module="a_module_that_is_not_there")
    monkeypatch.setitem(FORMATS, ".flo5", absent)
    for attempt in (lambda: read_flow(tmp_path / "a.flo5"), lambda: write_flow(tmp_path / "a.flo5", make_field())):
        with pytest.raises(InputError, match=r"pip install 'flowcli\[spring\]'"):
            attempt()


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_flow(tmp_path / "nothing.flo")
    (tmp_path / "folder.flo").mkdir()
    with pytest.raises(InputError, match="folder"):
        read_flow(tmp_path / "folder.flo")
