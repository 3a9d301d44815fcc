import io
import zipfile

import numpy as np
import pytest

from flowcli.errors import FormatError, UsageError
from flowcli.flow import FlowField
from flowcli.io.flow import read_flow, write_flow
from flowcli.io.flow.npy import decode_npy, encode_npy
from flowcli.io.flow.npz import decode_npz, encode_npz

UV = np.random.default_rng(3).normal(0, 5, (6, 7, 2)).astype(np.float32)


def save(array: np.ndarray, **options) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, **options)
    return buffer.getvalue()


def lie(shape: str) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\1\0" + len(header).to_bytes(2, "little") + header + bytes(64)


def test_numpy_loads_what_we_write(tmp_path):
    (tmp_path / "a.npy").write_bytes(encode_npy(FlowField(UV)))
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), UV)
    valid = np.ones((6, 7), bool)
    valid[2] = False
    (tmp_path / "a.npz").write_bytes(encode_npz(FlowField(UV, valid)))
    with np.load(tmp_path / "a.npz") as arrays:
        assert set(arrays) == {"uv", "valid"}
        np.testing.assert_array_equal(arrays["valid"], valid)
        np.testing.assert_array_equal(arrays["uv"][valid], UV[valid])


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_float_and_order_is_read(dtype, order):
    read = decode_npy(save(np.asarray(UV, dtype, order=order)), "x")
    np.testing.assert_array_equal(read.uv, UV.astype(dtype).astype(np.float32))


def test_a_float64_beyond_float32_is_unknown():
    assert decode_npy(save(np.array([[[1e300, 0.0], [1.0, 2.0]]])), "x").known.tolist() == [[False, True]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (save(np.array([{"a": 1}], object)), "nothing else is loaded"),
        (save(np.zeros((3, 4, 2), int)), "floats or booleans"),
        (save(np.zeros((3, 4, 2), [("u", "f4")])), "floats or booleans"),
        (save(np.zeros((3, 3, 4))), "shape .height, width, 2. or .2, height, width."),
        (save(np.zeros((5, 3, 4, 2))), "shape .height, width, 2. or .2, height, width."),
        (save(np.zeros((2, 0, 4))), "at least one pixel"),
        (lie("(2, 90000, 90000)"), "at most 67108864 pixels"),
        (save(np.zeros(5)), "height and width"),
        (save(np.zeros((0, 4, 2))), "at least one pixel"),
        (save(np.ones((3, 4), bool)), "shape .height, width, 2."),
        (lie("(3000, 3000, 2)"), "expected 72000000 bytes"),
        (lie("(90000, 90000, 2)"), "at most 67108864 pixels"),
        (lie("(1, 999999999999, 2)"), "height and width"),
        (lie("(2, 4, 2, 2, 2, 2, 2, 2)"), "height and width"),
        (lie("(1, 0, 2)"), "at least one pixel"),
        (lie("(4, 4, 0)"), "shape .height, width, 2."),
        (lie("(4, __import__('os'), 2)"), "cut or damaged"),
        (lie("(4, -4, 2)"), "height and width"),
        (lie("(" * 90), "cut or damaged"),
        (lie("'''"), "cut or damaged"),
        (lie("(4, 4, 2), '\\d': 1"), "cut or damaged"),
        (lie("(4, 4, 2)").replace(b"<f4", b"<f9"), "cut or damaged"),
        (lie("(4, 4, 2)").replace(b"'<f4'", b"'>f16'"), "cut or damaged|floats or booleans"),
        (b"\x93NUMPY\2\0" + b"\xff" * 4 + b" " * 100, "cut or damaged"),
        (b"\x93NUMPY\1", "version 1 or 2"),
        (b"\x93NUMPY\3\0" + bytes(80), "version 1 or 2"),
        (b"\x93NUMPY\1\0\xff\xff" + b" " * 65535, "cut or damaged"),
    ],
)
def test_other_arrays_are_refused(data, message):
    with pytest.raises(FormatError, match=message) as error:
        decode_npy(data, "x.npy")
    assert "x.npy" in str(error.value)


def test_a_pickle_inside_is_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "made"), "w"))

    (tmp_path / "bomb.npy").write_bytes(save(np.array([Bomb()], object), allow_pickle=True))
    with pytest.raises(FormatError):
        read_flow(tmp_path / "bomb.npy")
    assert not (tmp_path / "made").exists()


def zip_of(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(f"{name}.npy", data)
    return buffer.getvalue()


def test_uv_alone_is_enough():
    np.testing.assert_array_equal(decode_npz(zip_of(uv=save(UV)), "x").uv, UV)


def test_valid_and_nan_are_both_respected():
    uv = UV.copy()
    uv[0, 0] = np.nan
    valid = np.ones((6, 7), bool)
    valid[1, 1] = False
    read = decode_npz(zip_of(uv=save(uv), valid=save(valid)), "x")
    assert np.argwhere(~read.known).tolist() == [[0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zip_of(a=save(UV), b=save(UV)), "uv, flow, arr_0, u.v., found a, b; say which it is with --key"),
        (zip_of(uv=save(UV), flow=save(UV)), "found uv or flow; say which with --key"),
        (zip_of(flow=save(UV), u=save(UV[..., 0]), v=save(UV[..., 1])), "found flow or u.v; say which"),
        (zip_of(u=save(UV[..., 0]), v=save(UV[:5, :, 1])), "expected v.npy as floats of shape .6, 7."),
        (zip_of(u=save(UV), v=save(UV)), "expected u.npy as floats of shape .height, width."),
        (zip_of(u=lie("(90000, 90000)"), v=lie("(90000, 90000)")), "at most"),
        (zip_of(), "found nothing"),
        (zip_of(uv=lie("(3000, 3000, 2)")), "expected 72000000 bytes"),
        (zip_of(uv=lie("(3000, 3000, 2)") + bytes(10**6)), "expected 72000000 bytes"),
        (zip_of(uv=save(UV), valid=save(np.ones((6, 6), bool))), "expected valid as bool"),
        (zip_of(uv=save(UV), valid=save(np.ones((6, 7)))), "expected valid as bool"),
    ],
)
def test_other_archives_are_refused(data, message):
    with pytest.raises(FormatError, match=message) as error:
        decode_npz(data, "x.npz")
    assert "x.npz" in str(error.value)


