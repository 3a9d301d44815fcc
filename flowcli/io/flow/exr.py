"""OpenEXR `.exr`: one scan-line part with two channels of motion; `exr_layers` says who calls them what.

Written as 32-bit float or 16-bit half (11 significant bits, up to 65504 px), with lossless ZIP compression; both are
read, with any compression, whatever the suffix promises, by the names of the channels. OpenEXR before 3.5 takes file
names only, so the bytes go through a temporary file.
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError, UsageError
from flowcli.flow import FlowField
from flowcli.io.exr_header import ExrHeader, read_exr_header
from flowcli.io.flow.exr_layers import (
    BACKWARD,
    BLENDER,
    COLOURS,
    FORWARD,
    NUKE,
    OURS,
    POSITIONS,
    RG,
    STMAP,
    Layer,
    find_layer,
    merge_channels,
)
from flowcli.io.flow.layout import ANY, ArrayChoice
from flowcli.io.limits import check_decoding

LARGEST_HALF = 65504.0
_KINDS = {0: "uint32", 1: "float16", 2: "float32"}
_FLOATS = {1: np.float16, 2: np.float32}
_STRIP_BYTES = 2**23


def encode_exr(field: FlowField) -> bytes:
    """Return the file for `field` as 32-bit floats `u`, `v`, exact to the last bit; NaN where unknown."""
    return _write(OURS.encode(field.uv, field.valid), np.float32)


def encode_half_exr(field: FlowField) -> bytes:
    """Return the same as 16-bit floats, rounded to 11 significant bits and clipped to 65504 px."""
    return _write(OURS.encode(field.uv, field.valid), np.float16)


def encode_rg(field: FlowField) -> bytes:
    """Return the file with motion in R, G, v up, and alpha 0 where unknown."""
    return _write(RG.encode(field.uv, field.valid), np.float32)


def encode_half_rg(field: FlowField) -> bytes:
    """Return the same as 16-bit floats."""
    return _write(RG.encode(field.uv, field.valid), np.float16)


def encode_stmap(field: FlowField) -> bytes:
    """Return the file with positions in R, G, 0 to 1 from the bottom left, and alpha 0 where unknown."""
    return _write(POSITIONS.encode(field.uv, field.valid), np.float32)


def encode_nuke(forward: FlowField | None, backward: FlowField | None = None) -> bytes:
    """Return the file with Nuke's layers for what is given, which has to be one of the two at least, of one size."""
    return _write(_encode_both(NUKE, forward, backward), np.float32)


def encode_half_nuke(forward: FlowField | None, backward: FlowField | None = None) -> bytes:
    """Return the same as 16-bit floats."""
    return _write(_encode_both(NUKE, forward, backward), np.float16)


def encode_blender(forward: FlowField | None, backward: FlowField | None = None) -> bytes:
    """Return the file with Blender's four channels; what is not given is unknown everywhere."""
    return _write(_complete_blender(forward, backward), np.float32)


def encode_half_blender(forward: FlowField | None, backward: FlowField | None = None) -> bytes:
    """Return the same as 16-bit floats."""
    return _write(_complete_blender(forward, backward), np.float16)


def _complete_blender(forward: FlowField | None, backward: FlowField | None) -> dict[str, NDArray[np.float32]]:
    # Blender's own files always have all four.
    given = forward or backward
    assert given is not None
    nothing = FlowField(np.full_like(given.uv, np.nan), np.zeros(given.size, bool))
    return _encode_both(BLENDER, forward or nothing, backward or nothing)


def _encode_both(
    layers: Mapping[str, Layer], forward: FlowField | None, backward: FlowField | None
) -> dict[str, NDArray[np.float32]]:
    fields = {FORWARD: forward, BACKWARD: backward}
    return merge_channels(layers[key].encode(field.uv, field.valid) for key, field in fields.items() if field)


