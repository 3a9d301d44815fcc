"""Which of the compiled forms a processor runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch

# For all levels. -w: GCC 12 warns of its own header for AVX-512.
OPTIONS = ("-std=c++17", "-O3", "-fPIC", "-shared", "-w")


class Level(NamedTuple):
    """One form of the kernels.

    Attributes:
        name: what it is called in file names and messages.
        needs: features of a processor, as torch calls them.
        options: of the compiler, beside OPTIONS.
    """

    name: str
    needs: tuple[str, ...]
    options: tuple[str, ...]


# Best first.
LEVELS = (
    Level("avx512_bf16", ("avx512_f", "avx512_bf16", "fma3"), ("-mavx512f", "-mavx512bf16", "-mfma")),
    Level("avx512", ("avx512_f", "fma3"), ("-mavx512f", "-mfma")),
    Level("avx2", ("avx2", "fma3"), ("-mavx2", "-mfma")),
)


def list_levels() -> list[Level]:
    """Return the levels that this processor runs, best first; none where it is not an x86 with AVX2.

    None either with an older torch, which does not tell what a processor can.
    """
    capabilities = _capabilities()
    return [level for level in LEVELS if all(capabilities.get(need) for need in level.needs)]


def has_matrix_unit() -> bool:
    """Say whether torch's bfloat16 products run on a matrix unit (AMX), which these kernels do not know."""
    return bool(_capabilities().get("amx_bf16"))


def _capabilities() -> Mapping[str, object]:
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}
