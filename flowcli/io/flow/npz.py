"""NumPy `.npz`: a compressed zip with `uv`, float `(H, W, 2)` in pixels, and `valid`, bool `(H, W)`.

That is what is written. Others call the array `flow` or `arr_0` (what `np.savez(path, flow)` makes of it), have `u` and
`v` apart (VIPER), or put the components first; one such array, or the only one there is, is read without a word.
`valid` may be absent; then NaN alone marks unknown pixels. Members are read as `npy` reads its own: the size that
the zip declares must equal what the array's header promises, and no member is unpacked beyond the size it declares.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from typing import IO

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.layout import ANY, ArrayChoice
from flowcli.io.flow.npy import fill_array, fill_floats, read_array_header, read_uv
from flowcli.io.limits import MAX_FILE_BYTES, check_size

# What the array of flow is called by us, by others, by NumPy where nobody named it, and in two parts.
_KEYS = (("uv",), ("flow",), ("arr_0",), ("u", "v"))


def encode_npz(field: FlowField) -> bytes:
    """Return the file for `field`, exact to the last bit."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, uv=field.uv.astype("<f4", copy=False), valid=field.known)
    return buffer.getvalue()


def decode_npz(data: bytes, name: str, choice: ArrayChoice = ANY) -> FlowField:
    """Return the flow in `data`; raises FormatError naming the file `name`."""
    end = data.rfind(b"PK\5\6")  # the zip's last record, 22 bytes and a comment whose length is in its last two
    if end < 0 or end + 22 + int.from_bytes(data[end + 20 : end + 22], "little") != len(data):
        raise FormatError(f"{name}: expected an .npz file, found no zip, or one cut short, or bytes after its end")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {info.filename: info for info in archive.infolist()}
            found = [members[f"{key}.npy"] for key in _find_keys(members, choice, name)]
            uv = _read_uv(archive, found, choice, name)
            valid = _read_valid(archive, members["valid.npy"], name, uv.shape[:2]) if "valid.npy" in members else None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError, ValueError) as error:
        raise FormatError(f"{name}: expected an .npz file, its zip cannot be read: {error}") from error
    if valid is not None:
        np.copyto(uv, np.nan, where=~valid[..., None])
    return FlowField.taking(uv)


def _find_keys(members: Iterable[str], choice: ArrayChoice, name: str) -> tuple[str, ...]:
    arrays = [member.removesuffix(".npy") for member in members if member.endswith(".npy")]
    listed = ", ".join(sorted(arrays)[:5]) or "nothing"
    if choice.keys:
        if not set(choice.keys) <= set(arrays):
            raise FormatError(f"{name}: expected the array {choice.key} that --key names, found {listed}")
        return choice.keys
    fitting = [keys for keys in _KEYS if set(keys) <= set(arrays)]
    if not fitting and len(arrays) == 1:
        fitting = [(arrays[0],)]
    if len(fitting) > 1:
        several = " or ".join("+".join(keys) for keys in fitting)
        raise FormatError(f"{name}: expected one array of flow, found {several}; say which with --key")
    if not fitting:
        known = ", ".join("+".join(keys) for keys in _KEYS)
        raise FormatError(f"{name}: expected an array of flow ({known}), found {listed}; say which it is with --key")
    return fitting[0]


def _read_uv(
    archive: zipfile.ZipFile, members: Sequence[zipfile.ZipInfo], choice: ArrayChoice, name: str
) -> NDArray[np.float32]:
    if len(members) == 1:
        with _open_member(archive, members[0], name) as stream:
            return read_uv(stream, members[0].file_size, f"{name}, {members[0].filename}", choice)
    uv: NDArray[np.float32] | None = None
    for channel, info in enumerate(members):
        with _open_member(archive, info, name) as stream:
            header = read_array_header(stream, info.file_size, f"{name}, {info.filename}")
            if len(header.shape) != 2 or header.dtype.kind != "f" or (uv is not None and header.shape != uv.shape[:2]):
                expected = "(height, width)" if uv is None else str(uv.shape[:2])
                raise FormatError(
                    f"{name}: expected {info.filename} as floats of shape {expected}, found {header.dtype} "
                    f"{header.shape}"
                )
            check_size(name, header.shape[0], header.shape[1])
            uv = np.empty((*header.shape, 2), np.float32) if uv is None else uv
            fill_floats(uv[..., channel], stream, header, name)
    assert uv is not None
    return uv


def _read_valid(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, size: tuple[int, ...]) -> NDArray[np.bool_]:
    with _open_member(archive, info, name) as stream:
        header = read_array_header(stream, info.file_size, f"{name}, {info.filename}")
        if header.shape != size or header.dtype != np.bool_:
            raise FormatError(f"{name}: expected valid as bool {size}, found {header.dtype} {header.shape}")
        valid = np.empty(size, bool)
        fill_array(valid, stream, header, name)
        return valid


def _open_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> IO[bytes]:
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # NumPy writes no other; zipfile knows two more, whose errors and whose needs of memory are theirs.
        raise FormatError(f"{name}: expected {info.filename} stored or deflated, found method {info.compress_type}")
    if info.file_size > MAX_FILE_BYTES:
        raise FormatError(f"{name}: expected at most {MAX_FILE_BYTES} bytes in {info.filename}, found {info.file_size}")
    return archive.open(info)
