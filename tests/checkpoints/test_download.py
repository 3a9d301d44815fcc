"""`pull` against a server on the loopback: whatever it answers, only verified files get their name."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from flowcli.checkpoints.download import pull
from flowcli.checkpoints.manifest import KNOWN, KnownFile, KnownWeights
from flowcli.errors import OutputError, WeightsError

CONTENT = bytes(range(256)) * 16384  # 4 MiB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says."""

    requests: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        Handler.requests.append(self.path)
        answers = {
            "/complete": (200, CONTENT, len(CONTENT)),
            "/truncated": (200, CONTENT[:-1000], len(CONTENT)),
            "/short": (200, CONTENT[:-1000], len(CONTENT) - 1000),
            "/corrupted": (200, b"x" + CONTENT[1:], len(CONTENT)),
            "/endless": (200, CONTENT * 3, len(CONTENT) * 3),
            "/login": (200, b"<html>please log in</html>", 26),
        }
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/complete")
            self.end_headers()
            return
        if self.path == "/silent":
            return
        code, body, length = answers.get(self.path, (404, b"", 0))
        self.send_response(code)
        self.send_header("Content-Length", str(length))
        self.end_headers()
        with suppress(ConnectionError):  # the client may have heard enough
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setattr(Handler, "requests", [])
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = False  # joined on close: no thread outlives its test
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "not" / "there" / "yet"
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(folder))
    return folder


def publish(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    file = KnownFile(url, SHA256, 4, "test")
    monkeypatch.setitem(KNOWN, "tested", KnownWeights("for a test", "none", files=(file,)))


class Bar:
    """Counts, and interrupts like a user where it is asked to."""

    def __init__(self, interrupt_after: int | None = None) -> None:
        self.total: float | None = None
        self.count, self.updates, self.closed = 0.0, 0, False
        self.interrupt_after = interrupt_after

    def update(self, n: float | None = 1, /) -> None:
        self.count += n or 0
        self.updates += 1
        if self.updates == self.interrupt_after:
            raise KeyboardInterrupt

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("answer", ["complete", "moved"])
def test_a_complete_file(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    publish(monkeypatch, f"{server}/{answer}")
    bar = Bar()
    path = pull("tested", bar=lambda: bar)
    assert path == folder / "tested.safetensors"
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    assert (bar.count, bar.total, bar.closed) == (len(CONTENT), len(CONTENT), True)
    assert bar.updates > 3


def test_what_is_there_is_not_fetched_again(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/complete")
    first = pull("tested")

    def make_bar() -> Bar:
        raise AssertionError("nothing is fetched, so there is nothing to show")

    assert pull("tested", bar=make_bar) == first
    assert Handler.requests == ["/complete"]


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ("truncated", "cannot be fetched"),
        ("short", r"expected sha256 .*, found .* in 4193304 bytes; nothing was kept"),
        ("corrupted", r"expected sha256 .*, found .* in 4194304 bytes; nothing was kept"),
        ("login", r"found .* in 26 bytes; nothing was kept"),
        ("missing", r"cannot be fetched \(404 Client Error"),
        ("silent", "cannot be fetched"),
        ("endless", "expected 4 MB, found more than twice that; given up"),
    ],
)
def test_bad_answers_leave_nothing(
    server: str, folder: Path, monkeypatch: pytest.MonkeyPatch, answer: str, complaint: str
) -> None:
    publish(monkeypatch, f"{server}/{answer}")
    with pytest.raises(WeightsError, match=complaint) as caught:
        pull("tested")
    assert f"{server}/{answer}" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_bad_answer_leaves_what_was_there(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/corrupted")
    folder.mkdir(parents=True)
    (folder / "tested.safetensors").write_bytes(b"imported earlier")
    with pytest.raises(OutputError, match="already exists; use --overwrite"):
        pull("tested")
    assert Handler.requests == []
    with pytest.raises(WeightsError, match="nothing was kept"):
        pull("tested", overwrite=True)
    assert [path.read_bytes() for path in folder.iterdir()] == [b"imported earlier"]
    publish(monkeypatch, f"{server}/complete")
    assert pull("tested", overwrite=True).read_bytes() == CONTENT


def test_an_interrupt_leaves_nothing(server: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(monkeypatch, f"{server}/complete")
    bar = Bar(interrupt_after=2)
    with pytest.raises(KeyboardInterrupt):
        pull("tested", bar=lambda: bar)
    assert bar.closed
    assert list(folder.iterdir()) == []


def test_nobody_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with socket.socket() as unused:  # bound but not listening: connections are refused, and nobody else gets the port
        unused.bind(("127.0.0.1", 0))
        publish(monkeypatch, f"http://127.0.0.1:{unused.getsockname()[1]}/complete")
        with pytest.raises(WeightsError, match=r"cannot be fetched \(.*refused"):
            pull("tested")
    assert list(folder.iterdir()) == []


def test_names_that_cannot_be_pulled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="unheard-of: expected one of compact, coarse, perceiver-io"):
        pull("unheard-of")
    monkeypatch.setattr("flowcli.checkpoints.download.embedded_path", lambda name: tmp_path)
    assert pull("compact") == tmp_path


def test_a_folder_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("FLOWCLI_WEIGHTS", str(tmp_path / "file" / "folder"))
    with pytest.raises(OutputError, match=r"folder: cannot be made"):
        pull("perceiver-io")


def test_every_known_file_is_well_formed() -> None:
    files = [file for weights in KNOWN.values() for file in weights.files]
    assert len({file.sha256 for file in files}) == len(files) == 3
    for file in files:
        assert file.url.startswith("https://")
        assert len(bytes.fromhex(file.sha256)) == 32
