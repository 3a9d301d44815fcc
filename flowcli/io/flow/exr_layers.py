"""What programs of compositing and rendering call motion in an EXR, and which way they count it.

- Ours: `u`, `v` in pixels, v down as in this whole package.
- Nuke (Foundry, "Motion layers"; the layers of VectorGenerator): `forward.u`, `forward.v` lead from this frame to the
  next, `backward.u`, `backward.v` to the one before, in pixels, v up.
- Blender's Vector pass (Cycles, kernel/geom/primitive.h, `primitive_motion_vector`): X, Y is the position in the frame
  before minus that in this one, and Z, W the position in this frame minus that in the *next*, in pixels, y up. So Z, W
  is the flow turned round. In a file of several layers the name of the view layer stands in front.
- R, G: the same as Nuke's forward, for programs that move colours about (Fusion, After Effects, Flame).
- STMap (Foundry, "STMap"): R, G is where in the other picture this pixel comes from, 0 to 1, from the left and from the
  bottom: ((x + 0.5 + u) / W, 1 - (y + 0.5 + v) / H), for the centre of the first pixel lies at half a pixel.

What is unknown is 0 with alpha 0: a NaN would spread through every filter of a compositor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowcli.errors import FormatError

FORWARD, BACKWARD, COLOURS, STMAP = "forward", "backward", "rg", "stmap"
ALPHA = "A"
_STRIP_PIXELS = 2**20


@dataclass(frozen=True)
class Layer:
    """Two channels of motion.

    Attributes:
        key: what the user calls it.
        channels: the names for u and v.
        signs: what they are multiplied by to become u right and v down.
        alpha: the channel that is 0 where the motion is unknown, or None where it is NaN.
        absolute: whether they are positions, 0 to 1 from the bottom left, and no motion.
    """

    key: str
    channels: tuple[str, str]
    signs: tuple[int, int]
    alpha: str | None = ALPHA
    absolute: bool = False

    def encode(self, uv: NDArray[np.float32], known: NDArray[np.bool_] | None) -> dict[str, NDArray[np.float32]]:
        """Return the channels for flow, float32 `(H, W, 2)`, and their alpha; `known` None: everywhere."""
        height, width = uv.shape[:2]
        values = np.empty((2, height, width), np.float32)
        for rows in _strips(height, width):
            for channel in range(2):
                part = uv[rows, :, channel]
                if self.absolute:
                    part = _to_position(part, channel, rows.start, (height, width))
                values[channel, rows] = part * np.float32(self.signs[channel])
        channels = dict(zip(self.channels, values, strict=True))
        if self.alpha is not None:
            alpha = np.ones((height, width), np.float32) if known is None else known.astype(np.float32)
            if known is not None:
                values[:, ~known] = 0
            channels[self.alpha] = alpha
        return channels

    def decode_rows(self, values: Sequence[NDArray[np.floating]], first_row: int, uv: NDArray[np.float32]) -> None:
        """Put rows of the two channels, from `first_row` on, into these rows of `uv`, float32 `(H, W, 2)`."""
        rows = slice(first_row, first_row + len(values[0]))
        for channel in range(2):
            part = values[channel].astype(np.float32, copy=False) * np.float32(self.signs[channel])
            uv[rows, :, channel] = _from_position(part, channel, first_row, uv.shape) if self.absolute else part


OURS = Layer(FORWARD, ("u", "v"), (1, 1), alpha=None)
NUKE = {
    FORWARD: Layer(FORWARD, ("forward.u", "forward.v"), (1, -1)),
    BACKWARD: Layer(BACKWARD, ("backward.u", "backward.v"), (1, -1), "backward.A"),
}
BLENDER = {
    FORWARD: Layer(FORWARD, ("Vector.Z", "Vector.W"), (-1, 1)),
    BACKWARD: Layer(BACKWARD, ("Vector.X", "Vector.Y"), (1, -1), "Vector.A"),
}
RG = Layer(COLOURS, ("R", "G"), (1, -1))
POSITIONS = Layer(STMAP, ("R", "G"), (1, 1), absolute=True)
# In the order in which a file is asked for them. Colours may be a picture or positions as well: only on request.
_BY_NAME = (OURS, NUKE[FORWARD], BLENDER[FORWARD], NUKE[BACKWARD], BLENDER[BACKWARD])
KEYS = (FORWARD, BACKWARD, COLOURS, STMAP)


def find_layer(channels: Iterable[str], keys: tuple[str, ...], default: str | None, name: str) -> Layer:
    """Return the layer of a file that is its flow, with the names that its channels have there.

    Args:
        channels: of the file.
        keys: what the user says: one of KEYS, or two channels in pixels, v up; empty for what the names tell.
        default: the key where the user says nothing, because the suffix of the file tells.
        name: the file, for messages.

    Raises:
        FormatError: there is no such layer.
    """
    there = list(channels)
    if len(keys) == 2:
        if set(keys) <= set(there):
            return Layer(keys[0], (keys[0], keys[1]), (1, -1), ALPHA if ALPHA in there else None)
        raise _missing(there, f"the channels {keys[0]} and {keys[1]} that --key names", name)
    key = keys[0] if keys else default
    if key is not None and key not in KEYS:
        raise FormatError(f"{name}: --key: expected {', '.join(KEYS)} or two channels such as R,G, got {key!r:.60}")
    candidates = {COLOURS: (RG,), STMAP: (POSITIONS,)}.get(key or "", _BY_NAME)
    for layer in candidates:
        if key in (None, COLOURS, STMAP) or layer.key == key:
            found = _spelled(layer, there)
            if found is not None:
                return found
    if {"R", "G"} <= set(there) and key is None:
        raise FormatError(
            f"{name}: expected the channels u and v, forward.u, or Vector.Z, found R, G; say with --key whether they "
            "are motion (rg) or positions (stmap)"
        )
    raise _missing(there, "the channels u and v, forward.u and forward.v, or Vector.Z and Vector.W", name)


def _missing(there: list[str], expected: str, name: str) -> FormatError:
    return FormatError(f"{name}: expected {expected}, found {', '.join(sorted(there)[:6]) or 'none'}")


def _spelled(layer: Layer, there: list[str]) -> Layer | None:
    # "Vector.Z", or "ViewLayer.Vector.Z" if that is the only one.
    first, second = layer.channels
    prefixes = [other.removesuffix(first) for other in there if other == first or other.endswith(f".{first}")]
    if first == "u" or "." not in first:
        prefixes = [""] if first in there else []
    fitting = [prefix for prefix in prefixes if prefix + second in there]
    if len(fitting) != 1:
        return None
    prefix = fitting[0]
    alphas = [alpha for alpha in (layer.alpha and prefix + layer.alpha, layer.alpha) if alpha in there]
    return Layer(layer.key, (prefix + first, prefix + second), layer.signs, next(iter(alphas), None), layer.absolute)


def _to_position(part: NDArray[np.float32], axis: int, first_row: int, size: tuple[int, ...]) -> NDArray[np.float64]:
    start, side = _centres(part.shape, axis, first_row), size[1 - axis]
    position = (start + part.astype(np.float64)) / side
    return 1 - position if axis else position


def _from_position(part: NDArray[np.float32], axis: int, first_row: int, size: tuple[int, ...]) -> NDArray[np.float64]:
    start, side = _centres(part.shape, axis, first_row), size[1 - axis]
    position = part.astype(np.float64)
    return (1 - position if axis else position) * side - start


def _centres(shape: tuple[int, ...], axis: int, first_row: int) -> NDArray[np.float64]:
    if axis == 0:
        return np.arange(shape[1], dtype=np.float64) + 0.5
    return (np.arange(shape[0], dtype=np.float64) + (first_row + 0.5))[:, None]


def _strips(height: int, width: int) -> Iterable[slice]:
    rows = max(1, _STRIP_PIXELS // width)
    return (slice(first, min(first + rows, height)) for first in range(0, height, rows))


def merge_channels(parts: Iterable[Mapping[str, NDArray[np.float32]]]) -> dict[str, NDArray[np.float32]]:
    """Return the channels of several layers together."""
    return {name: values for part in parts for name, values in part.items()}
