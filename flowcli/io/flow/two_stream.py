"""Flow as two grey JPEGs of 8 bits, as two-stream networks for actions are trained on it.

Names and numbers are denseflow's (open-mmlab/denseflow, src/common.cpp, `writeFlowImages` and `convertFlowToImage`):
`flow_x_00000.jpg` and `flow_y_00000.jpg` for the flow from frame 0 to frame 1; from frame i to frame i + s they are
`flow_x_p{s}_{i}`, and to frame i - s `flow_x_m{s}_{i}`. A component v is stored as round(255 (v + b) / (2 b)), and
what is beyond the bound b is clipped. JPEG is OpenCV's, of its default quality, 95.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flowcli.io.atomic import write_bytes

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowcli.flow import FlowField

NAME = "xy-jpeg"
SUFFIX = ".jpg"
DESCRIPTION = "two-stream: flow_x_00000.jpg, flow_y_00000.jpg, 8 bits from -bound to bound, denseflow's names"


def name_two_stream(folder: Path, frame: int, step: int, *, backward: bool) -> list[Path]:
    """Return the paths of the two pictures for the flow from `frame` to the one `step` after it, or back from that."""
    word, number = ("", frame) if step == 1 else (f"_p{step}", frame)
    if backward:
        word, number = f"_m{step}", frame + step
    return [folder / f"flow_{axis}{word}_{number:05d}{SUFFIX}" for axis in "xy"]


def encode_two_stream(field: FlowField, bound: float) -> tuple[bytes, bytes]:
    """Return the two JPEGs of `field`; unknown pixels are stored as no motion."""
    return _encode(field.uv[..., 0], bound), _encode(field.uv[..., 1], bound)


def write_two_stream(paths: list[Path], field: FlowField, bound: float) -> None:
    """Write both, atomically each; raises OutputError."""
    for path, data in zip(paths, encode_two_stream(field, bound), strict=True):
        write_bytes(path, data)


def _encode(component: NDArray[np.float32], bound: float) -> bytes:
    # Here, because help texts are made from the names above.
    import cv2
    import numpy as np

    values = np.nan_to_num(component, nan=0.0).astype(np.float64).clip(-bound, bound)
    levels = np.rint(255 * (values + bound) / (2 * bound)).astype(np.uint8)
    return cv2.imencode(SUFFIX, levels)[1].tobytes()
