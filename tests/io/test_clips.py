"""One array per clip, by the libraries that its readers use."""

import json
from fractions import Fraction

import h5py
import numpy as np
import pytest
import zarr

from flowcli.errors import OutputError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow.clips import CLIP_FORMATS, ClipFacts
from flowcli.io.flow.clips.file import ClipFile, join_clips
from flowcli.io.flow.storage import FlowStorage

ROWS = pytest.mark.parametrize("name", CLIP_FORMATS)
RANDOM = np.random.default_rng(2)
UV = RANDOM.normal(0, 5, (5, 11, 17, 2)).astype(np.float32)
UV[1, 2, 3] = np.nan
FIELDS = [FlowField.with_unknown(uv.copy()) for uv in UV]
FACTS = {"times": [0.0, 0.04, 0.08, 0.12, 0.16], "fps": 25.0, "scale": 1.0}


def facts(count=5, layout="thwc"):
    return ClipFacts(Fraction(25), layout, "made by a test", [Fraction(k, 25) for k in range(count)])


def write(path, name, storage=FlowStorage(), *, is_segment=False, fields=FIELDS):
    with ClipFile(path, CLIP_FORMATS[name], is_segment=is_segment) as clip:
        for field in fields:
            clip.append(storage.as_array(field), facts(len(fields), storage.layout))


def read(path):
    """The array and its attributes, as users of each format read them."""
    if path.suffix == ".npy":
        return np.load(path, mmap_mode="r"), json.loads(path.with_suffix(".json").read_text())
    if path.suffix == ".h5":
        with h5py.File(path) as file:
            assert file["flow"].chunks == (1, *file["flow"].shape[1:])
            return file["flow"][:], dict(file["flow"].attrs)
    array = zarr.open_array(str(path), mode="r")
    assert array.chunks == (1, *array.shape[1:])
    return array[:], dict(array.attrs)


@ROWS
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("layout", ["thwc", "tchw"])
def test_the_array_and_its_attributes(name, dtype, layout, tmp_path):
    row = CLIP_FORMATS[name]
    path = tmp_path / f"clip{row.suffix}"
    write(path, name, FlowStorage(layout=layout, dtype=dtype))
    array, attributes = read(path)
    expected = UV.astype(dtype) if layout == "thwc" else UV.transpose(0, 3, 1, 2).astype(dtype)
    assert array.dtype == dtype
    np.testing.assert_array_equal(array, expected)
    for key, value in FACTS.items():
        np.testing.assert_allclose(attributes[key], value)
    assert attributes["layout"] == layout and attributes["made_by"] == "made by a test"
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted(one.name for one in row.files(path))


def test_an_npy_is_mapped_and_not_read(tmp_path):
    write(tmp_path / "a.npy", "npy-clip")
    mapped = np.load(tmp_path / "a.npy", mmap_mode="r")
    assert isinstance(mapped, np.memmap) and mapped.offset % 64 == 0
    with (tmp_path / "a.npy").open("rb") as file:
        assert np.lib.format.read_magic(file) == (1, 0)


@pytest.mark.parametrize("name", ["h5", "zarr"])
def test_times_of_a_long_film(name, tmp_path):
    """More than the 64 KiB that HDF5 once allowed for an attribute."""
    path = tmp_path / f"a{CLIP_FORMATS[name].suffix}"
    with ClipFile(path, CLIP_FORMATS[name]) as clip:
        clip.append(np.zeros((1, 1, 2), np.float32), facts(10_000))
    assert len(read(path)[1]["times"]) == 10_000


@ROWS
def test_halves_are_clipped_not_infinite(name, tmp_path):
    path = tmp_path / f"a{CLIP_FORMATS[name].suffix}"
    far = FlowField(np.array([[[1e6, -1e6], [1, 2]]], np.float32))
    write(path, name, FlowStorage(dtype="float16"), fields=[far])
    np.testing.assert_array_equal(read(path)[0], [[[[65504, -65504], [1, 2]]]])


@ROWS
def test_joined_from_segments_it_is_the_same(name, tmp_path):
    row, storage = CLIP_FORMATS[name], FlowStorage(dtype="float16")
    for begin in (0, 2, 4):
        write(tmp_path / f"{begin}.npy", name, storage, is_segment=True, fields=FIELDS[begin : begin + 2])
    segments = [tmp_path / f"{begin}.npy" for begin in (0, 2, 4)]
    assert not list(tmp_path.glob("*.json"))
    join_clips(segments, tmp_path / f"whole{row.suffix}", row, facts())
    array, attributes = read(tmp_path / f"whole{row.suffix}")
    np.testing.assert_array_equal(array, UV.astype("float16"))
    np.testing.assert_allclose(attributes["times"], FACTS["times"])
    segments[1].write_bytes(segments[1].read_bytes()[:300])
    with pytest.raises(OutputError, match="segments cannot be joined"):
        join_clips(segments, tmp_path / f"other{row.suffix}", row, facts())
    assert not (tmp_path / f"other{row.suffix}").exists()


@ROWS
def test_an_exception_leaves_nothing_and_what_was_there(name, tmp_path):
    path = tmp_path / f"a{CLIP_FORMATS[name].suffix}"
    write(path, name)
    before, _ = read(path)
    with pytest.raises(RuntimeError), ClipFile(path, CLIP_FORMATS[name]) as clip:
        clip.append(np.zeros((2, 2, 2), np.float32), facts(1))
        raise RuntimeError
    np.testing.assert_array_equal(read(path)[0], before)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]
    write(path, name, fields=FIELDS[:2])
    assert read(path)[0].shape == (2, 11, 17, 2)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".")]


@pytest.mark.parametrize(
    "wrong", [{"bound": 0}, {"bound": float("nan")}, {"layout": "hwc"}, {"dtype": "int8"}, {"bound": 1e9}]
)
def test_choices_that_make_no_sense(wrong):
    with pytest.raises(UsageError, match=r"--(bound|layout|dtype): expected"):
        FlowStorage(**wrong)
