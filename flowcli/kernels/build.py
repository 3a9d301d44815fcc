"""Compile the kernels with this machine's C++ compiler, or the one that `pip install 'flowcli[kernels]'` brings.

$CXX names another compiler, $CXXFLAGS adds options.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import torch

from flowcli.errors import EngineError, OutputError
from flowcli.io.atomic import replace_when_complete
from flowcli.kernels.library import Library
from flowcli.kernels.processor import OPTIONS, Level, list_levels
from flowcli.kernels.store import SOURCES, kernels_folder, library_path


def find_compiler() -> list[str]:
    """Return the command of a C++ compiler: $CXX, else c++, g++ or clang++, else that of the package ziglang.

    Raises:
        EngineError: where there is none.
    """
    if chosen := _split("CXX"):
        return chosen
    for name in ("c++", "g++", "clang++"):
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "c++"]
    raise EngineError("expected a C++ compiler, found none; install g++ or clang++, or pip install 'flowcli[kernels]'")


def compile_kernels(level: Level | None = None) -> Path:
    """Compile a level, by default the best that this processor runs, and return the library's path.

    Raises:
        EngineError: no compiler, or one that fails; or no level for this processor.
        OutputError: the folder cannot be written.
    """
    if level is None:
        if not (levels := list_levels()):
            raise EngineError(
                "expected an x86 processor with AVX2, and a torch that says so, for compiled kernels; found torch "
                f"{torch.__version__} on {platform.machine()}; flowcli runs without them"
            )
        level = levels[0]
    path = library_path(level)
    command = [*find_compiler(), *OPTIONS, *level.options, *_split("CXXFLAGS"), str(SOURCES / "kernels.cpp")]
    try:
        kernels_folder().mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{kernels_folder()}: cannot be made: {error.strerror or error}") from None
    with replace_when_complete(path) as temporary:
        try:
            done = subprocess.run([*command, "-o", str(temporary)], capture_output=True, text=True)
        except OSError as error:
            raise EngineError(f"expected a C++ compiler, found {command[0]}: {error.strerror or error}") from None
        if done.returncode:
            lines = [line for line in done.stderr.splitlines() if line.strip()]
            reason = next((line for line in lines if "error" in line), lines[0] if lines else "no message")
            raise EngineError(f"{command[0]} could not compile the kernels: {reason.strip()}")
        try:
            Library(temporary, level.name)
        except (OSError, AttributeError) as error:
            raise EngineError(f"{command[0]} made kernels that cannot be loaded: {error}; see CXXFLAGS") from None
    return path


def _split(variable: str) -> list[str]:
    try:
        return shlex.split(os.environ.get(variable, ""))
    except ValueError as error:
        raise EngineError(f"expected words in ${variable}, found {os.environ[variable]!r}: {error}") from None
