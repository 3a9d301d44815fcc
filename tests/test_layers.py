"""The architecture as a test: imports go strictly downward, and heavy libraries stay where they belong."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowcli

PACKAGE = Path(flowcli.__file__).parent

# Level of each part; a module may import its own part and parts of lower levels.
LEVELS = {
    "errors": 0, "deferred": 0, "flow": 0,
    "model": 1, "io": 1, "warping": 1,
    "kernels": 2, "runtime": 2,
    "frames": 2, "viz": 2,
    "checkpoints": 3, "coarse_to_fine": 3,
    "options": 4, "motion": 4,
    "methods": 5,
    "estimator": 6,
    "output": 7, "training": 7, "benchmark": 7, "viewer": 7,
    "evaluation": 8, "jobs": 8,
    "suite": 9,
    "cli": 10, "__main__": 11,
}  # fmt: skip
# Parts of one level do not know each other, with these exceptions: (importer, imported).
ALLOWED = {("flow", "errors")}
TORCH_PARTS = {
    "model", "kernels", "checkpoints", "runtime", "coarse_to_fine", "methods", "training", "benchmark"
}  # fmt: skip
TERMINAL_LIBRARIES = {"typer", "tqdm"}


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def modules() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if path.parent != PACKAGE or path.stem != "__init__")


def imported_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            yield node.module or ""


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_downward(path: Path) -> None:
    part = part_of(path)
    for name in imported_names(ast.parse(path.read_text(encoding="utf-8"))):
        if not name.startswith("flowcli."):
            continue
        other = name.split(".")[1]
        if other != part and (part, other) not in ALLOWED:
            assert LEVELS[other] < LEVELS[part], f"{path} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_heavy_libraries_stay_in_their_parts(path: Path) -> None:
    roots = {name.split(".")[0] for name in imported_names(ast.parse(path.read_text(encoding="utf-8")))}
    part = part_of(path)
    if "torch" in roots:
        assert part in TORCH_PARTS | {"cli"}, f"{path} imports torch"
    if roots & TERMINAL_LIBRARIES:
        assert part == "cli", f"{path} imports {roots & TERMINAL_LIBRARIES}"


def test_files_stay_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in PACKAGE.rglob("*.py")}
    assert {path: length for path, length in lengths.items() if length > 350} == {}


@pytest.mark.parametrize("module", ["flowcli", "flowcli.cli.app"])
def test_importing_the_command_line_is_light(module: str) -> None:
    code = f"import sys, {module}; print(*sorted({{'torch', 'numpy', 'cv2', 'av'}} & sys.modules.keys()))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


@pytest.mark.parametrize("module", ["flowcli.options", "flowcli.methods", "flowcli.estimator"])
def test_torch_waits_for_a_method_that_needs_it(module: str) -> None:
    code = f"import sys, {module}; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_the_public_names_exist() -> None:
    assert sorted(flowcli.__all__) == list(flowcli.__all__)
    for name in flowcli.__all__:
        assert getattr(flowcli, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'estimat'"):
        _ = flowcli.estimat
