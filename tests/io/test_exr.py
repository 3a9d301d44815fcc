import struct

import numpy as np
import OpenEXR
import pytest

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.exr import decode_exr, encode_exr, encode_half_exr

UV = np.random.default_rng(5).normal(0, 5, (40, 31, 2)).astype(np.float32)
U, V = (np.ascontiguousarray(UV[..., index]) for index in (0, 1))


def make_file(folder, channels, **header) -> bytes:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    OpenEXR.File(header, channels).write(str(folder / "made.exr"))
    return (folder / "made.exr").read_bytes()


@pytest.mark.parametrize(("encode", "dtype"), [(encode_exr, np.float32), (encode_half_exr, np.float16)])
def test_channels_are_u_and_v(encode, dtype, tmp_path):
    (tmp_path / "a.exr").write_bytes(encode(FlowField(UV)))
    channels = OpenEXR.File(str(tmp_path / "a.exr"), separate_channels=True).channels()
    assert sorted(channels) == ["u", "v"]
    np.testing.assert_array_equal(channels["u"].pixels, U.astype(dtype))
    np.testing.assert_array_equal(channels["v"].pixels, V.astype(dtype))


@pytest.mark.parametrize("name", ["NO", "RLE", "ZIPS", "ZIP", "PIZ"])
def test_every_lossless_compression_is_read(name, tmp_path):
    data = make_file(tmp_path, {"u": U, "v": V}, compression=getattr(OpenEXR, f"{name}_COMPRESSION"))
    np.testing.assert_array_equal(decode_exr(data, "x").uv, UV)


def test_further_channels_are_ignored_and_nan_is_unknown(tmp_path):
    u = U.copy()
    u[2, 3] = np.nan
    read = decode_exr(make_file(tmp_path, {"u": u, "v": V, "depth": V}), "x")
    assert np.argwhere(~read.known).tolist() == [[2, 3]]


def test_other_channels_are_refused_by_name(tmp_path):
    with pytest.raises(FormatError, match=r"x\.exr: expected the channels u and v, forward.*found X, Y"):
        decode_exr(make_file(tmp_path, {"X": U, "Y": V}), "x.exr")
    with pytest.raises(FormatError, match="expected the channels u and v"):
        decode_exr(make_file(tmp_path, {"u": U.astype(np.uint32), "v": V.astype(np.uint32)}), "x.exr")


def test_tiles_and_windows_are_refused(tmp_path):
    tiled = make_file(tmp_path, {"u": U, "v": V}, type=OpenEXR.tiledimage, tiles=OpenEXR.TileDescription())
    with pytest.raises(FormatError, match="one scan-line part"):
        decode_exr(tiled, "x")
    window = (np.array([0, 0], np.int32), np.array([99, 99], np.int32))
    with pytest.raises(FormatError, match="display window"):
        decode_exr(make_file(tmp_path, {"u": U, "v": V}, displayWindow=window), "x")


def test_subsampled_channels_are_refused(tmp_path):
    channels = {name: OpenEXR.Channel(name, np.zeros((20, 16), np.float32), 2, 2) for name in "uv"}
    with pytest.raises(FormatError, match="subsampled"):
        decode_exr(make_file(tmp_path, channels, compression=OpenEXR.NO_COMPRESSION), "x")


def test_a_lying_window_is_refused():
    data = encode_exr(FlowField(UV))
    for name in (b"dataWindow", b"displayWindow"):
        start = data.index(name + b"\0box2i\0") + len(name) + 7 + 4
        data = data[:start] + struct.pack("<4i", 0, 0, 59999, 59999) + data[start + 16 :]
    with pytest.raises(FormatError, match="at most 67108864 pixels"):
        decode_exr(data, "x")


def test_damaged_pixels_are_one_error_and_keep_stdout_clean(capfd):
    data = bytearray(encode_exr(FlowField(np.full((40, 31, 2), 2.5, np.float32))))
    data[-10] ^= 0xFF  # inside the compressed last rows
    with pytest.raises(FormatError, match=r"x\.exr: EXR file is damaged"):
        decode_exr(bytes(data), "x.exr")
    assert capfd.readouterr().out == ""
