"""Compiling, finding and refusing kernels."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from flowcli.cli.app import app
from flowcli.errors import EngineError, OutputError, UsageError
from flowcli.estimator import Estimator
from flowcli.kernels.build import compile_kernels, find_compiler
from flowcli.kernels.processor import LEVELS, list_levels
from flowcli.kernels.store import choose_kernels, find_kernels, library_path, remove_kernels

CPU = torch.device("cpu")


def test_the_best_level_is_taken(kernels_folder: Path) -> None:
    found = find_kernels()
    assert found is not None and found[0] == list_levels()[0] and found[1].parent == kernels_folder
    library = choose_kernels("auto", torch.float32, CPU)
    assert library is not None and library.level == found[0].name
    assert choose_kernels("torch", torch.float32, CPU) is None


def test_nothing_compiled_means_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path / "none"))
    assert choose_kernels("auto", torch.float32, CPU) is None
    with pytest.raises(EngineError, match="run flowcli compile"):
        choose_kernels("compiled", torch.float32, CPU)
    with pytest.raises(UsageError, match="auto, compiled or torch"):
        choose_kernels("fast", torch.float32, CPU)


def test_kernels_are_for_the_cpu(kernels_folder: Path) -> None:
    gpu = torch.device("cuda")
    assert choose_kernels("auto", torch.float32, gpu) is None
    with pytest.raises(UsageError, match="expected --device cpu"):
        choose_kernels("compiled", torch.float32, gpu)


def test_a_library_travels_to_other_processes(kernels_folder: Path) -> None:
    library = choose_kernels("auto", torch.float32, CPU)
    assert library is not None
    again = pickle.loads(pickle.dumps(library))
    assert (again.path, again.level, again.rows) == (library.path, library.level, library.rows)
    pickle.loads(pickle.dumps(Estimator(kernels="compiled")))


def test_a_closed_folder_means_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    library_path(list_levels()[0]).write_bytes(b"")

    def refuse(*_: object) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "access", lambda *_: False)  # as for another user; the tests may run as root
    assert find_kernels() is None
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(OutputError, match="cannot be emptied: Permission denied"):
        remove_kernels()


def test_only_kernels_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    mine = ["0123456789abcdef-avx2.so", ".flowcli-0123456789abcdef.so", library_path(LEVELS[0]).name]
    for name in (*mine, "engine.so", "abc.so", "0123456789abcdef-avx2.so.txt"):
        (tmp_path / name).write_bytes(b"")
    assert sorted(path.name for path in remove_kernels()) == sorted(mine)
    assert len(list(tmp_path.iterdir())) == 3
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path / "none"))
    assert remove_kernels() == []


def test_a_folder_may_be_relative(kernels_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(kernels_folder)
    monkeypatch.setenv("FLOWCLI_KERNELS", ".")
    assert choose_kernels("auto", torch.float32, CPU) is not None


def test_bfloat16_needs_a_level_that_has_it(
    compiled: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    avx2 = next(level for level in LEVELS if level.name == "avx2")
    library_path(avx2).write_bytes(compiled["avx2"].read_bytes())
    assert choose_kernels("auto", torch.bfloat16, CPU) is None
    with pytest.raises(EngineError, match="found avx2"):
        choose_kernels("compiled", torch.bfloat16, CPU)


def test_a_damaged_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    library_path(list_levels()[0]).write_bytes(b"no library")
    with pytest.raises(EngineError, match=r"cannot be loaded.*run flowcli compile again"):
        choose_kernels("auto", torch.float32, CPU)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("CXX", "/no/such/compiler", r"expected a C\+\+ compiler, found /no/such/compiler"),
        ("CXXFLAGS", "--no-such-option", r"could not compile the kernels: .*no-such-option"),
        ("CXXFLAGS", "-O0 -ffast-math", r"could not compile the kernels: .*fast-math"),
        ("CXXFLAGS", "-O0 -c", r"made kernels that cannot be loaded"),
        ("CXXFLAGS", "-DX='", r"expected words in \$CXXFLAGS"),
    ],
)
def test_a_compiler_that_fails_leaves_nothing(
    variable: str, value: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    monkeypatch.setenv(variable, value)
    with pytest.raises(EngineError, match=message):
        compile_kernels()
    assert not any(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path / "file" / "kernels"))
    with pytest.raises(OutputError, match="cannot be made"):
        compile_kernels()


def test_compilers_are_tried_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "ccache g++")
    assert find_compiler() == ["ccache", "g++"]
    monkeypatch.delenv("CXX")
    monkeypatch.setenv("PATH", "")
    assert find_compiler() == [sys.executable, "-m", "ziglang", "c++"]
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(EngineError, match=r"flowcli\[kernels\]"):
        find_compiler()


def test_the_estimate_is_the_same(kernels_folder: Path) -> None:
    frame1 = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8).repeat(2, axis=0)
    frame2 = np.roll(frame1, 1, axis=1)
    flows, settings = [], []
    for kernels in ("torch", "compiled"):
        estimator = Estimator(kernels=kernels)
        settings.append(estimator.settings)
        flows.append(estimator.flow(frame1, frame2).uv)
    assert settings[0] == settings[1]  # a batch that began without goes on with them
    difference = np.abs(flows[0] - flows[1])
    # A gate may decide otherwise where two candidates are equally good.
    assert difference.max() > 0 and (difference > 1e-3).mean() < 0.01


def test_the_command_compiles_and_removes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWCLI_KERNELS", str(tmp_path))
    monkeypatch.setenv("CXXFLAGS", "-O0")  # quick
    run = CliRunner().invoke
    done = run(app, ["compile"])
    assert done.exit_code == 0, done.output
    path = Path(done.output.strip())
    assert path == library_path(list_levels()[0]) and path.is_file()
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    info = run(app, ["info"])
    assert list_levels()[0].name in info.output
    assert run(app, ["compile", "--remove"]).output.strip() == str(path)
    assert not any(tmp_path.iterdir())
    assert "to_compile=flowcli compile" in run(app, ["info"]).output
