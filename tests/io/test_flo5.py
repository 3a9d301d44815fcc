import io

import h5py
import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.flo5 import decode_flo5, encode_flo5

UV = np.random.default_rng(4).normal(0, 5, (9, 8, 2)).astype(np.float32)


def make_file(build) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        build(file)
    return buffer.getvalue()


def test_layout_is_that_of_spring():
    valid = np.ones((9, 8), bool)
    valid[3, 4] = False
    with h5py.File(io.BytesIO(encode_flo5(FlowField(UV, valid))), "r") as file:
        dataset = file["flow"]
        assert list(file) == ["flow"]
        assert (dataset.shape, dataset.dtype, dataset.compression, dataset.compression_opts) == (
            (9, 8, 2),
            np.dtype("<f4"),
            "gzip",
            5,
        )
        assert np.isnan(dataset[3, 4]).all()


@pytest.mark.parametrize("options", [{}, {"compression": "gzip"}, {"chunks": (4, 5, 1), "dtype": ">f8"}])
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_other_storage_of_the_same_array_is_read(options, libver):
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=libver) as file:
        file.create_dataset("flow", data=UV, **options)
    np.testing.assert_array_equal(decode_flo5(buffer.getvalue(), "x").uv, UV)


def make_link_target(folder) -> str:
    with h5py.File(folder / "other.h5", "w") as file:
        file.create_dataset("flow", data=UV)
    return str(folder / "other.h5")


def link_outside(file, folder):
    file["flow"] = h5py.ExternalLink(make_link_target(folder), "flow")


def store_outside(file, folder):
    (folder / "raw.bin").write_bytes(UV.tobytes())
    file.create_dataset("flow", UV.shape, "<f4", external=[(str(folder / "raw.bin"), 0, UV.nbytes)])


def map_outside(file, folder):
    layout = h5py.VirtualLayout(UV.shape, "<f4")
    layout[...] = h5py.VirtualSource(make_link_target(folder), "flow", UV.shape)
    file.create_virtual_dataset("flow", layout)


@pytest.mark.parametrize("build", [link_outside, store_outside, map_outside])
def test_nothing_outside_the_file_is_read(build, tmp_path):
    with pytest.raises(FormatError, match=r"x\.flo5: expected a dataset 'flow'"):
        decode_flo5(make_file(lambda file: build(file, tmp_path)), "x.flo5")


@pytest.mark.slow
def test_damage_anywhere_is_a_format_error():
    data = encode_flo5(FlowField(UV))
    refused = 0
    for position in range(0, len(data) - 8, 31):
        try:
            decode_flo5(data[:position] + b"\xfe" * 8 + data[position + 8 :], "x.flo5")
        except FormatError:
            refused += 1
    assert refused > 20


def write_part(file):
    file.create_dataset("flow", (40, 40, 2), "<f4", chunks=(20, 20, 2))[:20, :20] = 1


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda file: file.create_dataset("disparity", data=UV), "found 'disparity'"),
        (lambda file: file.create_group("flow"), "expected a dataset"),
        (lambda file: file.create_dataset("flow", data=h5py.Empty("f")), "shape .height, width, 2."),
        (lambda file: file.create_dataset("flow", data=UV[..., 0]), "shape .height, width, 2."),
        (lambda file: file.create_dataset("flow", data=UV.astype(int)), "floats"),
        (lambda file: file.create_dataset("flow", (50000, 50000, 2), "<f4", chunks=(9, 9, 2)), "at most 67108864"),
        (lambda file: file.create_dataset("flow", (9, 9, 2), "<f4"), "never written"),
        (
            lambda file: file.create_dataset(
                "flow", (9, 9, 2), "<f4", maxshape=(None, None, 2), chunks=(20000, 20000, 1)
            ),
            "expected chunks within the dataset",
        ),
        (write_part, "never written"),
    ],
)
def test_other_contents_are_refused(build, message):
    with pytest.raises(FormatError, match=message) as error:
        decode_flo5(make_file(build), "x.flo5")
    assert "x.flo5" in str(error.value)