def test_a_zip_that_declares_too_much_is_not_unpacked(monkeypatch):
    monkeypatch.setattr("flowcli.io.flow.npz.MAX_FILE_BYTES", 100)
    with pytest.raises(FormatError, match="expected at most 100 bytes"):
        decode_npz(zip_of(uv=save(UV)), "x")


def test_an_encrypted_member_is_refused():
    data = bytearray(zip_of(uv=save(UV)))
    data[data.find(b"PK\1\2") + 8] |= 1
    data[6] |= 1
    with pytest.raises(FormatError, match="zip cannot be read"):
        decode_npz(bytes(data), "x")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compressions_that_numpy_never_writes(method):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        archive.writestr("uv.npy", save(UV))
    damaged = bytearray(buffer.getvalue())
    damaged[60:70] = bytes(10)  # within the member
    for data in (buffer.getvalue(), bytes(damaged)):
        with pytest.raises(FormatError, match=r"x\.npz: expected uv\.npy stored or deflated"):
            decode_npz(data, "x.npz")


CHW = np.ascontiguousarray(UV.transpose(2, 0, 1))


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f8"])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shape", [(2, 6, 7), (1, 2, 6, 7), (1, 6, 7, 2), (1, 1, 6, 7, 2)])
def test_components_first_and_a_batch_of_one(dtype, order, shape):
    array = (CHW if shape[-1] == 7 else UV).reshape(shape)
    read = decode_npy(save(np.asarray(array, dtype, order=order)), "x")
    np.testing.assert_array_equal(read.uv, UV.astype(dtype).astype(np.float32))


def test_where_both_layouts_fit_it_is_ours_unless_the_user_says(tmp_path):
    both = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    np.save(tmp_path / "a.npy", both)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npy").uv, both)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npy", layout="chw").uv, both.transpose(1, 2, 0))
    np.save(tmp_path / "b.npy", UV)
    with pytest.raises(FormatError, match=r"shape .2, height, width., found"):
        read_flow(tmp_path / "b.npy", layout="chw")
    with pytest.raises(UsageError, match="expected hwc or chw, got 'wch'"):
        read_flow(tmp_path / "b.npy", layout="wch")


@pytest.mark.parametrize(
    "arrays",
    [
        {"uv": UV},
        {"flow": UV},
        {"arr_0": UV},
        {"u": UV[..., 0], "v": UV[..., 1]},
        {"flow": CHW},
        {"flow": CHW[None].astype(np.float64)},
        {"flow": UV, "image": np.zeros((6, 7, 3), np.uint8), "fps": np.array(25.0)},
        {"optical_flow": UV},
        {"u": np.asfortranarray(UV[..., 0]), "v": UV[..., 1].astype(np.float64), "valid": np.ones((6, 7), bool)},
    ],
    ids=lambda arrays: "+".join(f"{key}{array.shape}" for key, array in arrays.items()),
)
def test_what_others_call_flow(arrays, tmp_path):
    np.savez(tmp_path / "a.npz", **arrays)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npz").uv, UV)


def test_a_key_decides_between_several(tmp_path):
    back = (-UV).astype(np.float32)
    np.savez(tmp_path / "a.npz", flow=UV, uv=back, x=UV[..., 0], y=UV[..., 1])
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npz", key="flow").uv, UV)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npz", key="uv").uv, back)
    np.testing.assert_array_equal(read_flow(tmp_path / "a.npz", key="x,y").uv, UV)
    with pytest.raises(FormatError, match="expected the array z that --key names, found flow, uv, x, y"):
        read_flow(tmp_path / "a.npz", key="z")
    with pytest.raises(UsageError, match=r"--key is for \.npz"):
        np.save(tmp_path / "a.npy", UV)
        read_flow(tmp_path / "a.npy", key="flow")
    write_flow(tmp_path / "a.flo", FlowField(UV))
    with pytest.raises(UsageError, match=r"are for arrays .* says it itself"):
        read_flow(tmp_path / "a.flo", key="flow")


def test_the_flow_of_viper_as_it_is_published(tmp_path):
    """Float16 u and v, NaN where unknown (playing-for-benchmarks.org)."""
    u, v = UV[..., 0].astype(np.float16), UV[..., 1].astype(np.float16)
    u[2, 3] = v[2, 3] = np.nan
    np.savez_compressed(tmp_path / "a.npz", u=u, v=v)
    read = read_flow(tmp_path / "a.npz")
    assert np.argwhere(~read.known).tolist() == [[2, 3]]
    np.testing.assert_array_equal(read.uv[read.known], UV.astype(np.float16).astype(np.float32)[read.known])
