"""HDF5 from strangers: whatever happens to the process that reads it is one line here, and the next file is read."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from memory_peak import measure_peak

from flowcli.errors import EngineError, FormatError
from flowcli.flow import FlowField
from flowcli.io.flow.flo5 import decode_flo5, encode_flo5
from flowcli.io.hdf5 import process

UV = np.random.default_rng(4).normal(0, 5, (9, 8, 2)).astype(np.float32)
FILE = encode_flo5(FlowField(UV))


def make_file(build: Callable[[h5py.File], object], **options: str) -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", **options) as file:
        build(file)
    return buffer.getvalue()


@pytest.fixture
def strange_child(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Let the reading process run a statement where it would look at the dataset."""
    servers: list[process._Server] = []

    def start(statement: str) -> None:
        servers.append(process._Server())
        monkeypatch.setattr(process, "_server", servers[-1])
        change = f"import os, signal; from flowcli.io.hdf5 import child; child.SECONDS = 1\n{statement}\n"
        *first, last = process._PROGRAM.split("; ", 2)
        monkeypatch.setattr(process, "_PROGRAM", "; ".join(first) + "\n" + change + last)

    yield start
    for server in servers:
        server.close()


@pytest.mark.parametrize(
    "act",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.abort()",
        "os._exit(0)",
        "exec('while True: pass')",
        "bytearray(2**40)",
        "connection.sendall(b'S' + bytes(100))",
    ],
)
@pytest.mark.slow
def test_a_crash_is_one_line_and_the_next_file_is_read(strange_child: Callable[[str], None], act: str) -> None:
    strange_child(
        "find = child.find_size\n"
        "import inspect\n"
        "def strange(file, name):\n"
        "    connection = inspect.currentframe().f_back.f_locals['connection']\n"
        f"    return find(file, name) if len(file) == 1 else {act}\n"
        "child.find_size = strange"
    )
    hostile = make_file(lambda file: [file.create_dataset(name, data=UV) for name in ("flow", "more")])
    for _ in range(2):
        with pytest.raises(FormatError, match=r"^x\.flo5: HDF5 file is damaged") as error:
            decode_flo5(hostile, "x.flo5")
        assert "\n" not in str(error.value)
        np.testing.assert_array_equal(decode_flo5(FILE, "x").uv, UV)


def test_a_chunk_that_unpacks_without_end() -> None:
    def build(file: h5py.File) -> None:
        dataset = file.create_dataset("flow", (64, 64, 2), "<f4", chunks=(64, 64, 2), compression="gzip")
        dataset.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(2**28), 1))

    with pytest.raises(FormatError, match=r"x\.flo5: HDF5 file is damaged"):
        decode_flo5(make_file(build), "x.flo5")


def test_the_process_is_started_again_when_it_is_gone() -> None:
    decode_flo5(FILE, "x")
    gone = process._server._process
    assert gone is not None
    os.kill(gone.pid, signal.SIGKILL)
    gone.wait()
    np.testing.assert_array_equal(decode_flo5(FILE, "x").uv, UV)


def test_without_fork_every_file_has_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "fork")
    monkeypatch.setattr(process, "_server", None)
    np.testing.assert_array_equal(decode_flo5(FILE, "x").uv, UV)
    with pytest.raises(FormatError, match="found 'other'"):
        decode_flo5(make_file(lambda file: file.create_dataset("other", data=UV)), "x")


def test_python_that_cannot_be_started(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = process._Server()
    monkeypatch.setattr(process, "_server", server)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    with pytest.raises(EngineError, match="expected to start Python for reading HDF5"):
        decode_flo5(FILE, "x")
    server.close()


def test_threads_read_at_once() -> None:
    fields: list[FlowField] = []
    threads = [threading.Thread(target=lambda: fields.append(decode_flo5(FILE, "x"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fields) == 16
    assert all(np.array_equal(field.uv, UV) for field in fields)


def test_a_forked_process_reads_too_and_nothing_is_left_behind(tmp_path: Path) -> None:
    (tmp_path / "a.flo5").write_bytes(FILE)
    program = """
import os, sys
from flowcli.io.flow import read_flow
from flowcli.io.hdf5 import process
read_flow(sys.argv[1])
child = os.fork()
if child == 0:
    read_flow(sys.argv[1])
    process._server.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
read_flow(sys.argv[1])
print(process._server._process.pid)
"""
    command = [sys.executable, "-W", "error", "-c", program, str(tmp_path / "a.flo5")]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    with pytest.raises(ProcessLookupError):
        os.kill(int(result.stdout), 0)


@pytest.mark.parametrize(
    "options",
    [
        {"dtype": "<f2"},
        {"dtype": ">f2", "compression": "gzip", "compression_opts": 9},
        {"dtype": "<f8", "compression": "gzip", "shuffle": True},
        {"dtype": ">f4", "compression": "lzf", "fletcher32": True},
        {"chunks": (1, 1, 1)},
        {"chunks": (9, 8, 2), "compression": "gzip"},
        {"chunks": (4, 3, 1), "compression": "gzip", "shuffle": True},
        {"maxshape": (None, None, 2), "chunks": (16, 16, 2)},
        {"maxshape": (None, 8, 2), "chunks": (2, 8, 2)},
    ],
    ids=str,
)
@pytest.mark.parametrize("libver", ["earliest", "latest"])
def test_files_of_other_writers(options: dict[str, object], libver: str) -> None:
    def build(file: h5py.File) -> None:
        for index in range(20):  # enough for the other ways to keep links and attributes
            file.create_dataset(f"more {index}", data=index)
            file.attrs[f"note {index}"] = "by hand"
        file.create_dataset("flow", data=UV, track_times=True, **options)

    expected = UV.astype(str(options.get("dtype", "<f4"))).astype(np.float32)
    np.testing.assert_array_equal(decode_flo5(make_file(build, libver=libver), "x").uv, expected)


@pytest.mark.parametrize("chunks", [(1100, 1000, 2), (100, 130, 1), (7, 1000, 2), None])
def test_large_files_are_read_in_strips(chunks: tuple[int, int, int] | None) -> None:
    """More than one strip, with chunks of more rows than a strip and of fewer."""
    uv = np.random.default_rng(1).normal(size=(1100, 1000, 2)).astype(np.float32)
    options = {} if chunks is None else {"chunks": chunks, "compression": "gzip", "compression_opts": 1}
    data = make_file(lambda file: file.create_dataset("flow", data=uv, **options))
    np.testing.assert_array_equal(decode_flo5(data, "x").uv, uv)


@pytest.mark.slow
def test_a_large_file_stands_in_memory_once(tmp_path: Path) -> None:
    zeros = np.zeros((4096, 4096, 2), np.float32)
    data = make_file(lambda file: file.create_dataset("flow", data=zeros, chunks=zeros.shape, compression="gzip"))
    (tmp_path / "a.flo5").write_bytes(data)
    before = "from flowcli.io.flow import read_flow\nimport flowcli.io.flow.flo5"
    peak, outcome = measure_peak(before, "field = read_flow(sys.argv[1])", tmp_path / "a.flo5")
    assert outcome == "done"
    assert peak < zeros.nbytes + 2**26