def _write(channels: Mapping[str, NDArray[np.float32]], dtype: type[np.float32] | type[np.float16]) -> bytes:
    import OpenEXR

    if dtype is np.float16:
        channels = {name: values.clip(-LARGEST_HALF, LARGEST_HALF) for name, values in channels.items()}
    stored = {name: np.ascontiguousarray(values, dtype) for name, values in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        OpenEXR.File(header, stored).write(str(path))
        return path.read_bytes()


def decode_exr(data: bytes, name: str, choice: ArrayChoice = ANY) -> FlowField:
    """Return the flow in `data`, by the names of the channels; raises FormatError naming the file `name`."""
    return _decode(data, name, choice, None)


def decode_rg(data: bytes, name: str, choice: ArrayChoice = ANY) -> FlowField:
    """Return the motion in R, G."""
    return _decode(data, name, choice, COLOURS)


def decode_stmap(data: bytes, name: str, choice: ArrayChoice = ANY) -> FlowField:
    """Return the motion to the positions in R, G."""
    return _decode(data, name, choice, STMAP)


def _decode(data: bytes, name: str, choice: ArrayChoice, default: str | None) -> FlowField:
    if choice.layout is not None:
        raise UsageError(f"{name}: --layout is for arrays (.npy and .npz); the channels of an EXR have names")
    header = read_exr_header(data, name)
    if not header.is_scanline:
        raise FormatError(f"{name}: expected an EXR file with one scan-line part, found tiles or several parts")
    if not header.is_whole:
        raise FormatError(f"{name}: expected an EXR whose data fill the display window, found a part of it")
    layer = find_layer(header.channels, choice.keys, default, name)
    names = [*layer.channels, *([layer.alpha] if layer.alpha else [])]
    _check_channels(header, names, name)
    uv = np.empty((header.height, header.width, 2), np.float32)
    # A chunk is decompressed with all its channels.
    check_decoding(name, header.chunk_rows * header.row_bytes, 0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "flow.exr")
        path.write_bytes(data)
        try:
            # On damage the library prints to stdout; stdout belongs to our results.
            with contextlib.redirect_stdout(io.StringIO()):
                unknown = _read_flow(path, header, layer, uv)
        except (RuntimeError, ValueError, OSError, KeyError) as error:
            raise FormatError(f"{name}: EXR file is damaged: its pixels cannot be decoded") from error
    if unknown is not None:
        np.copyto(uv, np.nan, where=unknown[..., None])
    return FlowField.taking(uv)


def _check_channels(header: ExrHeader, names: Sequence[str], name: str) -> None:
    kinds = {key: channel.kind for key, channel in header.channels.items()}
    expected = " and ".join(names[:2])
    if any(kinds[key] not in _FLOATS for key in names):
        found = ", ".join(f"{key} {_KINDS.get(kind, '?')}" for key, kind in sorted(kinds.items())[:6])
        raise FormatError(f"{name}: expected the channels {expected} as half or float, found {found}")
    if any(header.channels[key].sampling != (1, 1) for key in names):
        size = f"{header.width}x{header.height}"
        raise FormatError(f"{name}: expected every pixel of {size} in {expected}, found subsampled channels")


def _read_flow(path: Path, header: ExrHeader, layer: Layer, uv: NDArray[np.float32]) -> NDArray[np.bool_] | None:
    # Fills `uv`, and returns where alpha says that it is unknown.
    unknown = np.empty((header.height, header.width), bool) if layer.alpha else None
    moves = False
    for first, values in _read_rows(path, header, [*layer.channels, *([layer.alpha] if layer.alpha else [])]):
        layer.decode_rows(values[:2], first, uv)
        if unknown is not None:
            unknown[first : first + len(values[2])] = ~(values[2] > 0)
            moves = moves or any(channel.any() for channel in values[:2])
    # An alpha of 0 everywhere beside motion is that of a renderer that never filled it, and says nothing.
    return None if unknown is None or (moves and unknown.all()) else unknown


def _read_rows(path: Path, header: ExrHeader, names: Sequence[str]) -> Iterator[tuple[int, list[NDArray[np.floating]]]]:
    # Yields the first of a few rows and what the channels have there.
    import OpenEXR

    # The older of the library's two interfaces reads single channels, a few rows at a time; the newer one everything.
    file = OpenEXR.InputFile(str(path))
    try:
        rows = max(header.chunk_rows, _STRIP_BYTES // header.row_bytes)
        for first in range(0, header.height, rows):
            last = min(first + rows, header.height) - 1
            parts = file.channels(list(names), scanLine1=header.top + first, scanLine2=header.top + last)
            yield (
                first,
                [
                    np.frombuffer(part, _FLOATS[header.channels[key].kind]).reshape(-1, header.width)
                    for key, part in zip(names, parts, strict=True)
                ],
            )
    finally:
        file.close()
