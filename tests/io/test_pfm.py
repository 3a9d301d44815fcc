import struct

import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.pfm import decode_pfm, encode_pfm

UV = np.array([[[1, 2], [3, 4]], [[5, 6], [7, 8]]], np.float32)
# Rows from the bottom, third channel 0.
VALUES = (5, 6, 0, 7, 8, 0, 1, 2, 0, 3, 4, 0)


def test_bytes_are_bottom_row_first_with_a_zero_channel():
    assert encode_pfm(FlowField(UV)) == b"PF\n2 2\n-1.0\n" + struct.pack("<12f", *VALUES)


@pytest.mark.parametrize(("scale", "order"), [(b"-1", "<"), (b"1.0", ">"), (b"-0.5", "<"), (b"+2.5e-1", ">")])
def test_the_sign_of_the_scale_is_the_byte_order(scale, order):
    data = b"PF\n2 2\n" + scale + b"\n" + struct.pack(f"{order}12f", *VALUES)
    np.testing.assert_array_equal(decode_pfm(data, "x").uv, UV)


@pytest.mark.parametrize(
    "header",
    [
        b"PF 2 2 -1 ",
        b"PF\r\n2 2\r\n-1.0\r\n",
        b"PF\n# made by hand\n2\n2\n# scale\n-1\n",
        b"PF\n  2\t 2 \n-1.000000\n",
        b"PF\n2 2\n-1.000000 \n",
        b"PF\r\n2 2\r\n-1.0 \t\r\n",
    ],
)
def test_legal_headers(header):
    np.testing.assert_array_equal(decode_pfm(header + struct.pack("<12f", *VALUES), "x").uv, UV)


def test_a_value_that_begins_like_a_line_end_is_not_eaten():
    first = np.frombuffer(b"\n\0\0\x40", "<f4")[0]
    for end in (b"\r", b"\n", b" \n"):
        data = b"PF\n1 1\n-1" + end + np.array([first, 2, 0], "<f4").tobytes()
        assert decode_pfm(data, "x").uv[0, 0].tolist() == [first, 2]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"Pf\n1 1\n-1\n" + bytes(12), "is it a disparity map"),
        (b"PF\n1 1\n0\n" + bytes(12), "other than 0"),
        (b"PF\n1 1\n..\n" + bytes(12), "other than 0"),
        (b"PF\n1 1\n1e999\n" + bytes(12), "other than 0"),
        (b"PF\n0 1\n-1\n", "at least one pixel"),
        (b"PF\n90000 90000\n-1\n" + bytes(12), "at most 67108864"),
        (b"PF\n5000 5000\n-1\n" + bytes(12), "expected 300000000 bytes"),
        (b"PF\n-1 1\n-1\n" + bytes(12), "expected a .pfm header"),
        (b"PF\n1 1\n-1x" + bytes(12), "expected 12 bytes"),
        (b"PF\n1 1\n-1", "expected 12 bytes"),
    ],
)
def test_bad_headers(data, message):
    with pytest.raises(FormatError, match=message) as error:
        decode_pfm(data, "x.pfm")
    assert "x.pfm" in str(error.value)


def test_unknown_pixels_are_nan_or_huge():
    data = b"PF\n2 1\n-1\n" + struct.pack("<6f", float("nan"), 0, 0, 2e9, 0, 0)
    assert not decode_pfm(data, "x").known.any()
