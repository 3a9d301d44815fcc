"""Names and paths of weights; nothing here may touch the network."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from platformdirs import user_cache_dir

from flowcli.checkpoints import store
from flowcli.checkpoints.store import embedded_path, list_names, locate, stored_path, weights_folder
from flowcli.errors import InputError, WeightsError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder, and no network."""
    folder = tmp_path / "weights folder"
    folder.mkdir()
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(folder))

    def refuse(*_: object) -> None:
        raise AssertionError("the network was touched")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return folder


def test_the_folder_is_the_variables_or_the_users_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert weights_folder() == folder
    monkeypatch.setenv("FLOWCLI_WEIGHTS", "~/my weights")
    assert weights_folder() == Path.home() / "my weights"
    for value in ("", None):
        if value is None:
            monkeypatch.delenv("FLOWCLI_WEIGHTS")
        else:
            monkeypatch.setenv("FLOWCLI_WEIGHTS", value)
        assert weights_folder() == Path(user_cache_dir("flowcli", appauthor=False)) / "weights"


def test_embedded_weights_of_a_wheel_and_of_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "__file__", str(tmp_path / "flowcli" / "checkpoints" / "store.py"))
    with pytest.raises(WeightsError, match=r"embedded weights are missing from .*flowcli; install flowcli again"):
        locate("compact")
    inside, beside = tmp_path / "flowcli" / "weights", tmp_path / "weights"
    for expected in (beside, inside):  # the wheel's own file goes first
        expected.mkdir(parents=True)
        (expected / "compact.safetensors").touch()
        assert locate("compact") == embedded_path() == expected / "compact.safetensors"


def test_absent_weights_say_how_to_get_them() -> None:
    with pytest.raises(WeightsError, match=r"not on this machine; fetch them with: flowcli weights pull perceiver-io$"):
        locate("perceiver-io")


def test_names_and_paths(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert list_names() == ["compact", "coarse", "perceiver-io"]
    for name in ("mine.safetensors", "perceiver-io.safetensors", "compact.safetensors", ".flowcli-12.safetensors", "x"):
        (folder / name).touch()
    assert list_names() == ["compact", "coarse", "perceiver-io", "mine"]
    assert locate("mine") == stored_path("mine") == folder / "mine.safetensors"
    assert locate("perceiver-io") == folder / "perceiver-io.safetensors"
    monkeypatch.chdir(tmp_path)
    Path("mine").touch()
    assert locate("./mine") == Path("mine")  # a path, because it does not look like the name
    assert locate(Path("mine")) == Path("mine")
    assert locate("mine") == folder / "mine.safetensors"


@pytest.mark.parametrize("missing", ["nothing.safetensors", "perceiver", Path("perceiver-io")])
def test_neither_name_nor_file(missing: str | Path) -> None:
    with pytest.raises(WeightsError, match="expected compact, coarse, perceiver-io, or a checkpoint file; found"):
        locate(missing)


@pytest.mark.parametrize("name", ["", "..", "../up", "a/b", "UPPER", ".hidden", "a" * 101, "a\n"])
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(InputError, match="expected a name of lowercase letters"):
        stored_path(name)


@pytest.mark.parametrize("name", ["compact", "zero", "dis", "farneback"])
def test_names_that_are_taken(name: str) -> None:
    with pytest.raises(InputError, match=f"the name {name} is taken"):
        stored_path(name)
