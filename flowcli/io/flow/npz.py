"""NumPy `.npz`: a compressed zip with `uv`, float `(H, W, 2)` in pixels, and `valid`, bool `(H, W)`.

`valid` may be absent; then NaN alone marks unknown pixels. Members are read as `npy` reads its own: the size that
the zip declares must equal what the array's header promises, and no member is unpacked beyond the size it declares.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from typing import IO

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.npy import fill_array, read_array_header, read_uv
from flowcli.io.limits import MAX_FILE_BYTES


def encode_npz(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, uv=field.uv.astype("<f4", copy=False), valid=field.known)
    return buffer.getvalue()


def decode_npz(data: bytes, name: str) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    end = data.rfind(b"PK\5\6")  # the zip's last record, 22 bytes and a comment whose length is in its last two
    if end < 0 or end + 22 + int.from_bytes(data[end + 20 : end + 22], "little") != len(data):
        raise FormatError(f"{name}: expected an .npz file, found no zip, or one cut short, or bytes after its end")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if "uv.npy" not in members:
                found = ", ".join(sorted(members)[:5]) or "nothing"
                raise FormatError(f"{name}: expected the array uv, float (height, width, 2), found {found}")
            uv = _read_uv(archive, members["uv.npy"], name)
            valid = _read_valid(archive, members["valid.npy"], name, uv.shape[:2]) if "valid.npy" in members else None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise FormatError(f"{name}: expected an .npz file, its zip cannot be read: {error}") from error
    if valid is not None:
        np.copyto(uv, np.nan, where=~valid[..., None])
    return FlowField.taking(uv)


def _read_uv(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> NDArray[np.float32]:
    with _open_member(archive, info, name) as stream:
        return read_uv(stream, info.file_size, f"{name}, {info.filename}")


def _read_valid(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, size: tuple[int, ...]) -> NDArray[np.bool_]:
    with _open_member(archive, info, name) as stream:
        header = read_array_header(stream, info.file_size, f"{name}, {info.filename}")
        if header.shape != size or header.dtype != np.bool_:
            raise FormatError(f"{name}: expected valid as bool {size}, found {header.dtype} {header.shape}")
        valid = np.empty(size, bool)
        fill_array(valid, stream, header, name)
        return valid


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if info.file_size > MAX_FILE_BYTES:
        raise FormatError(f"{name}: expected at most {MAX_FILE_BYTES} bytes in {info.filename}, found {info.file_size}")
    return archive.open(info)
