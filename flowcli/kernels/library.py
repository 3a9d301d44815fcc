"""The compiled library as Python sees it: argument structs, and tasks shared among threads."""

from __future__ import annotations

import ctypes
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

# Tasks take unequal time on a busy machine: each thread comes back for more.
SHARES = 4


class Arguments(ctypes.Structure):
    """Arguments of one kernel, in the order of its struct in `source/`: pointers first, then float32, then int32."""

    def __init__(self, **values: object) -> None:
        # What a pointer points at has to outlive the call.
        self.tensors = [value for value in values.values() if isinstance(value, Tensor)]
        super().__init__(**{name: _address(value) for name, value in values.items()})


def _fields(pointers: str, floats: str, integers: str) -> list[tuple[str, type]]:
    kinds = ((pointers, ctypes.c_void_p), (floats, ctypes.c_float), (integers, ctypes.c_int32))
    return [(name, kind) for names, kind in kinds for name in names.split()]


def _address(value: object) -> object:
    if not isinstance(value, Tensor):
        return value
    assert value.is_contiguous() and value.device.type == "cpu"
    return value.data_ptr()


class AttendArguments(Arguments):
    """`struct Attend`."""

    _fields_ = _fields("inner out", "scale", "heads latents channels key_rows value_rows")


class EncodeArguments(Arguments):
    """`struct Encode`."""

    _fields_ = _fields(
        "features rows columns channels inverse logarithm out",
        "",
        "latents latent_step feature_count height width pixel_rows channel_rows",
    )


class DecodeArguments(Arguments):
    """`struct Decode`."""

    _fields_ = _fields(
        "features inverse keys key_rows key_columns key_constants values"
        " first first_bias second second_bias rows columns flow",
        "epsilon",
        "feature_step feature_count row_channels column_channels latents height width column_step residual exact_gelu"
        " key_panel_rows value_panel_rows first_panel_rows",
    )


class MatchArguments(Arguments):
    """`struct Match`."""

    _fields_ = _fields("first second flow", "", "height width down right clip near far")


class MedianArguments(Arguments):
    """`struct Median`."""

    _fields_ = _fields(
        "flow picture pixels out",
        "colour nearness",
        "height width flow_plane flow_row flow_column picture_plane picture_row picture_column eight_bit radius step"
        " out_plane",
    )


class RefineArguments(Arguments):
    """`struct Refine`."""

    _fields_ = _fields(
        "first second flow out",
        "smoothness brightness gradient epsilon zeta relaxation",
        "height width top bottom left right reach iterations sweeps",
    )


class Library:
    """A loaded library.

    Attributes:
        path: its file.
        level: name of what it was compiled for.
        rows: most rows of a panel.
        lanes: float32 lanes of a vector.
        operands: types of operands that its products take.
    """

    def __init__(self, path: Path, level: str) -> None:
        self.path, self.level = path, level
        self._library = ctypes.CDLL(str(path))
        self.rows, self.lanes = self._library.flowcli_rows(), self._library.flowcli_lanes()
        self.operands = (torch.float32, torch.bfloat16) if self._library.flowcli_half() else (torch.float32,)
        self._functions: dict[type[Arguments], ctypes._NamedFuncPointer] = {}
        kinds = {
            "attend": AttendArguments,
            "encode": EncodeArguments,
            "decode": DecodeArguments,
            "match": MatchArguments,
            "median": MedianArguments,
            "refine": RefineArguments,
        }
        for name, kind in kinds.items():
            function = getattr(self._library, f"flowcli_{name}")
            function.argtypes = [ctypes.POINTER(kind), ctypes.c_int, ctypes.c_int64, ctypes.c_int64]
            function.restype = ctypes.c_int
            self._functions[kind] = function
        # Threads start when they are needed, and are shared by all who call at the same time.
        self._pool = ThreadPoolExecutor(os.cpu_count(), "flowcli-kernels", torch.set_flush_denormal, (True,))

    def __reduce__(self) -> tuple[type[Library], tuple[Path, str]]:
        return Library, (self.path, self.level)

    def blocks(self, count: int) -> int:
        """Return how many tasks `count` items in lanes make."""
        return math.ceil(count / (2 * self.lanes))

    def pad(self, count: int) -> int:
        """Return `count`, rounded up to whole vectors."""
        return math.ceil(count / self.lanes) * self.lanes

    def run_here(self, arguments: Arguments, first: int, last: int, operands: torch.dtype = torch.float32) -> None:
        """Run the tasks from `first` to before `last` on the calling thread.

        Raises:
            MemoryError: where memory is short.
        """
        function = self._functions[type(arguments)]
        if function(ctypes.byref(arguments), int(operands == torch.bfloat16), first, last):
            raise MemoryError("expected memory for the kernels' scratch space, found too little")

    def run(self, arguments: Arguments, operands: torch.dtype, tasks: int, shares: int = SHARES) -> None:
        """Run all tasks of a kernel on as many threads as torch has here, in `shares` parts each.

        Raises:
            MemoryError: where memory is short.
        """

        def run_some(first: int, last: int) -> None:
            self.run_here(arguments, first, last, operands)

        threads = min(torch.get_num_threads(), tasks)
        if threads == 1:
            run_some(0, tasks)
            return
        step = math.ceil(tasks / (threads * shares))
        starts = range(0, tasks, step)
        list(self._pool.map(run_some, starts, [min(start + step, tasks) for start in starts]))
