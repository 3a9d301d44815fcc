from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowcli.kernels.build import compile_kernels
from flowcli.kernels.processor import Level, list_levels


@pytest.fixture(scope="session")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every level that this processor runs, compiled with the compiler that users have."""
    folder = tmp_path_factory.mktemp("kernels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FLOWCLI_KERNELS", str(folder))
        patch.setenv("CXXFLAGS", "-O1")  # takes a third of the time of -O3

        def build(level: Level) -> Path:
            return compile_kernels(level)

        with ThreadPoolExecutor(2) as pool:
            return {level.name: path for level, path in zip(list_levels(), pool.map(build, list_levels()), strict=True)}


@pytest.fixture
def kernels_folder(compiled: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of all compiled levels, as flowcli finds it."""
    folder = next(iter(compiled.values())).parent
    monkeypatch.setenv("FLOWCLI_KERNELS", str(folder))
    return folder
