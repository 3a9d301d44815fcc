import struct
import zlib

import cv2
import numpy as np
import pytest

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.kitti import decode_kitti, encode_kitti


def decode_raw(data: bytes) -> np.ndarray:
    """Return the stored uint16 (H, W, 3) in the file's own order R, G, B."""
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)[..., ::-1]


def encode_raw(rgb: np.ndarray) -> bytes:
    return cv2.imencode(".png", np.ascontiguousarray(rgb[..., ::-1]))[1].tobytes()


def test_codes_are_those_of_the_development_kit():
    uv = np.array([[[0, 0], [1, -1], [1 / 64, -512], [511.984375, 5]]], np.float32)
    valid = np.array([[True, True, True, False]])
    stored = decode_raw(encode_kitti(FlowField(uv, valid)))
    assert stored.tolist() == [[[32768, 32768, 1], [32832, 32704, 1], [32769, 0, 1], [0, 0, 0]]]


def test_rounds_to_the_nearest_step():
    uv = np.array([[[0.9 / 64, -0.9 / 64], [0.4 / 64, -0.4 / 64]]], np.float32)
    assert decode_raw(encode_kitti(FlowField(uv)))[..., :2].tolist() == [[[32769, 32767], [32768, 32768]]]


def test_clips_instead_of_wrapping():
    uv = np.array([[[600, -600], [1e9, -1e9]]], np.float32)
    assert decode_raw(encode_kitti(FlowField(uv))).tolist() == [[[65535, 0, 1], [65535, 0, 1]]]


def test_any_flag_other_than_0_means_known():
    stored = np.array([[[32768, 32832, 1], [32768, 32832, 65535], [40000, 40000, 0]]], np.uint16)
    read = decode_kitti(encode_raw(stored), "x.png")
    assert read.known.tolist() == [[True, True, False]]
    assert read.uv[0, :2].tolist() == [[0, 1], [0, 1]]


def make_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def test_a_png_with_too_few_pixels_is_refused(capfd):
    header = make_chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 16, 2, 0, 0, 0))
    pixels = make_chunk(b"IDAT", zlib.compress(bytes(55)))
    data = b"\x89PNG\r\n\x1a\n" + header + pixels + make_chunk(b"IEND", b"")
    with pytest.raises(FormatError, match=r"x\.png: PNG file is damaged"):
        decode_kitti(data, "x.png")
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((4, 5, 3), np.uint8),
        np.zeros((4, 5), np.uint16),
        np.zeros((4, 5, 4), np.uint16),
    ],
    ids=["8 bits", "grey", "alpha"],
)
def test_a_picture_is_not_flow(picture):
    data = cv2.imencode(".png", picture)[1].tobytes()
    with pytest.raises(FormatError, match=r"x\.png: expected KITTI flow as 16-bit RGB PNG"):
        decode_kitti(data, "x.png")
