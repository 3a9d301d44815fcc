"""Small files that unpack to much: no more memory than the file, the flow (9 bytes per pixel) and 256 MiB."""

import struct
import zipfile
import zlib

import numpy as np
import OpenEXR
import pytest

SIDE = 4096
CEILING = 9 * SIDE * SIDE / 2**20 + 256


def write_npz(path, dtype="<f4", fortran=False):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, kind, shape in (("uv.npy", dtype, (SIDE, SIDE, 2)), ("valid.npy", "|b1", (SIDE, SIDE))):
            with archive.open(name, "w", force_zip64=True) as member:
                header = {"descr": kind, "fortran_order": fortran, "shape": shape}
                np.lib.format.write_array_header_1_0(member, header)
                part = bytes(np.dtype(kind).itemsize * SIDE * (shape[2] if len(shape) > 2 else 1))
                for _ in range(SIDE):
                    member.write(part)


def write_kitti(path):
    packer = zlib.compressobj(1)
    line = b"\2" + bytes(6 * SIDE)  # filter 2: as the row above
    pixels = b"".join(packer.compress(line) for _ in range(SIDE)) + packer.flush()
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 16, 2, 0, 0, 0)), (b"IDAT", pixels), (b"IEND", b""))
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for kind, content in chunks:
            file.write(struct.pack(">I", len(content)) + kind + content)
            file.write(struct.pack(">I", zlib.crc32(kind + content)))


def write_exr(path):
    zero = np.zeros((SIDE, SIDE), np.float16)
    channels = {name: zero for name in ("u", "v", *(f"layer{k:02d}" for k in range(20)))}
    header = {"compression": OpenEXR.RLE_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("a.npz", write_npz),
        ("double.npz", lambda path: write_npz(path, "<f8")),
        ("fortran.npz", lambda path: write_npz(path, "<f2", fortran=True)),
        ("a.png", write_kitti),
        ("a.exr", write_exr),
    ],
)
def test_flow_files_that_unpack_to_much(name, write, tmp_path, peak_memory):
    write(tmp_path / name)
    peak, size = peak_memory(tmp_path / name, "flow")
    assert size == f"({SIDE}, {SIDE})"
    assert peak < CEILING + (tmp_path / name).stat().st_size / 2**20


def test_an_exr_whose_chunks_are_too_large_is_refused(tmp_path, peak_memory):
    zero = np.zeros((256, 2048), np.float16)
    channels = {name: zero for name in ("u", "v", *(f"layer{k:03d}" for k in range(200)))}
    header = {"compression": OpenEXR.DWAB_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(tmp_path / "a.exr"))
    peak, message = peak_memory(tmp_path / "a.exr", "flow")
    assert "can be decoded in 128 MiB, by its header it takes 202" in message
    assert peak < 256
