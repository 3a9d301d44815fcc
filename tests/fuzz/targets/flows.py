"""Flow files: a target for each row of flowcli's own table of formats."""

from __future__ import annotations

import io
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.flow import FlowField
from flowcli.io.flow import FORMATS, read_flow
from flowcli.io.limits import MAX_PIXELS
from fuzz import checksums, structures
from fuzz.target import Seed, Target

HEIGHT, WIDTH = 12, 16
_LARGEST = MAX_PIXELS * 9
"""Bytes of the largest flow: two floats and whether it is known."""


def make_uv() -> NDArray[np.float32]:
    """Float32 `(12, 16, 2)`: multiples of 1/64, exact in every format."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    return (np.stack((x * 3 - y, y * 2 - x), axis=-1) / 64 + 0.5).astype(np.float32)


def make_fields() -> dict[str, FlowField]:
    """Fields that every format can hold."""
    uv = make_uv()
    some = np.add.outer(np.arange(HEIGHT), np.arange(WIDTH)) % 5 > 0
    return {
        "known everywhere": FlowField(uv),
        "known in part": FlowField(uv, some),
        "one pixel": FlowField(uv[:1, :1]),
    }


def _read(path: Path) -> NDArray[np.float32]:
    return read_flow(path).uv


def _seeds(suffix: str) -> list[Seed]:
    row = FORMATS[suffix]
    # What is no multiple of 1/64 in the file comes back within a step.
    tolerance = row.step if row.step != 1 / 64 else 0.0
    seeds = [Seed(name, row.encode(field), field.uv, tolerance) for name, field in make_fields().items()]
    more = _MORE.get(suffix)
    return seeds if more is None else [*seeds, *more()]


def _bomb(data: bytes, name: str, answer: object = None) -> Seed:
    return Seed(name, data, answer, readable=False, mutable=False)


def _more_pfm() -> list[Seed]:
    uv = make_uv()
    pixels = np.zeros((HEIGHT, WIDTH, 3), ">f4")
    pixels[..., :2] = uv[::-1]
    big, little = pixels.tobytes(), pixels.astype("<f4").tobytes()
    return [
        Seed("big-endian", b"PF\n16 12\n1.0\n" + big, uv),
        Seed("comment and spaces", b"PF # made by hand\n  16\t12\n-1\n" + little, uv),
        Seed("carriage returns", b"PF\r\n16 12\r\n-1.000000\r\n" + little, uv),
    ]


def _more_npy() -> list[Seed]:
    uv = make_uv()
    kinds = {"double": uv.astype("<f8"), "half": uv.astype("<f2"), "big-endian": uv.astype(">f4")}
    kinds["columns first"] = np.asfortranarray(uv)
    kinds["components first"] = np.ascontiguousarray(uv.transpose(2, 0, 1))
    kinds["a batch of one"] = uv.transpose(2, 0, 1)[None]
    seeds = [Seed(name, _npy(array), uv) for name, array in kinds.items()]
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, uv, version=(2, 0))
    return [*seeds, Seed("version 2", buffer.getvalue(), uv)]


def _npy(array: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def _more_npz() -> list[Seed]:
    uv = make_uv()
    stored, extra = io.BytesIO(), io.BytesIO()
    np.savez(stored, uv=uv, valid=np.ones(uv.shape[:2], bool))
    np.savez_compressed(extra, uv=uv.astype(np.float64), note=np.arange(3))
    large = io.BytesIO()
    with zipfile.ZipFile(large, "w") as archive:
        content = _npy(np.zeros((8192, 4096, 2), np.float32))
        archive.writestr(zipfile.ZipInfo("uv.npy"), content, zipfile.ZIP_DEFLATED, compresslevel=1)
    others = {
        "flow": {"flow": uv},
        "arr_0": {"arr_0": uv.transpose(2, 0, 1)[None]},
        "u and v": {"u": uv[..., 0].astype(np.float16), "v": uv[..., 1].astype(np.float16)},
        "one of any name": {"motion": np.asfortranarray(uv)},
    }
    return [
        *(Seed(name, _npz(**arrays), uv) for name, arrays in others.items()),
        Seed("stored", stored.getvalue(), uv),
        Seed("without valid, another member", extra.getvalue(), uv),
        _bomb(large.getvalue(), "256 MiB of zeros"),
    ]


def _npz(**arrays: NDArray[np.generic]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _more_kitti() -> list[Seed]:
    uv = make_uv()
    code = np.empty((HEIGHT, WIDTH, 3), ">u2")
    code[..., :2], code[..., 2] = np.rint(uv * 64) + 2**15, 1
    rows = b"".join(b"\0" + row.tobytes() for row in code)
    packed = zlib.compress(rows)
    header = (b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 2, 0, 0, 0))
    halves = [(b"IDAT", packed[:50]), (b"IDAT", packed[50:])]
    text = (b"tEXt", b"Comment\0harmless")
    return [
        Seed("text and two data chunks", make_png([header, text, *halves, (b"IEND", b"")]), uv),
        Seed("gamma", make_png([header, (b"gAMA", struct.pack(">I", 45455)), *halves, (b"IEND", b"")]), uv),
    ]


def make_png(chunks: Sequence[tuple[bytes, bytes]]) -> bytes:
    """A PNG of (kind, content)."""
    parts = [struct.pack(">I", len(content)) + kind + content + bytes(4) for kind, content in chunks]
    return checksums.repair_png(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def _more_flo5() -> list[Seed]:
    uv = make_uv()
    return [
        Seed("not compressed", _hdf5(uv), uv),
        Seed("chunks and shuffle", _hdf5(uv, chunks=(5, 7, 2), shuffle=True, compression="gzip"), uv),
        Seed("double", _hdf5(uv.astype(np.float64), compression="gzip"), uv),
        Seed("checksums", _hdf5(uv, chunks=(4, 16, 2), fletcher32=True), uv),
        Seed("newest structures", _hdf5(uv, "latest", chunks=(4, 16, 2)), uv, readable=False),
    ]


def _hdf5(uv: NDArray[np.generic], version: str = "earliest", **options: object) -> bytes:
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver=version) as file:
        file.create_dataset("flow", data=uv, **options)
    return buffer.getvalue()


def _more_exr() -> list[Seed]:
    import OpenEXR

    uv = make_uv()
    kinds = ("NO", "RLE", "ZIPS", "PIZ")
    seeds = [Seed(kind, make_exr({"u": uv[..., 0], "v": uv[..., 1]}, f"{kind}_COMPRESSION"), uv) for kind in kinds]
    layers = {
        "Nuke's names": {"forward.u": uv[..., 0], "forward.v": -uv[..., 1]},
        "Blender's names": {"ViewLayer.Vector.Z": -uv[..., 0], "ViewLayer.Vector.W": uv[..., 1]},
    }
    seeds += [Seed(name, make_exr(channels), uv) for name, channels in layers.items()]
    third = {"u": uv[..., 0], "v": uv[..., 1], "Z": uv[..., 0].astype(np.float16)}
    lossy = make_exr({"u": uv[..., 0], "v": uv[..., 1]}, "PXR24_COMPRESSION")
    large, half = np.zeros((2048, 4096), np.float32), np.zeros((2048, 4096), np.float16)
    many = {"u": large, "v": large} | {f"more{k}": half for k in range(24)}
    assert OpenEXR is not None
    return [
        *seeds,
        Seed("a third channel", make_exr(third), uv),
        Seed("PXR24", lossy, uv, tolerance=1e-3),
        _bomb(make_exr(many, "RLE_COMPRESSION"), "many channels"),
    ]


def make_exr(channels: dict[str, NDArray[np.generic]], compression: str = "ZIP_COMPRESSION") -> bytes:
    import OpenEXR

    header = {"compression": getattr(OpenEXR, compression), "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        OpenEXR.File(header, {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}).write(str(path))
        return path.read_bytes()


_MORE: dict[str, Callable[[], list[Seed]]] = {
    ".pfm": _more_pfm,
    ".npy": _more_npy,
    ".npz": _more_npz,
    ".png": _more_kitti,
    ".flo5": _more_flo5,
    ".exr": _more_exr,
}
_NPY_TOKENS = (
    b"\x93NUMPY",
    b"descr",
    b"fortran_order",
    b"shape",
    b"True",
    b"False",
    b"<f4",
    b"|O",
    b"(12, 16, 2)",
    b"(2, 12, 16)",
)
_TOKENS: dict[str, tuple[bytes, ...]] = {
    ".flo": (b"PIEH",),
    ".png": (b"IHDR", b"IDAT", b"IEND", b"PLTE", b"tRNS", b"gAMA", b"iCCP", b"sBIT", b"acTL"),
    ".pfm": (b"PF", b"Pf", b"\n", b"\r\n", b"#", b"-1.0", b"16", b"12"),
    ".npy": _NPY_TOKENS,
    ".npz": (
        *_NPY_TOKENS,
        b"PK\3\4",
        b"PK\1\2",
        b"PK\5\6",
        b"PK\6\6",
        b"PK\6\7",
        b"uv.npy",
        b"valid.npy",
        b"flow.npy",
        b"arr_0.npy",
        b"u.npy",
    ),
    ".flo5": (b"\x89HDF\r\n\x1a\n", b"TREE", b"HEAP", b"SNOD", b"OHDR", b"flow", b"GCOL", b"FRHP", b"deflate"),
    ".exr": (
        *(b"channels\0chlist\0", b"compression\0compression\0", b"dataWindow\0box2i\0", b"displayWindow\0box2i\0"),
        *(b"forward.u\0", b"backward.v\0", b"Vector.Z\0", b"Vector.W\0", b"R\0", b"G\0", b"A\0"),
        *(b"lineOrder\0lineOrder\0", b"type\0string\0", b"scanlineimage", b"tiles\0tiledesc\0", b"u\0", b"v\0"),
    ),
}
_REPAIRS = {".png": checksums.repair_png, ".npz": checksums.repair_zip, ".flo5": checksums.repair_hdf5}
_RESHAPES = {".png": (structures.change_png_chunks,), ".npz": (structures.change_zip_members,)}

FLOWS = [
    Target(
        name=f"flow-{row.name}",
        suffix=suffix,
        read=_read,
        make_seeds=partial(_seeds, suffix),
        tokens=_TOKENS.get(suffix, _TOKENS[".exr"]),
        repair=_REPAIRS.get(suffix),
        reshape=_RESHAPES.get(suffix, ()),
        largest=_LARGEST,
    )
    for suffix, row in FORMATS.items()
]
