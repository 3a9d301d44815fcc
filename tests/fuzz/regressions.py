"""Inputs that once ended badly, as rows for test_regressions.py; `python -m fuzz --target T --row FILE` makes a row."""

from __future__ import annotations

import base64
import textwrap
import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """An input that ended badly once.

    Attributes:
        target: name of the target that reads it.
        what: what happened then.
        packed: its bytes, compressed and in base 85.
    """

    target: str
    what: str
    packed: str

    @property
    def data(self) -> bytes:
        """The bytes of the file."""
        return zlib.decompress(base64.b85decode(self.packed))


def format_row(target: str, what: str, data: bytes) -> str:
    """Return the row for an input, as it stands in ROWS."""
    packed = base64.b85encode(zlib.compress(data, 9)).decode()
    lines = "\n".join(f'        "{line}"' for line in textwrap.wrap(packed, 108, break_on_hyphens=False))
    return f'    Row(\n        "{target}",\n        {what!r},\n{lines},\n    ),'


ROWS: tuple[Row, ...] = (
    Row(
        "flow-npy",
        "a signalling NaN: NumPy's warning",
        "c-oun7wQ`j$;eQ~P_3SlTAW;@Zl$1ZlV+i=qoAIaUsO_*m=~X4l#&V(cT3DEP6dh=XCxM+0{I%oItnH_3Pzeb3bhL40WO9i3K+rUhk5`GA{_t",
    ),
    Row(
        "webp",
        "an animated WebP's canvas of 16x1048588: 377 MiB",
        "c-jl{baQ*fz`zjh>J$(bU=hIuWHSLVKLZ0dgMg!-r!N}=3^@Avx<$cxU=<+11k|VC1Y}%bWSGmSCBVSL!04c+x`BZ?>7TTo0RzLoe;TPbb#9"
        "&e^Z3ro2RmyL)Bju!%(1uls8lb@`v3eo2mXJKe|&#yE`Zn&gJ}Z;$Oac6eFbg<0|VFw$9jH_-4_`CJ^wfBmXw|6L64`gDL<zd`~QwTysi6=o"
        "&0aB^rL^S&HPyZxA>3N^<&lz3=9AUe@3h",
    ),
)
