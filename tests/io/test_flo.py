import struct

import cv2
import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow import write_flow
from flowcli.io.flow.flo import decode_flo, encode_flo


def test_bytes_are_those_of_the_specification():
    uv = np.array([[[1.5, -2.0], [0.0, 3.0]]], np.float32)
    expected = b"PIEH" + struct.pack("<ii4f", 2, 1, 1.5, -2.0, 0.0, 3.0)
    assert encode_flo(FlowField(uv)) == expected
    assert struct.unpack("<f", expected[:4]) == (202021.25,)


def test_unknown_is_written_as_1e10_and_read_beyond_1e9():
    field = FlowField(np.zeros((1, 2, 2), np.float32), np.array([[True, False]]))
    assert struct.unpack("<2f", encode_flo(field)[-8:]) == (1e10, 1e10)
    values = (1666666800.0, 0.0, 1.0, float("nan"), float("-inf"), 2.0, 1e9, -1e9)
    read = decode_flo(b"PIEH" + struct.pack("<ii8f", 4, 1, *values), "x.flo")
    assert read.known.tolist() == [[False, False, False, True]]


def test_opencv_reads_what_we_write_and_we_read_what_it_writes(tmp_path):
    uv = np.random.default_rng(1).normal(0, 9, (11, 14, 2)).astype(np.float32)
    write_flow(tmp_path / "a.flo", FlowField(uv))
    np.testing.assert_array_equal(cv2.readOpticalFlow(str(tmp_path / "a.flo")), uv)
    assert cv2.writeOpticalFlow(str(tmp_path / "b.flo"), uv)
    assert (tmp_path / "b.flo").read_bytes() == (tmp_path / "a.flo").read_bytes()


@pytest.mark.parametrize(
    ("width", "height", "message"),
    [
        (0, 5, "sides of 1 to 99999"),
        (-3, 5, "sides of 1 to 99999"),
        (100000, 1, "sides of 1 to 99999"),
        (99999, 99999, "at most 67108864 pixels"),
        (4000, 4000, "expected 128000012 bytes"),
    ],
)
def test_a_lying_header_is_refused_before_anything_is_allocated(width, height, message):
    with pytest.raises(FormatError, match=message):
        decode_flo(b"PIEH" + struct.pack("<ii", width, height) + bytes(64), "x.flo")


def test_a_header_cut_short():
    with pytest.raises(FormatError, match="expected a header of 12 bytes, found 8"):
        decode_flo(b"PIEH\1\0\0\0", "x.flo")


def test_another_byte_order_is_another_file():
    with pytest.raises(FormatError, match="PIEH"):
        decode_flo(b"HEIP" + bytes(64), "x.flo")
