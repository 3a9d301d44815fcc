"""Anything that is a picture -> Frame: the only place where arrays, tensors, PIL images and paths are converted."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias, Union, cast

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import InputError
from flowcli.flow import Frame

FrameLike: TypeAlias = Union[Frame, NDArray[np.uint16], NDArray[np.floating[Any]], "os.PathLike[str]", str, object]
"""uint8, uint16 or float 0..1 array `(H, W)`, `(H, W, 1)`, `(H, W, 3)` or `(H, W, 4)`; a torch tensor `(C, H, W)` of
the same types and channels; a PIL image; the path of an image file."""

_ACCEPTED = (
    "an array (H, W[, 1, 3 or 4]) of uint8, uint16 or float 0..1, a torch tensor (C, H, W), a PIL image or a path"
)
_ROUNDING = 1e-3
"""Floats beyond 0..1 by no more come from filters and are cut off; by more they are in another unit."""


def as_frame(value: FrameLike, name: str = "frame") -> Frame:
    """Return a picture as uint8 `(H, W, 3)` RGB; a Frame is returned as it is, not copied.

    16-bit and float values are rounded to 8 bits, grey is repeated, alpha is left out.

    Args:
        value: see FrameLike; colours in the order RGB.
        name: what it is called in messages.

    Raises:
        InputError: anything else, no pixels, or floats outside 0..1.
        FormatError: the file is damaged.
    """
    if isinstance(value, str | os.PathLike):
        from flowcli.io.image import read_image

        return read_image(Path(cast("str | os.PathLike[str]", value)))
    array = _as_array(value, name)
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or array.shape[2] not in (1, 3, 4) or 0 in array.shape:
        raise InputError(f"expected {name} as {_ACCEPTED}; got {array.dtype} {array.shape}")
    array = _to_8_bits(array[..., :3], name)
    return array if array.shape[2] == 3 else np.repeat(array, 3, axis=2)


def as_frames(values: Sequence[FrameLike], names: Sequence[str]) -> list[Frame]:
    """Return pictures that belong together; see `as_frame`. Image files get one range of values, see `read_images`."""
    if all(isinstance(value, str | os.PathLike) for value in values):
        from flowcli.io.image import read_images

        return read_images([Path(cast("str | os.PathLike[str]", value)) for value in values])
    return [as_frame(value, name) for value, name in zip(values, names, strict=True)]


def _as_array(value: object, name: str) -> NDArray[Any]:
    if isinstance(value, np.ndarray):
        return cast("NDArray[Any]", value)
    # By name, so that neither torch nor Pillow has to be loaded or installed.
    library, picture = type(value).__module__.partition(".")[0], cast("Any", value)
    if library == "torch" and hasattr(value, "detach"):
        tensor = picture.detach().cpu()
        array = cast("NDArray[Any]", (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy())
        if array.ndim != 3:
            return array
        if array.shape[0] not in (1, 3, 4):
            raise InputError(f"expected {name} as a torch tensor (C, H, W) with 1, 3 or 4 channels, got {array.shape}")
        return np.ascontiguousarray(np.moveaxis(array, 0, 2))
    if library == "PIL" and hasattr(value, "convert"):
        deep = str(picture.mode).startswith(("I", "F"))
        return np.asarray(picture if deep else picture.convert("RGB"))
    raise InputError(f"expected {name} as {_ACCEPTED}; got {type(value).__module__}.{type(value).__qualname__}")


def _to_8_bits(array: NDArray[Any], name: str) -> Frame:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.uint16:
        return ((array.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # NaN as well
            raise InputError(f"expected {name} as floats from 0 to 1, got values from {low:g} to {high:g}; divide them")
        return np.rint(np.minimum(np.maximum(array, 0), 1) * 255).astype(np.uint8)
    raise InputError(f"expected {name} as {_ACCEPTED}; got {array.dtype} {array.shape}")
