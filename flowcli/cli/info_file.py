"""What `flowcli info FILE` says about a flow file or an image; other kinds have files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowcli.io.flow.layout import ArrayChoice


def describe_file(path: Path, choice: ArrayChoice | None = None) -> dict[str, object]:
    """Return what a flow file, an image, a video, a folder or a checkpoint holds, as JSON-able facts.

    A PNG with three channels of 16 bits counts as flow in KITTI's format, any other as an image. `choice` says which
    array of a NumPy file is the flow.

    Raises:
        InputError: missing, or neither flow nor image nor video, or a folder of none of them.
        FormatError: damaged.
        WeightsError: a damaged checkpoint.
    """
    from flowcli.cli.info_checkpoint import CHECKPOINT_SUFFIXES, describe_checkpoint
    from flowcli.cli.info_folder import describe_folder
    from flowcli.cli.info_video import describe_video
    from flowcli.errors import FormatError, InputError
    from flowcli.io.flow import FORMATS
    from flowcli.io.image import IMAGE_SUFFIXES
    from flowcli.io.limits import read_bytes
    from flowcli.io.png import RGB, SIGNATURE, check_png

    if path.is_dir():
        return describe_folder(path)
    name = path.name.lower()
    if name.endswith(CHECKPOINT_SUFFIXES) and path.is_file():
        return describe_checkpoint(path)
    if not name.endswith((*FORMATS, *IMAGE_SUFFIXES)):
        try:
            return describe_video(path)
        except FormatError:
            known = " ".join(dict.fromkeys((*FORMATS, *IMAGE_SUFFIXES)))
            found = f"'{path.suffix}'" if path.suffix else "no suffix"
            raise InputError(f"{path}: expected a flow file, an image ({known}) or a video, found {found}") from None
    data = read_bytes(path)
    is_flow = name.endswith(tuple(FORMATS))
    if name.endswith(".png"):
        header = check_png(data, str(path)) if data.startswith(SIGNATURE) else None
        is_flow = header is not None and (header.bit_depth, header.color_type) == (16, RGB)
    return _describe_flow(path, data, choice) if is_flow else _describe_image(path, data)


def _describe_flow(path: Path, data: bytes, choice: ArrayChoice | None) -> dict[str, object]:
    from flowcli.io.flow import find_format

    row = find_format(path)
    row.check_available()
    field = row.decode_chosen(data, str(path), choice)
    height, width = field.size
    known = field.uv[field.known]
    return {
        "file": str(path),
        "holds": "flow",
        "format": f"{row.name} ({row.description})",
        "bytes": len(data),
        "width": width,
        "height": height,
        "known_percent": 100 * len(known) / (height * width),
        "u_px": _summarize(known[:, 0]),
        "v_px": _summarize(known[:, 1]),
        "length_px": _summarize(field.magnitude()[field.known]),
    }


def _describe_image(path: Path, data: bytes) -> dict[str, object]:
    from flowcli.io.image import decode_image, read_header

    kind, header = read_header(data, str(path))
    height, width = decode_image(data, str(path)).shape[:2]  # upright
    return {
        "file": str(path),
        "holds": "image",
        "format": kind.name,
        "bytes": len(data),
        "width": width,
        "height": height,
        "depth": header.depth,
        "channels": header.channels,
        "pages": header.pages,
        "orientation": header.orientation,
    }


def _summarize(values: NDArray[np.float32]) -> dict[str, float] | None:
    import numpy as np

    if values.size == 0:
        return None
    return {
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean(dtype=np.float64)),
        "p95": float(np.percentile(values, 95)),
        "max": float(values.max()),
    }
