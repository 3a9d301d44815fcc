"""What is around the code: licence, metadata, and checks that are the same wherever they run."""

from __future__ import annotations

import importlib.metadata
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert len(text.splitlines()) > 190


def test_the_metadata_say_what_the_package_is() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert 'license = "Apache-2.0"' in text
    assert '"Typing :: Typed"' in text
    assert (ROOT / "flowcli" / "py.typed").is_file()
    assert "License ::" not in text  # the expression says it; both together are refused
    assert importlib.metadata.version("flowcli")


def test_contributors_find_what_is_named() -> None:
    """Every path and every table in the guide exists."""
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:\w+\.py|\w+/)?|[a-z_]+\.py)`", CONTRIBUTING))
    missing = {
        name
        for name in named
        if "NAME" not in name and not (ROOT / "flowcli" / name).exists() and not (ROOT / name).exists()
    }
    assert missing == set()
    assert len(named) > 20
    for table in ("METHODS", "KEY_MAPS", "PRESETS"):
        assert table in CONTRIBUTING


def run_size_check(root: Path, *names: str) -> subprocess.CompletedProcess[str]:
    (root / ".ci").mkdir(exist_ok=True)
    shutil.copy(ROOT / ".ci" / "size.py", root / ".ci")
    return subprocess.run([sys.executable, ".ci/size.py", *names], cwd=root, capture_output=True, text=True)


@pytest.mark.parametrize("names", [[], ["large.bin", "small.txt"]])
def test_large_files_are_refused(tmp_path: Path, names: list[str]) -> None:
    (tmp_path / "small.txt").write_text("small")
    assert run_size_check(tmp_path, *names).returncode == 0
    (tmp_path / "large.bin").write_bytes(bytes(600_000))
    found = run_size_check(tmp_path, *names)
    assert found.returncode == 1
    assert found.stderr == (
        "large.bin: expected at most 524288 bytes, found 600000; keep large files out of the repository\n"
    )


def test_pre_commit_and_ci_run_the_same_checks() -> None:
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    hooks = re.findall(r"entry: (.+)", (ROOT / ".github" / "pre-commit.yaml").read_text(encoding="utf-8"))
    assert len(hooks) == 4
    for hook in hooks:
        assert hook in ci
    assert ".ci/run" in (ROOT / ".github" / "workflows" / "checks.yml").read_text(encoding="utf-8")
