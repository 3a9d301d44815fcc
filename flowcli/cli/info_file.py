"""What `flowcli info FILE` says about a flow file or an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def describe_file(path: Path) -> dict[str, object]:
    """Return what a flow file or an image holds, as JSON-able facts.

    A PNG with three channels of 16 bits counts as flow in KITTI's format, any other as an image.

    Raises:
        InputError: missing, or of a suffix that is neither flow nor image.
        FormatError: damaged.
    """
    from flowcli.errors import InputError
    from flowcli.io.flow import FORMATS
    from flowcli.io.image import IMAGE_SUFFIXES
    from flowcli.io.limits import read_bytes
    from flowcli.io.png import RGB, SIGNATURE, check_png

    name = path.name.lower()
    if not name.endswith((*FORMATS, *IMAGE_SUFFIXES)):
        known = " ".join(dict.fromkeys((*FORMATS, *IMAGE_SUFFIXES)))
        found = f"'{path.suffix}'" if path.suffix else "no suffix"
        raise InputError(f"{path}: expected a flow file or an image ({known}), found {found}")
    data = read_bytes(path)
    is_flow = name.endswith(tuple(FORMATS))
    if name.endswith(".png"):
        header = check_png(data, str(path)) if data.startswith(SIGNATURE) else None
        is_flow = header is not None and (header.bit_depth, header.color_type) == (16, RGB)
    return _describe_flow(path, data) if is_flow else _describe_image(path, data)


def _describe_flow(path: Path, data: bytes) -> dict[str, object]:
    from flowcli.io.flow import find_format

    row = find_format(path)
    row.check_available()
    field = row.decode(data, str(path))
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

    kind, _ = read_header(data, str(path))
    height, width = decode_image(data, str(path)).shape[:2]  # upright
    return {
        "file": str(path),
        "holds": "image",
        "format": kind.name,
        "bytes": len(data),
        "width": width,
        "height": height,
    }


def _summarize(values: NDArray[np.float32]) -> dict[str, float] | None:
    import numpy as np

    if values.size == 0:
        return None
    return {"min": float(values.min()), "median": float(np.median(values)), "max": float(values.max())}
